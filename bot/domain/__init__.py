"""The bot's types and rules. They do no I/O, read no clock and draw no random numbers."""
