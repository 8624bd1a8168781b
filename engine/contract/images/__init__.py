"""The images that bot and engine exchange: decoding of uploads, encoding and grids. No torch."""
