"""The client of the engine: its process, the connection to it, and its supervision."""
