"""The engine without a server: paint jobs into folders."""
