"""How the recipes of each kind of job are made."""
