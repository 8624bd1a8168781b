"""The record in SQLite: the only code with SQL."""
