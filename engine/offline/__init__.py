"""The engine without a bot: pictures into folders."""
