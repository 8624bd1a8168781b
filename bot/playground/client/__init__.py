"""What Discord's own client does for a user: options, modals, clicks."""
