"""What is done when the bot starts: building its parts, and connecting to Discord."""
