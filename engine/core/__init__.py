"""The engine core: schedule requests, run their forward passes and make their images."""
