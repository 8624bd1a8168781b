"""The small model that ships with the project: its scenes, its training, its weights."""
