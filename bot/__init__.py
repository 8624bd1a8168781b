"""The Discord bot: accepts requests, stores jobs, and shows the engine's pictures."""
