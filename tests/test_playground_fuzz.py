"""Property tests: random payloads, built from the tables of fields, against all rules."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.playground.errors import ApiError
from bot.playground.model.state import World
from bot.playground.rest import message_writer
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.messages import message_json
from bot.playground.rest.validation.command_models import COMMAND
from bot.playground.rest.validation.commands import read_commands
from bot.playground.rest.validation.component_models import MODAL
from bot.playground.rest.validation.fields import (
    Boolean,
    Choice,
    Dictionary,
    Field,
    Float,
    Integer,
    ListOf,
    Model,
    Required,
    Snowflake,
    Text,
    Union,
    Url,
)
from bot.playground.rest.validation.messages import MESSAGE
from bot.playground.rest.validation.modals import read_modal

Values = st.SearchStrategy[object]

JUNK: Values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just([])
    | st.just({})
    | st.just([None])
)
TEXT = st.text(max_size=40) | st.sampled_from(["attachment://a.png", "x" * 300, "<@1> @everyone"])
LINKS = st.sampled_from(["https://a.example/b", "attachment://a.png", "http://[", "x"])
SCALARS: dict[type, Values] = {
    Text: TEXT,
    Url: LINKS,
    Float: st.floats(),
    Boolean: st.booleans(),
    Snowflake: st.integers(0, 2) | st.just("7"),
}


def values(field: Field) -> Values:
    """Values of a field: mostly valid ones, and rarely junk."""
    valid = _valid(field)
    return st.integers(0, 60).flatmap(lambda number: valid if number else JUNK)


def _valid(field: Field) -> Values:
    if isinstance(field, Required):
        return _valid(field.field)
    if isinstance(field, Model):
        return _object(field)
    if isinstance(field, Union):
        return st.one_of(*(_object(model, type=tag) for tag, model in field.models.items()))
    if isinstance(field, ListOf):
        most = min(field.maximum, field.minimum + 2)
        return st.lists(values(field.field), min_size=field.minimum, max_size=most)
    if isinstance(field, Dictionary):
        return st.dictionaries(st.sampled_from(field.keys), values(field.field), max_size=2)
    return _scalar(field)


def _scalar(field: Field) -> Values:
    if isinstance(field, Choice):
        return st.sampled_from(field.values)
    if isinstance(field, Integer):
        return st.integers(max(field.minimum, -9), min(field.maximum, 1 << 16))
    if isinstance(field, Text) and field.maximum <= 100:
        return st.text(min_size=field.minimum, max_size=6)
    return SCALARS.get(type(field), JUNK)


def _object(model: Model, **constants: object) -> Values:
    fields = {name: values(f) for name, f in model.fields.items() if name not in constants}
    required = {n: v for n, v in fields.items() if isinstance(model.fields[n], Required)}
    optional = {name: value for name, value in fields.items() if name not in required}
    fixed = {name: st.just(value) for name, value in constants.items()}
    return st.fixed_dictionaries(fixed | required, optional=optional)


@settings(max_examples=150, deadline=None)
@given(payload=_object(MESSAGE))
def test_no_payload_crashes_the_rules(payload: dict[str, object]) -> None:
    """A message is created, and without a poll can be edited without a change, or it is refused."""
    world = World()
    target = MessageTarget(world.add_channel("general"), world.bot)
    try:
        body = message_writer.read(RequestBody(payload))
        message = message_writer.create(world, body, target)
    except ApiError:
        return
    assert message_json(message, world.bot)["id"] == str(message.id)
    if message.poll is None:
        message_writer.edit(world, message, message_writer.read(RequestBody({})))


@settings(max_examples=80, deadline=None)
@given(payload=_object(COMMAND, name="paint", description="Paint"))
def test_no_command_crashes_the_rules(payload: dict[str, object]) -> None:
    """A command is accepted, or refused with ApiError."""
    with suppress(ApiError):
        read_commands([payload])


@settings(max_examples=80, deadline=None)
@given(payload=_object(MODAL))
def test_no_modal_crashes_the_rules(payload: dict[str, object]) -> None:
    """A modal is accepted, or refused with ApiError."""
    with suppress(ApiError):
        read_modal(payload, ("data",))
