"""Which words may be painted."""
