"""Whose job is next, and who may ask for how much."""
