"""Validation of client themes that messages share."""

from bot.playground.rest.validation.fields import Choice, Integer, ListOf, Model, Required, Text

CLIENT_THEME = Model(
    {
        "colors": Required(ListOf(Text(6, 6), 5, 1)),
        "gradient_angle": Required(Integer(0, 360)),
        "base_mix": Required(Integer(0, 100)),
        "base_theme": Choice((0, 1, 2, 3, 4)),
    }
)
