"""Validation of polls. The local Discord does not show polls, but it refuses invalid ones."""

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
ANSWER = Model({"poll_media": Required(Model({"text": Text(55, 1), "emoji": EMOJI}))})
POLL = Model(
    {
        "question": Required(Model({"text": Required(Text(300, 1)), "emoji": EMOJI})),
        "answers": Required(ListOf(ANSWER, 10, 1)),
        "allow_multiselect": Boolean(),
        "layout_type": Choice((1,)),
        "duration": Integer(1, 768),
    }
)
