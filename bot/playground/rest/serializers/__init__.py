"""Guilds, messages and components as JSON objects of API version 10."""
