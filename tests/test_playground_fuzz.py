"""Property tests: random payloads against message and command validation."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.playground.errors import ApiError, Json
from bot.playground.model.state import World
from bot.playground.rest import message_writer
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.messages import message_json
from bot.playground.rest.validation.commands import check_commands
from bot.playground.rest.validation.json_types import (
    INTEGERS,
    OBJECT_LISTS,
    OBJECTS,
    STRINGS,
    check_json_types,
)

JUNK: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({})
)
TEXT = st.text(max_size=40) | st.sampled_from(["attachment://a.png", "x" * 300, "<@1> @everyone"])
KINDS = st.sampled_from([*range(20), 1 << 15])


FLAT: dict[str, st.SearchStrategy[object]] = {
    **dict.fromkeys(STRINGS, TEXT),
    **dict.fromkeys(INTEGERS, KINDS),
    **dict.fromkeys(("required", "autocomplete"), st.booleans()),
    **dict.fromkeys(("min_value", "max_value", "id"), st.integers(0, 3)),
    "users": st.just(["1"]),
    "parse": st.just(["users"]),
    "value": JUNK,
}


@st.composite
def objects(draw: st.DrawFn, depth: int) -> Json:
    """Objects whose known fields mostly have the right type."""
    nested = OBJECT_LISTS | OBJECTS if depth else set()
    keys = draw(st.lists(st.sampled_from(sorted(FLAT.keys() | nested)), max_size=5))
    result: Json = {}
    for key in keys:
        if draw(st.integers(0, 60)) == 0:
            result[key] = draw(JUNK)
        elif key in OBJECT_LISTS:
            result[key] = draw(st.lists(objects(depth - 1), max_size=3))
        else:
            result[key] = draw(objects(depth - 1) if key in OBJECTS else FLAT[key])
    return result


LISTS = st.lists(objects(2), max_size=3)
ROWS = st.lists(
    st.builds(lambda parts: {"type": 1, "components": parts}, st.lists(objects(1), max_size=3)),
    max_size=3,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXT,
        "embeds": LISTS,
        "components": LISTS | ROWS,
        "attachments": LISTS,
        "allowed_mentions": objects(0),
        "flags": KINDS,
    },
)
COMMANDS = st.fixed_dictionaries(
    {"name": st.just("paint"), "description": st.just("Paint")},
    optional={
        "type": st.integers(1, 3),
        "options": st.lists(
            objects(1).map(lambda more: {"name": "a", "description": "b", "type": 3} | more),
            max_size=3,
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(payload=MESSAGES)
def test_no_payload_crashes_the_rules(payload: Json) -> None:
    """A message is created, or refused with ApiError."""
    world = World()
    target = MessageTarget(world.add_channel("general"), world.bot)
    with suppress(ApiError):
        check_json_types(payload)
        message = message_writer.create(world, RequestBody(payload), target)
        assert message_json(message, world.bot)["id"] == str(message.id)


@settings(max_examples=80, deadline=None)
@given(payload=COMMANDS)
def test_no_command_crashes_the_rules(payload: Json) -> None:
    """A command is accepted, or refused with ApiError."""
    with suppress(ApiError):
        check_json_types(payload)
        check_commands([payload])
