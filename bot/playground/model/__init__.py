"""State: guilds, channels, messages, interactions, and files with their CDN."""
