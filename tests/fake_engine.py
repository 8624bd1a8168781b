"""A fake engine for fast tests: it speaks the engine's protocol and paints flat colours."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import msgspec
from PIL import Image

from bot.engine_client.process import EngineStartFailed
from bot.engine_client.socket_client import Endpoint
from engine.contract import (
    ArtifactDone,
    ArtifactFailure,
    ArtifactRole,
    BatchSizes,
    Cancelled,
    Completed,
    Ending,
    Expansion,
    Failed,
    ImageDone,
    ModelCard,
    Paint,
    PaintedImage,
    Recipe,
    Sampler,
    Stepped,
    Verdict,
    Work,
    card_for,
    check_steering,
    pixels_sha256,
    sha256,
)
from engine.contract.images.nouns import as_subject
from engine.contract.images.refusals import InvalidImage
from engine.contract.input_names import PICTURE, input_name
from engine.contract.metadata import with_metadata
from engine.imaging.init_image import decode_source
from engine.imaging.video import FilmWriter, film_size
from tests.fake_server import MAX_RUNNING, TOKEN, FakeJob, FakeServer, is_display

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
_PREVIEW_SIZE = (16, 16)


def flat(recipe: Work) -> bytes:
    """The PNG of a recipe, with the recipe inside: one colour that depends on all its fields."""
    return with_metadata(png(flat_image(recipe)), [recipe])


def flat_image(recipe: Work) -> Image.Image:
    """The image of a recipe."""
    colour = hashlib.sha256(repr(recipe).encode()).digest()[:3]
    return Image.new("RGB", (recipe.width, recipe.height), tuple(colour))


def png(picture: Image.Image, format: str = "PNG") -> bytes:
    """The picture as an image file."""
    buffer = BytesIO()
    picture.save(buffer, format)
    return buffer.getvalue()


def film_of(paint: Paint, index: int, *, flagged: bool = False) -> ArtifactDone:
    """A film that starts grey and ends with the picture."""
    image = flat_image(paint.recipes[index])
    writer = FilmWriter(film_size(*image.size), 2, paint.capture.film_bytes)
    writer.add(Image.new("RGB", image.size, "grey"))
    writer.add(image)
    return ArtifactDone(
        job=paint.job,
        attempt=paint.attempt,
        index=index,
        role=ArtifactRole.FILM,
        media_type="video/mp4",
        data=writer.finish(),
        flagged=flagged,
    )


def strip_of(paint: Paint, index: int) -> ArtifactDone:
    """A strip of grey frames."""
    strip = Image.new("RGB", (64 * paint.capture.strip, 64), "grey")
    return ArtifactDone(
        job=paint.job,
        attempt=paint.attempt,
        index=index,
        role=ArtifactRole.STRIP,
        media_type="image/png",
        data=png(strip),
    )


class FakeEngine(FakeServer):
    """Answers at once, or after each step while `gate` is closed; it can fail, flag and die."""

    def __init__(self, *models: ModelCard, max_running: int = MAX_RUNNING) -> None:
        super().__init__(*(models or (MODEL,)), max_running=max_running)
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
        """If set, all jobs fail for this reason."""
        self.fails_after: int | None = None
        """If set, jobs fail after so many pictures."""
        self.holds_after: int | None = None
        """If set, jobs wait for `picture_gate` after so many pictures, with a Stepped event."""
        self.picture_gate = asyncio.Event()
        self.picture_gate.set()
        self.film_gate = asyncio.Event()
        """Films wait for it."""
        self.film_gate.set()
        self.display_gate = asyncio.Event()
        """Enlargements of pictures to be shown wait for it."""
        self.display_gate.set()
        self.makes_films = True
        """Whether it answers requests for films."""
        self.artifact_failure: str | None = None
        """If set, artifacts are not sent, and films fail for this reason."""
        self.flags_frames = False
        """Whether films show flagged frames, although their pictures are not flagged."""
        self.continuation = ", in soft light, highly detailed"
        """What its language model adds to prompts."""
        self.descriptions: tuple[str, ...] = ("a red house in the snow", "a house")
        """What it says of pictures."""
        self.text_gate = asyncio.Event()
        """Texts wait for it."""
        self.text_gate.set()
        self.engine_seconds = 0.1
        """Reported for each job; a cancelled job reports half of it."""
        self.start_error: str | None = None
        """If set, it does not start, for this reason."""
        self.failed_starts = 0
        self.is_remote = False
        """Whether it runs by itself, as a cluster may."""
        self.endings: list[Ending] = []
        """All endings that were sent, except Cancelled."""

    @asynccontextmanager
    async def launch(self) -> AsyncIterator[Endpoint]:
        """Run the engine while the body runs."""
        if self.start_error:
            self.failed_starts += 1
            raise EngineStartFailed(self.start_error)
        self.starts += 1
        server = await asyncio.start_server(self.serve_connection, "127.0.0.1", 0)
        try:
            port = server.sockets[0].getsockname()[1]
            yield Endpoint("127.0.0.1", port, TOKEN, is_remote=self.is_remote)
        finally:
            server.close()
            self.die()

    @property
    def model(self) -> ModelCard:
        """The default model."""
        return self.models[0]

    def change_model(self, name: str) -> None:
        """Use a default model of this name with other weights from the next start on."""
        card = msgspec.structs.replace(self.model, name=name, revision="1" * 40)
        self.models = (card, *self.models[1:])

    def cancelled(self, paint: Paint) -> Cancelled:
        """The ending of a running job that is cancelled."""
        half = self.engine_seconds / 2
        return Cancelled(job=paint.job, attempt=paint.attempt, engine_seconds=half)

    async def run_job(self, job: FakeJob) -> None:
        """Send the progress and the ending of a job."""
        if job.paint.text is not None:
            await self._write(job)
            return
        if is_display(job.paint):
            await self.display_gate.wait()
        ending: Ending | None = self._refusal(job)
        if ending is None:
            await self._step(job)
            ending = await self._send_pictures(job)
        await job.send(ending)
        self.endings.append(ending)

    async def _write(self, job: FakeJob) -> None:
        """Send the texts of a job."""
        await self.text_gate.wait()
        paint = job.paint
        refusal = self._refusal(job)
        if self.failure is not None or refusal is not None:
            await job.send(refusal or self._failed(paint, self.failure or ""))
            return
        texts = (self.continuation,) if isinstance(paint.text, Expansion) else self.descriptions
        ending = Completed(
            job=paint.job, attempt=paint.attempt, seconds=0.1, engine_seconds=0.1, texts=texts
        )
        await job.send(ending)

    async def _step(self, job: FakeJob) -> None:
        paint = job.paint
        steps = max(_evaluations(recipe) for recipe in paint.recipes)
        preview = (
            png(Image.new("RGB", _PREVIEW_SIZE, "teal"), "JPEG") if paint.capture.previews else None
        )
        for step in range(1, steps + 1):
            await job.send(
                Stepped(
                    job=paint.job, attempt=paint.attempt, step=step, steps=steps, preview=preview
                )
            )
            await self.gate.wait()

    def _refusal(self, job: FakeJob) -> Failed | None:
        """The ending of a job that cannot be painted; None if it can."""
        paint = job.paint
        try:
            for digest in paint.inputs:
                _check_input(digest, job.files)
            for recipe in paint.recipes:
                self._check(recipe, paint.inputs)
            for digest in paint.inputs:
                decode_source(job.files[digest])
        except (ValueError, InvalidImage) as error:
            return Failed(job=paint.job, attempt=paint.attempt, reason=str(error))
        if self.flags_init_image and paint.inputs:
            is_text = paint.text is not None
            name = PICTURE if is_text else input_name(paint.recipes[0].recipe, paint.inputs[0])
            return Failed(
                job=paint.job,
                attempt=paint.attempt,
                reason=f"{as_subject(name)} was withheld by the safety check.",
                init_image_flagged=True,
            )
        return None

    def _check(self, recipe: Work, inputs: Sequence[str]) -> None:
        """Raise ValueError, with the sentence of the real engine, if it would refuse this."""
        card = card_for(recipe.recipe, self.models)
        if not isinstance(recipe, Recipe):
            return
        check_steering(recipe, card)
        card.check_area(recipe.width, recipe.height)
        card.check_sampler(recipe)
        card.check_steps(recipe)
        if not set(recipe.images) <= set(inputs):
            raise ValueError("An input image is missing, or its sha256 is not that in the recipe.")

    async def _send_pictures(self, job: FakeJob) -> Ending:
        """Send the pictures of a job; returns its ending."""
        paint = job.paint
        if self.failure:
            return self._failed(paint, self.failure)
        recipes = paint.recipes
        if paint.adaptive:  # as if many pictures were running
            recipes = tuple(
                msgspec.structs.replace(
                    recipe, row_class=max(card_for(recipe, self.models).row_classes(*recipe.size))
                )
                for recipe in recipes
                if isinstance(recipe, Recipe)
            )
        failures = []
        for index, recipe in enumerate(recipes):
            if index == self.fails_after:
                return self._failed(paint, "The engine failed; its log has the details.")
            if index == self.holds_after:
                job_fields: dict[str, Any] = {"job": paint.job, "attempt": paint.attempt}
                await job.send(Stepped(**job_fields, step=3, steps=4, done=index))
                await self.picture_gate.wait()
            image = self._painting(paint, index + 1, recipe)
            failures.append(image.failed)
            await job.send(
                ImageDone(job=paint.job, attempt=paint.attempt, index=index, image=image)
            )
            if image.png and self.artifact_failure is None:
                await self._send_artifacts(job, index)
        if failures[0] is not None and all(failures):
            return self._failed(paint, failures[0])
        return Completed(
            job=paint.job,
            attempt=paint.attempt,
            seconds=0.1,
            engine_seconds=self.engine_seconds,
            artifact_failures=self._artifact_failures(paint),
        )

    async def _send_artifacts(self, job: FakeJob, index: int) -> None:
        if job.paint.capture.film and self.makes_films:
            await self.film_gate.wait()
            await job.send(film_of(job.paint, index, flagged=self.flags_frames))
        if job.paint.capture.strip:
            await job.send(strip_of(job.paint, index))

    def _artifact_failures(self, paint: Paint) -> tuple[ArtifactFailure, ...]:
        if self.artifact_failure is None or not paint.capture.film:
            return ()
        return tuple(
            ArtifactFailure(index=index, role=ArtifactRole.FILM, reason=self.artifact_failure)
            for index in range(len(paint.recipes))
        )

    def _failed(self, paint: Paint, reason: str) -> Failed:
        half = self.engine_seconds / 2 if self.fails_after else 0.0
        return Failed(job=paint.job, attempt=paint.attempt, reason=reason, engine_seconds=half)

    def _painting(self, paint: Paint, nth: int, recipe: Work) -> PaintedImage:
        if nth in self.overflowing:
            return PaintedImage(
                png=b"",
                sha256="",
                failed="The model's values overflowed: try another seed, size or sampler.",
                row_class=recipe.row_class,
                fingerprint=card_for(recipe.recipe, self.models).fingerprint,
            )
        unchecked, flagged = nth in self.unchecked, nth in self.flagged | self.unchecked
        score = None if unchecked else 0.9 if flagged else 0.1
        withheld = flagged and (unchecked or not (paint.include_flagged or self.sends_flagged))
        return PaintedImage(
            png=b"" if withheld else flat(recipe),
            sha256=pixels_sha256(flat_image(recipe)),
            verdicts=(Verdict(checker="model", score=score, flagged=flagged),),
            row_class=recipe.row_class,
            fingerprint=card_for(recipe.recipe, self.models).fingerprint,
        )


def _check_input(digest: str, files: Mapping[str, bytes]) -> None:
    """Raise ValueError, with the sentence of the real engine, if it would refuse this input."""
    if digest not in files:
        raise ValueError(f"The input image {digest[:12]} was not sent to the engine.")
    if sha256(files[digest]) != digest:
        raise ValueError(f"The input image {digest[:12]} has another sha256 than its name says.")


def _evaluations(recipe: Work) -> int:
    """The number of model evaluations of first-order samplers, and about that of others."""
    return recipe.recipe.executed_steps * recipe.sampler.scheduler.order
