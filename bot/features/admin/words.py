"""/admin words: what is not painted in a server."""

import time
from typing import Annotated, Final

import discord
from discord import AppCommandOptionType as OptionType
from discord import app_commands
from discord.app_commands.transformers import RangeTransformer

from bot.context import Interaction, services
from bot.errors import Refused
from bot.features.admin import Page, group, managed_guild
from bot.features.responses import guarded, whisper
from bot.messages import moderation_cards
from bot.prompt_filter.filter import MAX_WORD_CHARS, normalize_banned_word

Word = Annotated[str, RangeTransformer(OptionType.string, min=1, max=MAX_WORD_CHARS)]
words: Final = app_commands.Group(
    name="words", description="Words that I paint nothing of in this server", parent=group
)


@words.command(name="add", description="Ban a word or phrase")
@app_commands.describe(word="A whole word, however it is written; * at its end: any ending")
async def add_word(interaction: Interaction, word: Word) -> None:
    """From now on, also for re-rolls and variations of what was painted before."""
    await guarded(interaction, _add_word(interaction, word))


async def _add_word(interaction: Interaction, word: str) -> None:
    guild = managed_guild(interaction)
    plain = normalize_banned_word(word)
    added = await services(interaction).moderation.ban_word(
        guild, plain, actor_id=interaction.user.id, now=time.time()
    )
    state = "is banned now" if added else "was banned before"
    await whisper(interaction, f"“{_quoted(plain)}” {state}.")


@words.command(name="remove", description="Allow a banned word again")
@app_commands.describe(word="As it stands on the list")
async def remove_word(interaction: Interaction, word: Word) -> None:
    """As if it had never been on the list."""
    await guarded(interaction, _remove_word(interaction, word))


async def _remove_word(interaction: Interaction, word: str) -> None:
    guild = managed_guild(interaction)
    plain = normalize_banned_word(word)
    if not await services(interaction).moderation.unban_word(
        guild, plain, actor_id=interaction.user.id, now=time.time()
    ):
        raise Refused(f"“{_quoted(plain)}” is not on the list; see /admin words list.")
    await whisper(interaction, f"“{_quoted(plain)}” is allowed again.")


@words.command(name="list", description="The banned words of this server")
async def list_words(interaction: Interaction, page: Page = 1) -> None:
    """In the order of the alphabet."""
    await guarded(interaction, _list_words(interaction, page))


async def _list_words(interaction: Interaction, page: int) -> None:
    found = await services(interaction).moderation.banned_words(managed_guild(interaction))
    lines = [_quoted(word) for word in found]
    await whisper(
        interaction, moderation_cards.page(lines, page) if lines else "No word is banned here."
    )


def _quoted(word: str) -> str:
    return discord.utils.escape_markdown(discord.utils.escape_mentions(word))
