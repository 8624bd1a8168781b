"""Model families, which all implement the protocol of `base.py`."""
