"""Raw connections to an engine under test, and frames that no engine accepts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import msgspec

from bot.engine_client.socket_client import Endpoint
from engine.contract import (
    Capture,
    Completed,
    Ending,
    Event,
    Heartbeat,
    Hello,
    ImageDone,
    Img2Img,
    Input,
    ModelCard,
    Paint,
    PaintedImage,
    Queued,
    Ready,
    Rejected,
    sha256,
)
from engine.contract.wire import MAX_FRAME_BYTES, Connection, bot_side
from tests.engine_subjects import ROW_CLASS
from tests.samples import recipe

E = TypeVar("E", bound=Event)
_JOB_FIELDS: Final = frozenset(Paint.__struct_fields__)
INPUT_FILES: dict[str, bytes] = {}
"""The init images of all jobs that `job` has made."""


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[Connection[Event]]:
    """A connection that has not sent Hello."""
    async with bot_side(*await asyncio.open_connection(endpoint.host, endpoint.port)) as events:
        yield events


@asynccontextmanager
async def connect_authenticated(endpoint: Endpoint) -> AsyncIterator[Connection[Event]]:
    """A connection that has received Ready."""
    async with connect(endpoint) as events:
        await events.send(Hello(endpoint.token))
        assert isinstance(await events.receive(), Ready)
        yield events


class HasModel(Protocol):
    """An engine whose model is known."""

    @property
    def model(self) -> ModelCard:
        """The card of its model."""


def job(subject: HasModel, name: str = "a", *seeds: int, **changes: Any) -> Paint:  # noqa: ANN401
    """A job of one picture for each seed, or of one; `changes` are of the job or of all recipes.

    `sketch` is the init image of both.
    """
    values: dict[str, Any] = {"model": subject.model.name, "revision": subject.model.revision}
    of_job: dict[str, Any] = {"job": name, "attempt": 1}
    if sketch := changes.pop("sketch", None):
        INPUT_FILES[sha256(sketch)] = sketch
        digest = sha256(sketch)
        of_job["inputs"] = (digest,)
        values["source"] = Img2Img(digest, changes.pop("strength", 0.5))
    if "previews" in changes:
        of_job["capture"] = Capture(previews=changes.pop("previews"))
    of_job |= {field: changes.pop(field) for field in _JOB_FIELDS & changes.keys()}
    values |= {"row_class": ROW_CLASS} | changes
    recipes = tuple(recipe(**(values | {"seed": seed})) for seed in seeds or (7,))
    return Paint(recipes=recipes, **of_job)


async def next_event(connection: Connection[Event]) -> Event:
    """The next event that is no Heartbeat."""
    async with asyncio.timeout(60):
        while isinstance(event := await connection.receive(), Heartbeat):
            pass
    assert event is not None
    return event


async def wait_for(connection: Connection[Event], kind: type[E], name: str) -> E:
    """The next event of this kind and job."""
    while True:
        event = await next_event(connection)
        if isinstance(event, kind) and getattr(event, "job", None) == name:
            return event


async def ending_of(connection: Connection[Event], name: str) -> Ending:
    """The ending of a job, while there may be other jobs."""
    while True:
        event = await next_event(connection)
        if isinstance(event, Ending) and event.job == name:
            return event


async def events_of(connection: Connection[Event], name: str) -> list[Event]:
    """The events of a job up to its ending, while there are no other jobs."""
    events: list[Event] = []
    while not events or not isinstance(events[-1], Ending):
        events.append(await next_event(connection))
        assert getattr(events[-1], "job", None) == name, events[-1]
    return events


async def submit(connection: Connection[Event], a_job: Paint) -> None:
    """Send a job after its input images."""
    for digest in a_job.inputs:
        await connection.send(Input(sha256=digest, data=INPUT_FILES[digest]))
    await connection.send(a_job)


def pictures_in(events: Sequence[Event]) -> tuple[PaintedImage, ...]:
    """The pictures of a job that must have succeeded, in the order of its recipes."""
    assert isinstance(events[-1], Completed), events[-1]
    done = {event.index: event.image for event in events if isinstance(event, ImageDone)}
    assert sorted(done) == list(range(len(done)))
    return tuple(done[index] for index in range(len(done)))


async def paint(connection: Connection[Event], a_job: Paint) -> tuple[PaintedImage, ...]:
    """The pictures of a job that must succeed, while there are no other jobs."""
    await submit(connection, a_job)
    return pictures_in(await events_of(connection, a_job.job))


async def rejection(connection: Connection[Event]) -> str:
    """The reason of the Rejected that ends a connection; events of jobs may precede it."""
    while not isinstance(event := await next_event(connection), Rejected):
        pass
    async with asyncio.timeout(20):
        assert await connection.receive() is None
    return event.reason


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 # there is no event for it
            await asyncio.sleep(0.01)


def frame(message: object) -> bytes:
    """A frame with this message."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


BAD_FRAMES = {
    "json": (b"\x00\x00\x00\x02{}", "The message is invalid: "),
    "http": (b"GET / HTTP/1.1\r\n\r\n", "The frame has 1195725856 bytes"),
    "too long": (
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
        f"The frame has {MAX_FRAME_BYTES + 1} bytes; at most {MAX_FRAME_BYTES} are allowed.",
    ),
    "truncated": (frame({"type": "Cancel"})[:-1], "The connection ended in the middle of a frame."),
    "truncated length": (b"\x00\x00", "The connection ended in the middle of a frame."),
    "empty": (b"\x00\x00\x00\x00", "The message is invalid: "),
    "an event": (frame(Queued(job="a", attempt=1, jobs_ahead=0)), "Invalid value 'Queued'"),
    "unknown type": (frame({"type": "Sculpt"}), "Invalid value 'Sculpt'"),
    "no type": (frame({"job": "a", "attempt": 1}), "missing required field `type`"),
    "missing field": (frame({"type": "Cancel", "job": "a"}), "missing required field `attempt`"),
    "wrong type": (
        frame({"type": "Cancel", "job": "a", "attempt": "first"}),
        "Expected `int`, got `str`",
    ),
    "no picture": (
        frame({"type": "Paint", "job": "a", "attempt": 1, "recipes": []}),
        "A job has no recipe; at least one is required.",
    ),
    "invalid recipe": (
        frame(Paint(job="a", attempt=1, recipes=(recipe(),))).replace(
            b"\xa5steps\x04", b"\xa5steps\x00"
        ),
        "Steps is 0; it must be 1 to 150.",
    ),
}
