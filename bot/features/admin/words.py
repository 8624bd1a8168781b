"""/admin words: the banned words of a guild."""

from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.errors import Refused
from bot.features.admin.options import Page
from bot.features.exports import GroupCommand
from bot.features.permissions import moderated_guild
from bot.features.responses import respond_ephemeral
from bot.i18n import _
from bot.messages import moderation_cards
from bot.messages.captions import escape
from bot.prompt_filter.filter import MAX_WORD_CHARS

Word = app_commands.Range[str, 1, MAX_WORD_CHARS]


@app_commands.command(name="add", description="Ban a word or phrase")
@app_commands.describe(word="A whole word in any spelling; end it with * for any ending")
async def add_command(interaction: Interaction, word: Word) -> None:
    """Applies to re-rolls and variations of older jobs too."""
    guild_id = moderated_guild(interaction)
    word, is_new = await services(interaction).moderation.ban_word(
        guild_id, word, actor_id=interaction.user.id
    )
    sentence = _("“{word}” is now banned.") if is_new else _("“{word}” is already banned.")
    await respond_ephemeral(interaction, sentence.format(word=escape(word, MAX_WORD_CHARS)))


@app_commands.command(name="remove", description="Allow a banned word again")
@app_commands.describe(word="The word as it is in /admin words list")
async def remove_command(interaction: Interaction, word: Word) -> None:
    """Raises Refused if the word is not banned."""
    guild_id = moderated_guild(interaction)
    word, was_banned = await services(interaction).moderation.unban_word(
        guild_id, word, actor_id=interaction.user.id
    )
    if not was_banned:
        raise Refused(
            _("“{word}” is not banned; see /admin words list.").format(
                word=escape(word, MAX_WORD_CHARS)
            )
        )
    await respond_ephemeral(
        interaction, _("“{word}” is allowed again.").format(word=escape(word, MAX_WORD_CHARS))
    )


@app_commands.command(name="list", description="List the banned words of this server")
async def list_command(interaction: Interaction, page: Page = 1) -> None:
    """In alphabetical order."""
    words = await services(interaction).moderation.banned_words(moderated_guild(interaction))
    lines = [escape(word, MAX_WORD_CHARS) for word in words]
    text = moderation_cards.page(lines, page) if lines else _("No word is banned here.")
    await respond_ephemeral(interaction, text)


def _group() -> app_commands.Group:
    group = app_commands.Group(name="words", description="Words that are banned in this server")
    group.add_command(add_command)
    group.add_command(remove_command)
    group.add_command(list_command)
    return group


commands: Final[tuple[GroupCommand, ...]] = (_group(),)
