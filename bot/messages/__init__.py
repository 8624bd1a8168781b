"""What jobs look like on Discord, and how that gets there."""
