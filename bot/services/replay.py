"""Generates a stored picture again from its recipe and compares the bits."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.domain.picture import Picture, job_id_of
from bot.engine_client.base import EngineClient
from bot.errors import BotError, ExitCode, FatalError
from bot.prompt_filter.filter import find_violation
from bot.settings import Settings
from bot.storage import FileStorage
from engine.contract import (
    Capture,
    Completed,
    ImageDone,
    JobEvent,
    ModelCard,
    Paint,
    PaintedImage,
)

StartEngine = Callable[[Mapping[str, str]], AbstractAsyncContextManager[EngineClient]]
"""Starts an engine with this environment on entry and stops it on exit."""


class ReplayFailed(BotError):
    """The picture could not be generated again."""


async def replay(
    settings: Settings, picture_id: str, out: Path | None, start_engine: StartEngine
) -> ExitCode:
    """Print whether the bits are the same, and write the new picture to `out` unless it is None.

    Raises FatalError if there is no such picture or it may not be replayed.
    """
    picture = await _load(settings.imagine_data, picture_id)
    files = _input_files(settings.imagine_data, picture)
    environment = settings.engine_environment() | {"IMAGINE_MODEL": picture.recipe.model}
    async with start_engine(environment) as engine:
        model = engine.model
        recipe = msgspec.structs.replace(picture.recipe, revision=model.revision)
        paint = Paint(
            job=picture_id,
            attempt=1,
            recipes=(recipe,),
            inputs=tuple(files),
            capture=Capture(previews=False),
        )
        images: list[PaintedImage] = []

        def on_event(event: JobEvent) -> None:
            if isinstance(event, ImageDone):
                images.append(event.image)

        ending = await engine.submit(paint, on_event, files)
    if not isinstance(ending, Completed):
        raise ReplayFailed(getattr(ending, "reason", "The engine stopped."))
    [painting] = images
    if out is not None and painting.png:
        await asyncio.to_thread(_write, out, painting.png)
    return _compare(picture, painting, model)


def _write(out: Path, png: bytes) -> None:
    try:
        out.write_bytes(png)
    except OSError as error:
        raise ReplayFailed(f"{out} cannot be written ({error.strerror}).") from error


async def _load(data: Path, picture_id: str) -> Picture:
    database = data / FILENAME
    unknown = FatalError(
        f"There is no picture {picture_id} in {database}.", ExitCode.UNKNOWN_PICTURE
    )
    if not database.is_file():
        raise unknown
    migrations.check_version(database)
    async with Database(database) as db:
        picture = await db.jobs.picture(picture_id)
        job = await db.jobs.job(job_id_of(picture_id))
    if job is not None and job.deletion_reason is not None:
        raise FatalError(
            f"There is no picture {picture_id} any more. {job.deletion_reason.message}",
            ExitCode.UNKNOWN_PICTURE,
        )
    if picture is None:
        raise unknown
    _check_allowed(picture)
    return picture


def _check_allowed(picture: Picture) -> None:
    """Raise FatalError if moderators removed the picture or its prompt is forbidden by now."""
    if picture.is_removed:
        raise FatalError(
            f"Moderators removed the picture {picture.id}, so it is not painted again.",
            ExitCode.UNKNOWN_PICTURE,
        )
    negative = picture.recipe.negative if picture.recipe.uses_cfg else ""
    if find_violation(picture.recipe.prompt, negative, words=()) is not None:
        raise FatalError(
            f"The prompt of the picture {picture.id} breaks the rule that cannot be turned off: "
            "no sexual content with minors.",
            ExitCode.UNKNOWN_PICTURE,
        )


def _input_files(data: Path, picture: Picture) -> dict[str, bytes]:
    source = picture.recipe.source
    return {source: FileStorage(data).source(source)} if source else {}


def _compare(picture: Picture, painting: PaintedImage, model: ModelCard) -> ExitCode:
    write = sys.stdout.write
    if picture.recipe.revision != model.revision:
        write(
            f"The weights have changed: {picture.recipe.model} was {picture.recipe.revision} "
            f"and is {model.revision}.\n"
        )
    if picture.fingerprint != painting.fingerprint:
        write(
            "The fingerprints differ, so different bits are to be expected:\n"
            f"  then {picture.fingerprint}\n  now  {painting.fingerprint}\n"
        )
    if picture.sha256 == painting.sha256:
        write(f"The same bits: {picture.id} has sha256 {picture.sha256}.\n")
        return ExitCode.STOPPED
    stored = picture.sha256 or "none"
    write(f"Other bits: {picture.id} had sha256 {stored}, now it is {painting.sha256}.\n")
    return ExitCode.BITS_DIFFER
