"""The message that says what a picture shows, with buttons that paint it; pure.

The message has all of its state, so that its buttons also work after a restart.
"""

import re
from collections.abc import Sequence
from math import gcd
from typing import Final, NamedTuple

import discord

from bot.i18n import _, pgettext
from bot.messages.components import VERSION, button, stateless_view

FILE_NAME: Final = "described.png"
_PAINT: Final = f"{VERSION}:describepaint"
_DELETE: Final = f"{VERSION}:describedelete"
_PRIVATE: Final = ":private"
PAINT_PATTERN: Final = (
    rf"{_PAINT}:(?P<nth>[1-9]):(?P<aspect>[0-9]{{1,4}}:[0-9]{{1,4}})(?P<private>{_PRIVATE})?"
)
DELETE_PATTERN: Final = rf"{_DELETE}:(?P<user>[0-9]{{1,20}})"


class Buttons(NamedTuple):
    """What the buttons of a description need to know."""

    texts: int
    """The number of texts."""
    width: int
    height: int
    user_id: int
    """Who asked."""
    is_private: bool = False
    """Whether what is painted is for the user alone."""
    has_delete: bool = True


def embed(texts: Sequence[str], limits: str) -> discord.Embed:
    """The texts, each in a field, beside the picture; `limits` says how far to trust them."""
    result = discord.Embed(title=_("This picture shows"))
    result.set_thumbnail(url=f"attachment://{FILE_NAME}")
    for nth, text in enumerate(texts, 1):
        result.add_field(name=str(nth), value=text, inline=False)
    return result.set_footer(text=limits) if limits else result


def view(buttons: Buttons) -> discord.ui.View:
    """A button for each text, and one that deletes a public message."""
    divisor = gcd(buttons.width, buttons.height)
    aspect = f"{buttons.width // divisor}:{buttons.height // divisor}"
    private = _PRIVATE if buttons.is_private else ""
    paint = pgettext("button", "🎨 Paint")
    items = [
        button(paint if buttons.texts == 1 else f"🎨 {nth}", f"{_PAINT}:{nth}:{aspect}{private}")
        for nth in range(1, buttons.texts + 1)
    ]
    if buttons.has_delete:
        label = pgettext("button", "❌ Delete")
        items.append(button(label, f"{_DELETE}:{buttons.user_id}", row=1))
    return stateless_view(items)


def text_of(message: discord.Message | None, match: "re.Match[str]") -> str | None:
    """The text of a button; None if the message has lost it."""
    embeds = [] if message is None else message.embeds
    values = [field.value for field in embeds[0].fields] if embeds else []
    nth = int(match["nth"])
    return values[nth - 1] if nth <= len(values) else None
