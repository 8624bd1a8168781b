"""Option types that several commands of /admin use."""

from typing import Annotated

from discord import AppCommandOptionType as OptionType
from discord.app_commands.transformers import RangeTransformer

Page = Annotated[int, RangeTransformer(OptionType.integer, min=1, max=10_000)]
