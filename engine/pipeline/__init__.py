"""The denoising loop: noise, forward passes, and previews of the latents."""
