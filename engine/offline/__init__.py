"""Paint jobs into folders, without a server."""
