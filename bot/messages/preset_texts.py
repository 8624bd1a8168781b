"""Styles and wildcards as texts for the managers of a guild; pure."""

from collections.abc import Iterator
from typing import Final

from bot.domain.presets import Own, Preset, PresetKey, PresetKind, Presets
from bot.domain.styles import Style
from bot.domain.wildcards import Wildcard
from bot.i18n import _, command_name
from bot.messages.captions import escape
from bot.messages.moderation_cards import page

_MAX_WORDS: Final = 150
_MAX_ENTRIES: Final = 200
"""Characters of the words of a style and of the entries of a wildcard in a list."""


def styles(presets: Presets, number: int) -> str:
    """A page of the styles of a guild."""
    lines = [
        f"- **{name}**{_origin(presets.own, PresetKind.STYLE, name)}: {_style(style)}"
        for name, style in presets.styles.items()
    ]
    return _list(lines, presets, PresetKind.STYLE, number)


def wildcards(presets: Presets, number: int) -> str:
    """A page of the wildcards of a guild."""
    lines = [
        f"- `__{name}__`{_origin(presets.own, PresetKind.WILDCARD, name)}: {_wildcard(wildcard)}"
        for name, wildcard in presets.wildcards.items()
    ]
    return _list(lines, presets, PresetKind.WILDCARD, number)


def preset(key: PresetKey, item: Preset | None) -> str:
    """One preset after a change; None if it was removed."""
    name = f"**{key.name}**" if key.kind is PresetKind.STYLE else f"`__{key.name}__`"
    if item is None:
        return _("The {kind} {name} is removed.").format(kind=_(key.kind), name=name)
    text = _style(item) if isinstance(item, Style) else _wildcard(item)
    return _("The {kind} {name}: {text}").format(kind=_(key.kind), name=name, text=text)


def _list(lines: list[str], presets: Presets, kind: PresetKind, number: int) -> str:
    removed = presets.removed(kind)
    if removed:
        sentence = _("Removed here: {removed}. {command} brings them back.").format(
            removed=", ".join(removed), command=f"`/{command_name(f'admin {kind} reset')}`"
        )
        lines = [sentence, *lines]
    return page(lines, number) if lines else _("There is no {kind} here.").format(kind=_(kind))


def _origin(own: Own, kind: PresetKind, name: str) -> str:
    return _(" (of this server)") if PresetKey(kind, name) in own else ""


def _style(item: Style) -> str:
    return " · ".join(_parts(item))


def _parts(item: Style) -> Iterator[str]:
    if item.prompt:
        yield escape(item.prompt, _MAX_WORDS)
    if item.negative:
        yield _("without {words}").format(words=escape(item.negative, _MAX_WORDS))
    yield from item.settings


def _wildcard(item: Wildcard) -> str:
    entries = escape(", ".join(item.entries), _MAX_ENTRIES)
    count = len(item.entries)
    return f"{count} {'entry' if count == 1 else 'entries'}: {entries}"
