"""Files that people upload, from their address to a clean picture."""
