"""The option `loras` of a request: names with scales, as `neon, pencil:0.8`; pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from bot.domain.model_names import MAX_CHOICE_CHARS, MAX_CHOICES, short_name, short_names
from bot.errors import Refused
from bot.i18n import _
from engine.contract import MAX_ADAPTER_SCALE, MAX_ADAPTERS, Adapter, AdapterCard, ModelCard

MAX_TEXT: Final = 1000
"""Characters of the option."""
TRIGGERS: Final = " — "
"""Precedes the trigger words in a suggestion, which Discord puts into the option as it is shown."""
_TAG: Final = re.compile(r"<(?:lora|lyco):([^<>]*)>", re.IGNORECASE)
"""The notation of prompts, which is accepted here too."""
_DECIMAL_COMMA: Final = re.compile(rf"(:\s*[-+]?\d*),(\d+)(?=\s*(?:,|$|{TRIGGERS}))")
"""A scale as `:0,8`."""


class Suggestion(NamedTuple):
    """A choice for the option."""

    label: str
    value: str


class _Item(NamedTuple):
    """One of the option's names, as it was typed."""

    name: str
    scale: str | None


def parse(text: str | None, model: ModelCard, models: Sequence[ModelCard]) -> tuple[Adapter, ...]:
    """The LoRAs of this text. Raises Refused, with a sentence for the user."""
    items = list(_items(text or "", model.adapters))
    if len(items) > MAX_ADAPTERS:
        raise Refused(
            _("The option loras has {count} names; at most {limit} are allowed.").format(
                count=len(items), limit=MAX_ADAPTERS
            )
        )
    adapters = [_adapter(item, model, models) for item in items]
    names = [adapter.name for adapter in adapters]
    for name in names:
        if names.count(name) > 1:
            raise Refused(_("The option loras has “{name}” more than once.").format(name=name[:50]))
    return tuple(adapters)


def text_of(adapters: Sequence[Adapter]) -> str:
    """The text that `parse` reads as these."""
    return ", ".join(
        adapter.name if adapter.scale == 1.0 else f"{adapter.name}:{adapter.scale:g}"
        for adapter in adapters
    )


def suggestions(typed: str, cards: Sequence[AdapterCard]) -> list[Suggestion]:
    """What the last of the typed names may become, with the trigger words, at most MAX_CHOICES."""
    items = list(_items(typed, cards))
    is_new = not items or typed.rstrip().endswith(",")
    done, last = (items, None) if is_new else (items[:-1], items[-1])
    if len(done) >= MAX_ADAPTERS:
        return []
    before = ", ".join(_written(item) for item in done)
    used = {item.name.casefold() for item in done}
    part = "" if last is None else last.name.casefold()
    scale = "" if last is None or last.scale is None else f":{last.scale}"
    fitting = [
        card for card in cards if part in card.name.casefold() and card.name.casefold() not in used
    ]
    fitting.sort(key=lambda card: not card.name.casefold().startswith(part))
    texts = [", ".join(filter(None, (before, f"{card.name}{scale}"))) for card in fitting]
    return [
        Suggestion(_label(text, card), text)
        for text, card in zip(texts, fitting, strict=True)
        if len(text) <= MAX_CHOICE_CHARS
    ][:MAX_CHOICES]


def _label(text: str, card: AdapterCard) -> str:
    triggers = " · ".join(trigger.replace(",", " ") for trigger in card.triggers)
    return (f"{text}{TRIGGERS}{triggers}" if triggers else text)[:MAX_CHOICE_CHARS]


def _written(item: _Item) -> str:
    return item.name if item.scale is None else f"{item.name}:{item.scale}"


def _items(text: str, cards: Sequence[AdapterCard]) -> Iterator[_Item]:
    """The names of a text. Commas and colons in names of the cards belong to them."""
    names = [card.name for card in cards]
    rest = _TAG.sub(r"\1,", text).strip(" ,\n")
    while rest:
        name, rest = _first_name(rest, names)
        comma = _DECIMAL_COMMA.match(rest)
        if comma is not None and comma[2] not in names:
            rest = f"{comma[1]}.{comma[2]}{rest[comma.end() :]}"
        following, _, rest = rest.partition(",")
        scale, _, _ = following.partition(TRIGGERS)
        rest = rest.strip(" ,\n")
        yield _Item(name, scale.removeprefix(":").strip() if ":" in scale else None)


def _first_name(text: str, names: Sequence[str]) -> tuple[str, str]:
    """The name that a text begins with, and what follows it; one in other case if none is exact."""
    whole = [name for name in names if _is_whole(text, name)]
    for name in sorted(whole, key=lambda name: (-len(name), not text.startswith(name))):
        return name, text[len(name) :]
    item = text.partition(",")[0].partition(TRIGGERS)[0]
    name, colon, _ = item.rpartition(":")
    end = len(name) if colon else len(item)
    return item[:end].strip(), text[end:]


def _is_whole(text: str, name: str) -> bool:
    """Whether the text begins with this name, in any case, and not with a longer word."""
    following = text[len(name) :]
    is_ended = not following or following.lstrip()[:1] in (",", ":")
    return text[: len(name)].casefold() == name.casefold() and (
        is_ended or following.startswith(TRIGGERS)
    )


def _adapter(item: _Item, model: ModelCard, models: Sequence[ModelCard]) -> Adapter:
    scale = _scale(item)
    try:
        return model.adapter(item.name, scale)
    except ValueError as error:
        others = [
            name
            for name, card in short_names(models).items()
            if any(adapter.name.casefold() == item.name.casefold() for adapter in card.adapters)
        ]
        if others and not any(card.name == item.name for card in model.adapters):
            raise Refused(
                _("The LoRA {name} does not fit the model {model}; it fits {others}.").format(
                    name=item.name[:50], model=short_name(model, models), others=", ".join(others)
                )
            ) from error
        raise Refused(str(error)) from error


def _scale(item: _Item) -> float:
    if item.scale is None:
        return 1.0
    try:
        return float(item.scale)
    except ValueError as error:
        raise Refused(
            _(
                "The scale of the LoRA {name} is “{scale}”; it must be a number from "
                "-{limit:g} to {limit:g}."
            ).format(name=item.name[:50], scale=item.scale[:20], limit=MAX_ADAPTER_SCALE)
        ) from error
