"""The painter: Stable Diffusion in a process of its own, that knows nothing of Discord."""
