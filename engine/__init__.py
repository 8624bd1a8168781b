"""The engine: Stable Diffusion in a process of its own, without any knowledge of Discord."""
