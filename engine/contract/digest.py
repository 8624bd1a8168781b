"""The digest by which both processes name init images and pictures."""

import hashlib


def sha256(data: bytes) -> str:
    """The SHA-256 digest in hex."""
    return hashlib.sha256(data).hexdigest()
