"""The styles and wildcards of a guild, and how its managers change them; pure.

A guild has the built-in ones. Its own ones come beside them or in their place, and it can remove
built-in ones.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from bot.domain import built_in_presets as built_in
from bot.domain.prompt_template import normal_name
from bot.domain.styles import Style, unknown
from bot.domain.wildcards import Wildcard
from bot.errors import Refused
from bot.i18n import N_, _

MAX_OWN: Final = 50
"""Of each kind in a guild, with those built-in ones that it removed."""
MAX_NAME: Final = 30


class PresetKind(StrEnum):
    """Stored with each preset, and what users call it."""

    STYLE = N_("style")
    WILDCARD = N_("wildcard")


Preset = Style | Wildcard


class PresetKey(NamedTuple):
    """What a preset of a guild is known by."""

    kind: PresetKind
    name: str


Own = Mapping[PresetKey, Preset | None]
"""What a guild has chosen; None for a built-in preset that it removed."""
_BUILT_IN: Final[Mapping[PresetKey, Preset]] = {
    **{PresetKey(PresetKind.STYLE, name): style for name, style in built_in.STYLES.items()},
    **{PresetKey(PresetKind.WILDCARD, name): item for name, item in built_in.WILDCARDS.items()},
}


class Presets(msgspec.Struct, frozen=True):
    """The styles and wildcards of a guild, by name in alphabetical order."""

    styles: Mapping[str, Style]
    wildcards: Mapping[str, Wildcard]
    own: Own = {}
    """Those that are not built in, or are removed."""

    @property
    def entries(self) -> Mapping[str, tuple[str, ...]]:
        """The entries of the wildcards."""
        return {name: wildcard.entries for name, wildcard in self.wildcards.items()}

    def names(self, kind: PresetKind) -> list[str]:
        """The names of one kind."""
        return list(self.styles if kind is PresetKind.STYLE else self.wildcards)

    def changed(self, kind: PresetKind) -> list[str]:
        """The names of the built-in ones of a kind that the guild changed or removed."""
        return [key.name for key in self.own if key.kind is kind and key in _BUILT_IN]

    def removed(self, kind: PresetKind) -> list[str]:
        """The names of the built-in ones of a kind that the guild removed."""
        return [key.name for key in self.own if key.kind is kind and self.own[key] is None]


def with_own(own: Own) -> Presets:
    """The presets of a guild that has chosen these."""
    merged: dict[PresetKey, Preset | None] = {**_BUILT_IN, **own}
    items = [(key.name, preset) for key, preset in sorted(merged.items())]
    return Presets(
        styles={name: preset for name, preset in items if isinstance(preset, Style)},
        wildcards={name: preset for name, preset in items if isinstance(preset, Wildcard)},
        own=own,
    )


BUILT_IN: Final = with_own({})


class Changed(NamedTuple):
    """What a change does to the choices of a guild."""

    key: PresetKey
    preset: Preset | None
    """What is chosen from now on."""
    is_chosen: bool
    """Whether the guild has a choice of its own from now on."""
    detail: str
    """For the audit log; has no words of users but the name."""


Change = Callable[[Own], Changed]
"""Raises Refused, with a sentence for the user."""


_ADDED: Final = N_("{kind} {name}: added{summary}")
_CHANGED: Final = N_("{kind} {name}: changed{summary}")
_PLURALS: Final = {PresetKind.STYLE: N_("styles"), PresetKind.WILDCARD: N_("wildcards")}
_BUILT_IN_TITLES: Final = {
    PresetKind.STYLE: N_("built-in style"),
    PresetKind.WILDCARD: N_("built-in wildcard"),
}


def key_of(kind: PresetKind, name: str) -> PresetKey:
    """The key of a name as it was typed. Raises Refused if there can be no such name."""
    normal = normal_name(name)
    if normal is None or len(normal) > MAX_NAME:
        raise Refused(
            _(
                "The name of a {kind} has letters and digits, with hyphens between them, "
                "and at most {limit} characters; “{name}” is none."
            ).format(kind=_(kind), limit=MAX_NAME, name=name[:40])
        )
    return PresetKey(kind, normal)


def add(key: PresetKey, preset: Preset) -> Change:
    """A preset of a new name, or of one whose built-in preset the guild removed."""

    def change(own: Own) -> Changed:
        if with_chosen(own, key) is not None:
            raise Refused(
                _("There is a {kind} “{name}” already; change it instead.").format(
                    kind=key.kind, name=key.name
                )
            )
        return _stored(own, key, preset, _ADDED)

    return change


def replace(key: PresetKey, update: Callable[[Preset], Preset]) -> Change:
    """Another preset in place of one; `update` may raise Refused."""

    def change(own: Own) -> Changed:
        return _stored(own, key, update(_existing(own, key)), _CHANGED)

    return change


def _stored(own: Own, key: PresetKey, preset: Preset, detail: str) -> Changed:
    """The choice of a preset, if the guild may have one more of its own."""
    if key not in own and sum(own_key.kind is key.kind for own_key in own) >= MAX_OWN:
        sentence = _("A server has at most {limit} {kind} of its own. Remove one first.")
        raise Refused(sentence.format(limit=MAX_OWN, kind=_(_PLURALS[key.kind])))
    summary = _summary(preset)
    return Changed(key, preset, True, detail.format(kind=key.kind, name=key.name, summary=summary))


def remove(key: PresetKey) -> Change:
    """No preset of this name."""

    def change(own: Own) -> Changed:
        _existing(own, key)
        return Changed(
            key,
            None,
            key in _BUILT_IN,
            N_("{kind} {name}: removed").format(kind=key.kind, name=key.name),
        )

    return change


def reset(key: PresetKey) -> Change:
    """The built-in preset of this name."""

    def change(own: Own) -> Changed:
        if key not in _BUILT_IN:
            names = [preset_key.name for preset_key in _BUILT_IN if preset_key.kind is key.kind]
            raise Refused(unknown(_BUILT_IN_TITLES[key.kind], key.name, names))
        return Changed(
            key,
            _BUILT_IN[key],
            False,
            N_("{kind} {name}: as built in").format(kind=key.kind, name=key.name),
        )

    return change


def with_chosen(own: Own, key: PresetKey) -> Preset | None:
    """The preset of this name in a guild; None if there is none."""
    return own[key] if key in own else _BUILT_IN.get(key)


def _existing(own: Own, key: PresetKey) -> Preset:
    preset = with_chosen(own, key)
    if preset is None:
        raise Refused(unknown(key.kind, key.name, with_own(own).names(key.kind)))
    return preset


def _summary(preset: Preset) -> str:
    if isinstance(preset, Wildcard):
        return N_(", {count} entries").format(count=len(preset.entries))
    return "".join(f", {text}" for text in preset.settings)
