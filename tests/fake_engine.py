"""A fake engine for fast tests: it speaks the engine's protocol and paints flat colours."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import msgspec
from PIL import Image

from bot.engine_client.process import EngineStartFailed
from bot.engine_client.socket_client import Endpoint
from engine.contract import (
    BatchSizes,
    Cancel,
    Cancelled,
    Command,
    Ending,
    Event,
    Failed,
    Heartbeat,
    Hello,
    ModelCard,
    Paint,
    Painted,
    PaintedImage,
    Ready,
    Recipe,
    Rejected,
    Sampler,
    Stepped,
    Verdict,
)
from engine.contract.wire import Connection, engine_side

MODEL = ModelCard(
    name="flat",
    revision="0" * 40,
    native_size=64,
    max_pixels=256 * 256,
    steps=4,
    guidance=5.0,
    sampler=Sampler.EULER,
    max_steps={Sampler.LCM: 50},
    batch_sizes=(
        BatchSizes(pixels=256 * 256, default=(2, 8), under_load=(2, 8, 16)),
        BatchSizes(pixels=512 * 512, default=(2,), under_load=(2,)),
    ),
    fingerprint="flat colours",
)
TOKEN = "a secret of two processes"  # noqa: S105 # a constant of the tests


def flat(recipe: Recipe) -> bytes:
    """The PNG of a recipe: one colour that depends on all fields of the recipe."""
    colour = hashlib.sha256(repr(recipe).encode()).digest()[:3]
    return png(Image.new("RGB", (recipe.width, recipe.height), tuple(colour)))


def png(picture: Image.Image, format: str = "PNG") -> bytes:
    """The picture as an image file."""
    buffer = BytesIO()
    picture.save(buffer, format)
    return buffer.getvalue()


class FakeEngine:
    """Answers at once, or after each step while `gate` is closed; it can fail, flag and die."""

    def __init__(self, model: ModelCard = MODEL) -> None:
        self.model = model
        self.paints: list[Paint] = []
        self.cancels: list[Cancel] = []
        self.starts = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.flagged: set[int] = set()
        """The numbers (from 1) of the pictures that the safety check flags."""
        self.unchecked: set[int] = set()
        """The numbers (from 1) of the pictures that cannot be checked."""
        self.sends_flagged = False
        """Whether it sends flagged pictures even if the job excludes them."""
        self.flags_init_image = False
        """Whether the safety check flags init images."""
        self.overflowing: set[int] = set()
        """The numbers (from 1) of the pictures that fail because of an overflow."""
        self.failure: str | None = None
        self.ignores_cancel = False
        """Whether it ignores Cancel."""
        self.engine_seconds = 0.1
        """Reported for each job; a cancelled job reports half of it."""
        self.start_error: str | None = None
        """If set, it does not start, for this reason."""
        self.failed_starts = 0
        self.endings: list[Ending] = []
        """All endings that were sent, except Cancelled."""
        self.heartbeat = Heartbeat(
            ticks=0, seconds=0.0, rows_total=0, rows_used=0, painting=0, waiting=0, memory=2**20
        )
        """Sent after Ready, and by `send_heartbeat`."""
        self._connections: set[Connection[Command]] = set()
        self._jobs: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def launch(self) -> AsyncIterator[Endpoint]:
        """Run the engine while the body runs."""
        if self.start_error:
            self.failed_starts += 1
            raise EngineStartFailed(self.start_error)
        self.starts += 1
        server = await asyncio.start_server(self._welcome, "127.0.0.1", 0)
        try:
            yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], TOKEN)
        finally:
            server.close()
            self.die()

    def die(self) -> None:
        """Close all connections during their jobs, as if the process was killed."""
        for task in self._jobs.values():
            task.cancel()
        for writer in self.writers:
            writer.transport.abort()

    async def send_heartbeat(self) -> None:
        """Send `heartbeat` on all connections."""
        for connection in self._connections:
            await connection.send(self.heartbeat)

    def change_model(self, name: str) -> None:
        """Use another model from the next start on."""
        self.model = msgspec.structs.replace(self.model, name=name, revision="1" * 40)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        async with engine_side(reader, writer) as connection:
            try:
                if await connection.receive() == Hello(TOKEN):
                    await connection.send(Ready(self.model))
                    await connection.send(self.heartbeat)
                    self._connections.add(connection)
                    await self._serve(connection)
                else:
                    await connection.send(Rejected("The token is wrong."))
            except OSError:
                pass
            finally:
                self._connections.discard(connection)
        self.writers.discard(writer)

    async def _serve(self, connection: Connection[Command]) -> None:
        while (command := await connection.receive()) is not None:
            if isinstance(command, Paint):
                key = (command.job, command.attempt)
                self.paints.append(command)
                self._jobs[key] = asyncio.create_task(self._paint(connection, command))
            elif isinstance(command, Cancel):
                self.cancels.append(command)
                task = self._jobs.get((command.job, command.attempt))
                if task and not self.ignores_cancel and task.cancel():
                    half = self.engine_seconds / 2
                    await connection.send(
                        Cancelled(job=command.job, attempt=command.attempt, engine_seconds=half)
                    )

    async def _paint(self, connection: Connection[Command], paint: Paint) -> None:
        steps = paint.recipes[0].steps
        preview = png(Image.new("RGB", (16, 16), "teal"), "JPEG")
        for step in range(1, steps + 1):
            event: Event = Stepped(
                job=paint.job, attempt=paint.attempt, step=step, steps=steps, preview=preview
            )
            await connection.send(event)
            await self.gate.wait()
        ending = self._ending(paint)
        await connection.send(ending)
        self.endings.append(ending)

    def _ending(self, paint: Paint) -> Ending:
        if self.failure:
            return Failed(job=paint.job, attempt=paint.attempt, reason=self.failure)
        if self.flags_init_image and paint.source:
            sentence = "The sketch was withheld by the safety check."
            return Failed(
                job=paint.job, attempt=paint.attempt, reason=sentence, init_image_flagged=True
            )
        pictures = tuple(
            self._painting(
                paint, nth, self.model.with_row_class_for_load([recipe], [recipe] * 7)[0]
            )
            if paint.adaptive
            else self._painting(paint, nth, recipe)
            for nth, recipe in enumerate(paint.recipes, start=1)
        )
        return Painted(
            job=paint.job,
            attempt=paint.attempt,
            pictures=pictures,
            seconds=0.1,
            engine_seconds=self.engine_seconds,
        )

    def _painting(self, paint: Paint, nth: int, recipe: Recipe) -> PaintedImage:
        if nth in self.overflowing:
            return PaintedImage(
                png=b"",
                sha256="",
                failed="The numbers overflowed: try another seed.",
                row_class=recipe.row_class,
                fingerprint=self.model.fingerprint,
            )
        data = flat(recipe)
        unchecked, flagged = nth in self.unchecked, nth in self.flagged | self.unchecked
        score = None if unchecked else 0.9 if flagged else 0.1
        withheld = flagged and (unchecked or not (paint.include_flagged or self.sends_flagged))
        return PaintedImage(
            png=b"" if withheld else data,
            sha256=hashlib.sha256(data).hexdigest(),
            verdicts=(Verdict(checker="model", score=score, flagged=flagged),),
            row_class=recipe.row_class,
            fingerprint=self.model.fingerprint,
        )
