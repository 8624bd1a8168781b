"""Names and descriptions of commands in all languages, from the catalogs."""

from collections.abc import Mapping
from typing import Any, Final

from discord import Locale, app_commands
from discord.app_commands import TranslationContextLocation as Location

from bot.i18n import ENGLISH, LOCALES, pgettext_in

_CONTEXTS: Final[Mapping[Location, str]] = {
    Location.command_name: "command name",
    Location.group_name: "command name",
    Location.parameter_name: "option name",
    Location.command_description: "description",
    Location.group_description: "description",
    Location.parameter_description: "description",
    Location.choice_name: "choice",
}
"""Of the messages in the catalogs."""


class CommandTranslator(app_commands.Translator):
    """Translates into the locales that the bot has a language for."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: Locale,
        context: app_commands.TranslationContext[Any, Any],
    ) -> str | None:
        """The text in the locale; None if it is not translated."""
        language = LOCALES.get(locale.value, ENGLISH)
        if isinstance(context.data, app_commands.ContextMenu):
            text = pgettext_in(language, "menu name", string.message)
        else:
            text = pgettext_in(language, _CONTEXTS[context.location], string.message)
        return None if text == string.message else text
