"""The engine on a socket, for the bot."""
