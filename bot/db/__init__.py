"""The SQLite database: the only package with SQL. Each table is written by one store."""
