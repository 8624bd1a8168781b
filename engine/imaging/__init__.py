"""Decode and resize init images, and encode painted pictures."""
