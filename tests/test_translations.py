"""The catalogs have what the bot says, and their translations keep Discord's rules."""

import re
from collections.abc import Iterator
from string import Formatter
from typing import Any, Final

import discord
import pytest
from babel.messages.catalog import Message

from bot.features import FEATURES
from bot.gateway.translator import CommandTranslator
from bot.i18n import ENGLISH, LANGUAGES, LOCALES
from bot.i18n.catalogs import forms
from bot.playground.rest.validation.commands import NAME, read_commands
from tests.translations import LIMITS, TEMPLATE, dump, messages, read, template

OTHERS: Final = tuple(language for language in LANGUAGES if language != ENGLISH)
COMPLETE: Final = OTHERS
"""The languages whose catalogs must have a translation of each message."""
_MAX_MESSAGE: Final = 2000
_NAMES: Final = ("command name", "option name")
_MARKS: Final = ("`", "**", "\n")
_COMMAND: Final = re.compile(r"(?<![\w/<])/([a-z]+(?: (?:add|remove|show|delete|reset))?)\b")


def translated(language: str) -> Iterator[tuple[Message, str, str]]:
    """Each message with one of its forms and the translation of that."""
    for message in messages(read(language)):
        sources = forms(message.id)
        for nth, target in enumerate(forms(message.string)):
            yield message, sources[min(nth, len(sources) - 1)], target


def placeholders(text: str) -> set[str]:
    """The names of the values of a message. Raises ValueError for braces that are none."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_the_template_is_what_is_extracted() -> None:
    """`make translations` writes it."""
    assert TEMPLATE.read_bytes() == dump(template())


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalog_has_the_messages_of_the_template(language: str) -> None:
    """In its order; none is obsolete or fuzzy."""
    catalog = read(language)
    keys = [(message.context, message.id) for message in messages(catalog)]
    assert keys == [(message.context, message.id) for message in messages(template())]
    assert not catalog.obsolete
    assert [message.id for message in messages(catalog) if message.fuzzy] == []


@pytest.mark.parametrize("language", COMPLETE)
def test_a_complete_catalog_has_all_translations(language: str) -> None:
    """Of plurals, each form of the language."""
    catalog = read(language)
    missing = []
    for message in messages(catalog):
        count = catalog.num_plurals if isinstance(message.id, tuple | list) else 1
        if len(forms(message.string)) != count:
            missing.append(message.id)
    assert missing == []


@pytest.mark.parametrize("language", OTHERS)
def test_translations_have_the_values_of_their_messages(language: str) -> None:
    """A singular may leave out the number."""
    wrong = []
    for message, source, target in translated(language):
        needed = placeholders(source)
        allowed = set().union(*(placeholders(form) for form in forms(message.id)))
        if not needed <= placeholders(target) <= allowed:
            wrong.append((source, target))
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_translations_fit(language: str) -> None:
    """Discord limits names, descriptions, labels and messages."""
    long = [
        (target, len(target))
        for message, _, target in translated(language)
        if len(target) > LIMITS.get(message.context or "", _MAX_MESSAGE)
    ]
    assert long == []


@pytest.mark.parametrize("language", OTHERS)
def test_translations_keep_the_markdown(language: str) -> None:
    """As many marks of bold text, code and lines as in the message; no space at an end is lost."""
    wrong = []
    for _, source, target in translated(language):
        same_marks = all(source.count(mark) == target.count(mark) for mark in _MARKS)
        same_ends = (source[0] == " ", source[-1] == " ") == (target[0] == " ", target[-1] == " ")
        if not (same_marks and same_ends):
            wrong.append((source, target))
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_names_of_commands_and_options_are_valid(language: str) -> None:
    """Lower case, without spaces."""
    wrong = [
        target
        for message, _, target in translated(language)
        if message.context in _NAMES and not (NAME.fullmatch(target) and target == target.lower())
    ]
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_commands_have_their_translated_names_in_sentences(language: str) -> None:
    """`/help` in a message is what people find when they type a slash in their language."""
    names = {
        str(message.id): str(message.string or message.id)
        for message in messages(read(language))
        if message.context == "command name"
    }
    wrong = []
    for message, source, target in translated(language):
        for command in _COMMAND.findall(source):
            words = [names.get(word, "") for word in command.split()]
            if words[0] and f"/{' '.join(filter(None, words))}" not in target:
                wrong.append((source, target, message.context))
    assert wrong == []


async def test_discord_accepts_the_commands_in_all_languages() -> None:
    """With the longest texts of each command; names are unique in each language."""
    tree = discord.app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    commands = [command for feature in FEATURES for command in feature.commands]
    translator = CommandTranslator()
    payload = [await command.get_translated_payload(tree, translator) for command in commands]
    accepted = read_commands(payload)
    for kind in (1, 3):
        for locale in LOCALES:
            _check_unique([item for item in accepted if (item.get("type") or 1) == kind], locale)


def _check_unique(items: list[dict[str, Any]], locale: str) -> None:
    names = [(item.get("name_localizations") or {}).get(locale, item["name"]) for item in items]
    assert len(names) == len(set(names)), (locale, names)
    for item in items:
        _check_unique(item.get("options") or [], locale)
        _check_unique(item.get("choices") or [], locale)
