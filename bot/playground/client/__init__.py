"""Discord's client: a user's actions, option values and modals."""
