"""Init images: decoded, resized and cropped for a recipe. No torch."""
