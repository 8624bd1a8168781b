"""The engine as a server on a local socket."""
