"""The engine: Stable Diffusion in a separate process, independent of Discord."""
