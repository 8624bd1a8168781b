"""The bot's end of the engine: its process, the connection to it, and whether it gets on."""
