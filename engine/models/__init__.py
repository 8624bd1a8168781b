"""Models: each family loads and runs behind one protocol."""
