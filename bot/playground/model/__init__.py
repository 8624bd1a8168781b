"""State without HTTP: guilds, channels, messages, interactions, files."""
