"""Application commands as lists of commands show them: in the locale of the request.

https://docs.discord.com/developers/interactions/application-commands#retrieving-localized-commands
"""

from bot.playground.errors import Json

LOCALIZED = ("name", "description")
NESTED = ("options", "choices")


def localized_json(item: Json, locale: str) -> Json:
    """Return a command, option or choice with `name_localized` instead of all localizations.

    The fields are absent where there is no localization in the locale.
    """
    result = {key: value for key, value in item.items() if not key.endswith("_localizations")}
    for key in LOCALIZED:
        text = (item.get(f"{key}_localizations") or {}).get(locale)
        if text is not None:
            result[f"{key}_localized"] = text
    for key in NESTED:
        if key in result:
            result[key] = [localized_json(child, locale) for child in result[key]]
    return result
