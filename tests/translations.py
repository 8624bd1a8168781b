"""The catalogs of translations: what is extracted from the bot, and how they are written.

`make translations` writes the template anew, and adds what is new in it to each catalog.
"""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po
from discord import app_commands

from bot.features import FEATURES
from bot.i18n import ENGLISH, LANGUAGES
from bot.i18n.catalogs import FOLDER, catalog_path

ROOT: Final = Path(__file__).parents[1]
TEMPLATE: Final = FOLDER / "bot.pot"
KEYWORDS: Final[Mapping[str, Any]] = {
    "_": None,
    "N_": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "NP_": ((1, "c"), 2),
}
"""The functions of bot.i18n, and which of their arguments are messages and contexts."""
LIMITS: Final = {
    "command name": 32,
    "option name": 32,
    "menu name": 32,
    "description": 100,
    "choice": 100,
    "button": 80,
    "option": 100,
    "placeholder": 150,
    "title": 45,
    "label": 45,
    "label description": 100,
}
"""Discord's limits of characters by the contexts of messages."""
_NOT_TRANSLATED: Final = ("playground", "i18n")
_VOLATILE: Final = re.compile(
    rb'^"(POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Generated-By|'
    rb"Report-Msgid-Bugs-To|Project-Id-Version):.*\n",
    re.MULTILINE,
)
_NOTES: Final = {
    "command name": "one lower-case word of letters, digits, - and _; at most 32 characters",
    "option name": "one lower-case word of letters, digits, - and _; at most 32 characters",
    "menu name": "in the Apps menu of a message; at most 32 characters",
}
_Root = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu


def template() -> Catalog:
    """What there is to translate: the messages of each module, then the texts of the commands."""
    catalog = Catalog(charset="utf-8", header_comment="# Translations of imagine-bot.")
    for path in sorted((ROOT / "bot").rglob("*.py")):
        if path.relative_to(ROOT).parts[1] not in _NOT_TRANSLATED:
            _add_module(catalog, path)
    for root in _commands():
        for context, text in _texts(root):
            notes = [note for key, note in _NOTES.items() if key == context]
            catalog.add(text, locations=_places(root), auto_comments=notes, context=context)
    return catalog


def _add_module(catalog: Catalog, path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    found = extract_from_file("python", path, keywords=KEYWORDS, comment_tags=("Translators:",))
    for _, message, comments, context in found:
        notes = [comment.removeprefix("Translators:").strip() for comment in comments]
        catalog.add(message, locations=[(name, 0)], auto_comments=notes, context=context)


def _places(root: _Root) -> list[tuple[str, int]]:
    return [] if isinstance(root, app_commands.ContextMenu) else [(f"/{root.name}", 0)]


def _commands() -> list[_Root]:
    commands: list[_Root] = [command for feature in FEATURES for command in feature.commands]
    return sorted(commands, key=lambda command: command.name)


def _texts(command: _Root) -> Iterator[tuple[str, str]]:
    """The texts of a command with their contexts, without the names of samplers."""
    if isinstance(command, app_commands.ContextMenu):
        yield "menu name", command.name
        return
    yield "command name", command.name
    yield "description", command.description
    if isinstance(command, app_commands.Group):
        for child in command.commands:
            yield from _texts(child)
        return
    for parameter in command.parameters:
        yield "option name", str(parameter.display_name)
        if parameter.description != "…":
            yield "description", str(parameter.description)
        if parameter.name != "sampler":  # its choices are those of the loaded models
            yield from (("choice", choice.name) for choice in parameter.choices)


def messages(catalog: Catalog) -> list[Message]:
    """All but the header."""
    return [message for message in catalog if message.id]


def read(language: str) -> Catalog:
    """The catalog of a language, which may be new."""
    path = catalog_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def dump(catalog: Catalog) -> bytes:
    """The text of a catalog; the same at any time and for any lines of the modules."""
    file = io.BytesIO()
    write_po(file, catalog, width=100, include_lineno=False, ignore_obsolete=True)
    return _VOLATILE.sub(b"", file.getvalue())


def main() -> None:
    """Write the template and all catalogs."""
    if not FOLDER.is_relative_to(ROOT):
        raise SystemExit(f"The bot is imported from {FOLDER}. Set PYTHONPATH to {ROOT}.")
    new = template()
    TEMPLATE.write_bytes(dump(new))
    for language in LANGUAGES:
        if language != ENGLISH:
            catalog = read(language)
            catalog.update(new, no_fuzzy_matching=True)
            catalog.header_comment, catalog.fuzzy = new.header_comment, False
            path = catalog_path(language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(dump(catalog))


if __name__ == "__main__":
    main()
