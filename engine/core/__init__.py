"""The engine core: which requests share a forward pass, and all that happens to them."""
