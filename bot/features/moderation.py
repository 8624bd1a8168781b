"""/admin words, block, unblock, blocked, audit and moderators: what a server does not want."""

import time
from typing import Annotated, Final

import discord
from discord import AppCommandOptionType as OptionType
from discord import app_commands
from discord.app_commands.transformers import RangeTransformer

from bot.context import Interaction, desk
from bot.domain.moderation import BLOCK_REASON_LIMIT
from bot.errors import NETWORK_ERRORS, Refused
from bot.features import admin, cases
from bot.features.responses import guarded, whisper
from bot.messages import moderation_cards
from bot.prompt_filter import filter as prompt_filter
from bot.prompt_filter.filter import WORD_LIMIT

_AUDIT_LINES: Final = 6
_HERE: Final = "Reports of pictures come to this channel from now on."
Word = Annotated[str, RangeTransformer(OptionType.string, min=1, max=WORD_LIMIT)]
Reason = Annotated[str, RangeTransformer(OptionType.string, min=1, max=BLOCK_REASON_LIMIT)]
Page = Annotated[int, RangeTransformer(OptionType.integer, min=1, max=10_000)]

words: Final = app_commands.Group(
    name="words", description="Words that I paint nothing of in this server", parent=admin.group
)


@words.command(name="add", description="Ban a word or phrase")
@app_commands.describe(word="A whole word, however it is written; * at its end: any ending")
async def add_word(interaction: Interaction, word: Word) -> None:
    """From now on, also for re-rolls and variations of what was painted before."""
    await guarded(interaction, _add_word(interaction, word))


async def _add_word(interaction: Interaction, word: str) -> None:
    guild = _guild(interaction)
    plain = prompt_filter.word(word)
    added = await desk(interaction).moderation.ban_word(
        guild, plain, actor=interaction.user.id, now=time.time()
    )
    state = "is banned now" if added else "was banned before"
    await whisper(interaction, f"“{_quoted(plain)}” {state}.")


@words.command(name="remove", description="Allow a banned word again")
@app_commands.describe(word="As it stands on the list")
async def remove_word(interaction: Interaction, word: Word) -> None:
    """As if it had never been on the list."""
    await guarded(interaction, _remove_word(interaction, word))


async def _remove_word(interaction: Interaction, word: str) -> None:
    guild = _guild(interaction)
    plain = prompt_filter.word(word)
    if not await desk(interaction).moderation.allow_word(
        guild, plain, actor=interaction.user.id, now=time.time()
    ):
        raise Refused(f"“{_quoted(plain)}” is not on the list; see /admin words list.")
    await whisper(interaction, f"“{_quoted(plain)}” is allowed again.")


@words.command(name="list", description="The banned words of this server")
async def list_words(interaction: Interaction, page: Page = 1) -> None:
    """In the order of the alphabet."""
    await guarded(interaction, _list_words(interaction, page))


async def _list_words(interaction: Interaction, page: int) -> None:
    found = await desk(interaction).moderation.words(_guild(interaction))
    lines = [_quoted(word) for word in found]
    await whisper(
        interaction, moderation_cards.page(lines, page) if lines else "No word is banned here."
    )


@admin.group.command(name="block", description="Let me paint nothing for a person in this server")
@app_commands.describe(person="Who", reason="They are told it")
async def block(interaction: Interaction, person: discord.User, reason: Reason) -> None:
    """What they have asked for here and is not finished is cancelled."""
    await guarded(interaction, _block(interaction, person.id, reason))


async def _block(interaction: Interaction, person: int, reason: str) -> None:
    _guild(interaction)
    plain = reason.strip()[:BLOCK_REASON_LIMIT]
    if not plain:
        raise Refused("The reason is empty; the person is told it.")
    await interaction.response.defer(ephemeral=True, thinking=True)
    told = await cases.block(interaction, person, plain)
    await interaction.edit_original_response(content=told)


@admin.group.command(name="unblock", description="Let me paint for a person in this server again")
@app_commands.describe(person="Who")
async def unblock(interaction: Interaction, person: discord.User) -> None:
    """They may also have left."""
    await guarded(interaction, _unblock(interaction, person.id))


async def _unblock(interaction: Interaction, person: int) -> None:
    _guild(interaction)
    await whisper(interaction, await cases.unblock(interaction, person))


@admin.group.command(name="blocked", description="Who is blocked in this server")
async def blocked(interaction: Interaction, page: Page = 1) -> None:
    """The newest first."""
    await guarded(interaction, _blocked(interaction, page))


async def _blocked(interaction: Interaction, page: int) -> None:
    lines = moderation_cards.blocks(await desk(interaction).moderation.blocks(_guild(interaction)))
    await whisper(
        interaction, moderation_cards.page(lines, page) if lines else "Nobody is blocked here."
    )


@admin.group.command(name="audit", description="What was refused, reported and decided here")
@app_commands.describe(page="1 is the newest")
async def audit(interaction: Interaction, page: Page = 1) -> None:
    """Only the one who asks sees it."""
    await guarded(interaction, _audit(interaction, page))


async def _audit(interaction: Interaction, page: int) -> None:
    log = desk(interaction).moderation.audit
    found = await log.page(_guild(interaction), page, _AUDIT_LINES)
    lines = (
        "\n".join(moderation_cards.audit(found)) or "There is nothing in the log, or no such page."
    )
    more = f"\nolder: /admin audit page:{page + 1}" if len(found) == _AUDIT_LINES else ""
    await whisper(interaction, lines + more)


@admin.group.command(name="moderators", description="Where I write reports of pictures to")
@app_commands.describe(channel="Left out: nowhere, and reports are only in the audit log")
async def moderators(interaction: Interaction, channel: discord.TextChannel | None = None) -> None:
    """A channel that only moderators can read, say."""
    await guarded(interaction, _moderators(interaction, channel))


async def _moderators(interaction: Interaction, channel: discord.TextChannel | None) -> None:
    guild = _guild(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    if channel is not None:
        await _try_out(interaction, channel.id)
    await desk(interaction).moderation.channels.set_channel(
        guild, channel.id if channel else None, actor=interaction.user.id, now=time.time()
    )
    where = f"to <#{channel.id}>" if channel else "nowhere, but are in /admin audit"
    await cases.catch_up(interaction.client)
    await interaction.edit_original_response(content=f"Reports go {where}.")


async def _try_out(interaction: Interaction, channel: int) -> None:
    try:
        await interaction.client.get_partial_messageable(channel).send(_HERE)
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        raise Refused(
            f"I cannot write to <#{channel}>, so nothing is changed. Let me view that channel and "
            f"send messages there. ({error})"
        ) from error


def _guild(interaction: Interaction) -> int:
    """The server that this is about. Raises Refused for those who may not decide there.

    Who is shown /admin is up to the server; those who may not even delete messages there never may.
    """
    may = interaction.permissions
    allowed = may.manage_guild or may.manage_messages or may.administrator
    if interaction.guild_id is None or not allowed:
        raise Refused("Only those who manage this server, and its moderators, can do this.")
    return interaction.guild_id


def _quoted(word: str) -> str:
    return discord.utils.escape_markdown(discord.utils.escape_mentions(word))
