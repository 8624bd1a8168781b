"""One picture from its noise to its latents, one forward pass at a time."""
