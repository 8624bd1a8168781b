"""The software that the bot is made of, and its licences, as the installed packages name them."""

import re
from importlib import metadata
from typing import Final

import msgspec

PACKAGE: Final = "imagine-bot"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DEV: Final = re.compile(r"extra *== *['\"]dev['\"]")
_MAX_LICENCE: Final = 40
_CLASSIFIER: Final = "License :: OSI Approved :: "


class Package(msgspec.Struct, frozen=True):
    """An installed package."""

    name: str
    version: str
    licence: str
    """Empty if the package does not name one in a few words."""


def packages() -> tuple[Package, ...]:
    """The bot, then the installed packages that it needs; none if it is not installed itself."""
    try:
        requirements = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return ()
    names = [PACKAGE, *(_name(line) for line in requirements if not _DEV.search(line))]
    return tuple(package for name in names if (package := _package(name)) is not None)


def _name(requirement: str) -> str:
    match = _NAME.match(requirement)
    return match[0] if match else ""


def _package(name: str) -> Package | None:
    try:
        info = metadata.metadata(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return Package(info["Name"], info["Version"], _licence(info))


def _licence(info: metadata.PackageMetadata) -> str:
    classifiers = info.get_all("Classifier") or []
    approved = [c.removeprefix(_CLASSIFIER) for c in classifiers if c.startswith(_CLASSIFIER)]
    fields = info.json  # the mapping itself has no `get` for missing fields
    texts = [fields.get("license_expression"), fields.get("license"), ", ".join(approved)]
    short = (
        text.strip()
        for text in texts
        if isinstance(text, str) and text and "\n" not in text.strip()
    )
    return next((text for text in short if len(text) <= _MAX_LICENCE), "")
