"""Fields for names and descriptions in other languages."""

from bot.playground.rest.validation.fields import Dictionary, Text

LOCALES = (
    *("ar", "bg", "cs", "da", "de", "el", "en-GB", "en-US", "es-419", "es-ES", "fi", "fr", "he"),
    *("hi", "hr", "hu", "id", "it", "ja", "ko", "lt", "nl", "no", "pl", "pt-BR", "ro", "ru"),
    *("sv-SE", "th", "tr", "uk", "vi", "zh-CN", "zh-TW"),
)


def localizations(limit: int) -> Dictionary:
    """Return a field for texts of 1 to `limit` characters by locale."""
    return Dictionary(LOCALES, Text(limit, 1))
