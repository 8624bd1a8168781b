"""Decode and resize init images, encode painted pictures, and compose grids. No torch.

The bot uses it too.
"""
