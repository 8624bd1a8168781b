"""The languages of the bot, and Discord's locales that they are for."""

from collections.abc import Mapping
from typing import Final

ENGLISH: Final = "en"
LANGUAGES: Final[Mapping[str, str]] = {
    ENGLISH: "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "ja": "日本語",
    "pt_BR": "Português do Brasil",
}
"""Their own names by code, which is that of the catalog's folder. English has no catalog."""
LOCALES: Final[Mapping[str, str]] = {
    "en-US": ENGLISH,
    "en-GB": ENGLISH,
    "de": "de",
    "fr": "fr",
    "es-ES": "es",
    "es-419": "es",
    "ja": "ja",
    "pt-BR": "pt_BR",
}
"""Languages by Discord's locales: https://docs.discord.com/developers/reference#locales"""


def language_of(locale: str | None) -> str:
    """The language for one of Discord's locales; English for those that the bot does not speak."""
    return LOCALES.get(locale or "", ENGLISH)
