"""Which prompts are allowed: banned words of a guild, and no sexual content with minors."""
