"""Pixels: input images read and fitted, painted pictures encoded."""
