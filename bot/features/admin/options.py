"""Option types that several commands of /admin use."""

from discord import app_commands

Page = app_commands.Range[int, 1, 10_000]
