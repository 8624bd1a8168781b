"""The Discord bot: takes requests, keeps the record, and shows what the engine paints."""
