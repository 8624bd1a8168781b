"""The text of /about; pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from bot.domain.model_names import short_names
from bot.domain.user_data import RetentionPolicy
from bot.i18n import N_, _
from bot.messages import captions
from bot.monitoring.software import Package
from engine.contract import NO_TEXT_MODELS, ModelCard, TextModelCard, TextModelCards

MAX_MODELS: Final = 10
_MAX_NAME: Final = 60
_MAX_CHARS: Final = 2000
_UNKNOWN: Final = N_("licence not named")
_SUMMARY: Final = N_(
    "I paint pictures with Stable Diffusion. Every picture can be painted again from its recipe."
)


def about(
    version: str,
    models: Sequence[ModelCard],
    packages: Sequence[Package],
    retention: RetentionPolicy,
    source_url: str | None,
    text_models: TextModelCards = NO_TEXT_MODELS,
) -> str:
    """Who the bot is, what it is made of, and what it stores; the default model is the first."""
    own, *dependencies = packages or (Package("imagine-bot", version, ""),)
    parts = [
        f"**{own.name} {version}**{_licence(own.licence)}. {_(_SUMMARY)}",
        _models(models),
        *_text_models(text_models),
        _privacy(retention),
        *([_("Source: <{url}>").format(url=source_url)] if source_url else []),
    ]
    text = "\n".join(parts)
    software = _software(dependencies)
    return f"{text}\n{software}" if software and len(text) + len(software) < _MAX_CHARS else text


def _models(models: Sequence[ModelCard]) -> str:
    if not models:
        return _("Model: none is loaded at the moment.")
    names = list(short_names(models).items())
    texts = [
        f"{captions.escape(name, _MAX_NAME)} ({_licence_of(card)})"
        for name, card in names[:MAX_MODELS]
    ]
    more = len(names) - len(texts)
    rest = _(" and {count} more").format(count=more) if more else ""
    noun = _("Model") if len(names) == 1 else _("Models, the default first")
    return f"{noun}: {', '.join(texts)}{rest}."


def _text_models(cards: TextModelCards) -> Iterator[str]:
    """A line about each of them."""
    for card, text in (
        (cards.expander, N_("Prompts are expanded by: {model}.")),
        (cards.captioner, N_("Pictures are described by: {model}.")),
    ):
        if card is not None:
            name = captions.escape(card.name, _MAX_NAME)
            yield _(text).format(model=f"{name} ({_licence_of(card)})")


def _licence_of(card: ModelCard | TextModelCard) -> str:
    return captions.escape(card.licence, _MAX_NAME) or _UNKNOWN


def _privacy(retention: RetentionPolicy) -> str:
    stored = (
        _("until you delete it")
        if retention.days is None
        else _("for {count} days").format(count=retention.days)
    )
    return _(
        "Privacy: I store your requests, your user ID and the pictures {stored}, and "
        "I read no messages but those that you give me. `/privacy show` shows all of "
        "it, `/privacy delete` deletes it."
    ).format(stored=stored)


def _software(packages: Sequence[Package]) -> str:
    named = [f"{package.name} ({package.licence})" for package in packages if package.licence]
    return _("Made with {names}.").format(names=", ".join(named)) if named else ""


def _licence(licence: str) -> str:
    return _(", licence {licence}").format(licence=licence) if licence else ""
