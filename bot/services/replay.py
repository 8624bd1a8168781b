"""Generates a stored picture again from its recipe and compares the bits."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from io import BytesIO
from pathlib import Path

import msgspec
from PIL import Image

from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.domain.picture import Picture, job_id_of
from bot.engine_client.base import EngineClient
from bot.errors import BotError, ExitCode, FatalError
from bot.prompt_filter.filter import find_violation_in
from bot.services.input_files import InputFiles
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
    Recipe,
    pixels_sha256,
    sha256,
)
from engine.contract.images.encode import encode_png

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
    picture, files = await _load(settings.imagine_data, picture_id)
    environment = settings.engine_environment() | {"IMAGINE_MODEL": picture.recipe.model}
    async with start_engine(environment) as engine:
        recipe = picture.recipe
        model = next((card for card in engine.models if card.name == recipe.model), engine.model)
        if isinstance(recipe, Recipe):  # an enlargement names its picture by its pixels
            recipe = msgspec.structs.replace(recipe, revision=model.revision)
        paint = Paint(
            job=picture_id,
            attempt=1,
            recipes=(recipe,),
            inputs=tuple(files),
            capture=Capture(previews=False),
            include_flagged=picture.sha256 is None,  # its file is compared
            fingerprint=picture.fingerprint,
        )
        images: list[PaintedImage] = []

        def on_event(event: JobEvent) -> None:
            if isinstance(event, ImageDone):
                images.append(event.image)

        ending = await engine.submit(paint, on_event, files)
    if not isinstance(ending, Completed):
        raise ReplayFailed(getattr(ending, "reason", "The engine stopped."))
    [painting] = images
    if out is not None and painting.png and not painting.flagged:
        await asyncio.to_thread(_write, out, painting.png)
    return _compare(picture, painting, model, FileStorage(settings.imagine_data))


def _write(out: Path, png: bytes) -> None:
    try:
        out.write_bytes(png)
    except OSError as error:
        raise ReplayFailed(f"{out} cannot be written ({error.strerror}).") from error


async def _load(data: Path, picture_id: str) -> tuple[Picture, dict[str, bytes]]:
    """The picture, and the input images of its recipe by their digests."""
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
        inputs = InputFiles(db.jobs, db.lineage, FileStorage(data))
        return picture, await inputs.read(picture.job_id, [picture.recipe])


def _check_allowed(picture: Picture) -> None:
    """Raise FatalError if moderators removed the picture or its prompt is forbidden by now."""
    if picture.is_removed:
        raise FatalError(
            f"Moderators removed the picture {picture.id}, so it is not painted again.",
            ExitCode.UNKNOWN_PICTURE,
        )
    if find_violation_in(picture.recipe.prompts, words=()) is not None:
        raise FatalError(
            f"The prompt of the picture {picture.id} breaks the rule that cannot be turned off: "
            "no sexual content with minors.",
            ExitCode.UNKNOWN_PICTURE,
        )


def _compare(
    picture: Picture, painting: PaintedImage, model: ModelCard, storage: FileStorage
) -> ExitCode:
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
    subject, stored, now = _digests(picture, painting, storage)
    if stored == now:
        write(f"The same bits: {picture.id} has sha256 {stored} ({subject}).\n")
        return ExitCode.STOPPED
    stored = stored or "none"
    write(f"Other bits: {picture.id} had sha256 {stored}, now it is {now} ({subject}).\n")
    return ExitCode.BITS_DIFFER


def _digests(
    picture: Picture, painting: PaintedImage, storage: FileStorage
) -> tuple[str, str | None, str]:
    """What is compared, and the digests of the stored picture and of the new one.

    They are of the pixels. Of a picture that predates such digests they are computed from its file,
    or, if it has none, they are of the files without metadata.
    """
    if picture.sha256 is not None or not painting.png:
        return "pixels", picture.sha256, painting.sha256
    image = _decode(painting.png)
    if picture.path is not None:
        stored = _decode(storage.picture(picture.path))
        return "pixels", pixels_sha256(stored), pixels_sha256(image)
    return "file", picture.file_sha256, sha256(encode_png(image))


def _decode(png: bytes) -> Image.Image:
    with Image.open(BytesIO(png)) as image:
        return image.convert("RGB")
