"""Uploaded files: download, decode in a sandbox, sanitize."""
