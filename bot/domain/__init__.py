"""What the bot's words mean, and its rules: no I/O, no clock, no chance."""
