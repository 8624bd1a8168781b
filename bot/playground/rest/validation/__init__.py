"""Discord's validation rules for request bodies."""
