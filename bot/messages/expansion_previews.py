"""The preview of a prompt to which words were added; pure.

The message has all of its state, so that its buttons also work after a restart.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import discord

from bot.i18n import _, pgettext
from bot.messages.components import VERSION, button

_PAINT: Final = f"{VERSION}:expandpaint"
_EXPAND: Final = f"{VERSION}:expandagain"
_UNDO: Final = f"{VERSION}:expandundo"
PAINT_PATTERN: Final = rf"{_PAINT}:(?P<detail>own|[0-9]{{1,20}})"
EXPAND_PATTERN: Final = rf"{_EXPAND}:(?P<seed>[0-9]{{1,20}})"
UNDO_PATTERN: Final = rf"{_UNDO}:(?P<seed>[0-9]{{1,20}})"
_MAX_FIELD: Final = 1024
"""Characters in a field of an embed."""


class ExpansionPreview(NamedTuple):
    """A request of /imagine that is shown before it is painted."""

    prompt: str
    own_words: str
    """What the user typed; equal to the prompt if no words were added."""
    values: Mapping[str, str]
    """The other options, by name, as texts."""
    urls: Mapping[str, str]
    """The addresses of the attachments, by option."""

    @property
    def is_expanded(self) -> bool:
        """Whether words were added."""
        return self.prompt != self.own_words


def embeds(preview: ExpansionPreview) -> list[discord.Embed]:
    """The prompt and the options, and one embed for each attachment."""
    title = _("✨ Your prompt with more words") if preview.is_expanded else _("Your prompt")
    first = discord.Embed(title=title, description=preview.prompt)
    if preview.is_expanded:
        own_words = preview.own_words[:_MAX_FIELD]
        first.add_field(name=_("Your words"), value=own_words, inline=False)
    for name, value in preview.values.items():
        first.add_field(name=name, value=value[:_MAX_FIELD])
    attachments = [
        discord.Embed(title=name, url=url).set_thumbnail(url=url)
        for name, url in preview.urls.items()
    ]
    return [first, *attachments]


def view(preview: ExpansionPreview, seed: int) -> discord.ui.View:
    """Paint, other words, and undo. `seed` is that of the words."""
    paint: discord.ui.Button[discord.ui.View] = discord.ui.Button(
        label=pgettext("button", "🎨 Paint"),
        style=discord.ButtonStyle.primary,
        custom_id=f"{_PAINT}:{seed if preview.is_expanded else 'own'}",
    )
    others = (
        [
            button(pgettext("button", "🔄 Other words"), f"{_EXPAND}:{seed + 1}"),
            button(pgettext("button", "↩️ Undo"), f"{_UNDO}:{seed}"),
        ]
        if preview.is_expanded
        else [button(pgettext("button", "✨ Expand"), f"{_EXPAND}:{seed}")]
    )
    result = discord.ui.View(timeout=None)
    for item in (paint, *others):
        result.add_item(item)
    result.stop()
    return result


def shown(message: discord.Message | None) -> ExpansionPreview | None:
    """What a preview shows; None if its embeds are gone."""
    if message is None or not message.embeds:
        return None
    first, *attachments = message.embeds
    fields = {field.name or "": field.value or "" for field in first.fields if field.inline}
    prompt = first.description or ""
    own_words = next((field.value for field in first.fields if not field.inline), None) or prompt
    return ExpansionPreview(
        prompt=prompt,
        own_words=own_words,
        values=fields,
        urls={embed.title or "": embed.url or "" for embed in attachments},
    )
