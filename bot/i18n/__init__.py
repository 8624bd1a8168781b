"""Translations: sentences for people in the current language, from gettext's catalogs.

The source is English. `_` and its relatives translate when they are called; constants are marked
with `N_` and translated when they are shown. What is stored, logged or part of a custom id stays
English.
"""

from bot.i18n.formats import decimal, enumeration
from bot.i18n.languages import ENGLISH, LANGUAGES, LOCALES, language_of
from bot.i18n.stored import from_english
from bot.i18n.translate import (
    N_,
    NP_,
    _,
    command_name,
    current_language,
    in_all_languages,
    in_language,
    ngettext,
    pgettext,
    pgettext_in,
    set_language,
)

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "LOCALES",
    "NP_",
    "N_",
    "_",
    "command_name",
    "current_language",
    "decimal",
    "enumeration",
    "from_english",
    "in_all_languages",
    "in_language",
    "language_of",
    "ngettext",
    "pgettext",
    "pgettext_in",
    "set_language",
]
