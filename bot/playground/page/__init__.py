"""The web page's HTTP routes and its event stream."""
