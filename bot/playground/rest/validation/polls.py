"""Validation of polls."""

from bot.playground.errors import ApiError, Json
from bot.playground.model.emoji import is_emoji
from bot.playground.rest.validation.fields import (
    Boolean,
    Choice,
    Integer,
    ListOf,
    Model,
    Required,
    Snowflake,
    Text,
)

EMOJI = Model({"id": Snowflake(), "name": Text(32), "animated": Boolean()})
ANSWER = Model({"poll_media": Required(Model({"text": Required(Text(55, 1)), "emoji": EMOJI}))})
POLL = Model(
    {
        "question": Required(Model({"text": Required(Text(300, 1)), "emoji": EMOJI})),
        "answers": Required(ListOf(ANSWER, 10, 1)),
        "allow_multiselect": Boolean(),
        "layout_type": Choice((1,)),
        "duration": Integer(1, 768),
    }
)


def check_poll_emoji(poll: Json | None) -> None:
    """Raise ApiError for an emoji that the bot cannot use: there are no custom ones."""
    for answer in (poll or {}).get("answers", ()):
        emoji = answer["poll_media"].get("emoji")
        if emoji is not None and ("id" in emoji or not is_emoji(emoji.get("name", ""))):
            raise ApiError(
                400, 520004, "Cannot use an emoji included with the poll", violation=True
            )
