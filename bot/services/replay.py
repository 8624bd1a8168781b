"""Paint a picture again from its row in the record, and say whether the bits are the same."""

import asyncio
import functools
import sys
from pathlib import Path

import msgspec

from bot.aio import background
from bot.db import migrations
from bot.db.database import FILENAME
from bot.db.jobs import Ledger
from bot.domain.picture import Picture, job_of
from bot.engine_client.process import spawn_engine
from bot.engine_client.socket_client import Launch, SocketEngineClient
from bot.errors import BotError, ExitCode, FatalError
from bot.prompt_filter import filter as prompt_filter
from bot.settings import Settings
from bot.storage import FileStorage
from engine.contract import ModelCard, Paint, Painted, PaintedImage


class ReplayFailed(BotError):
    """The picture could not be painted again."""


async def replay(
    settings: Settings, name: str, out: Path | None, *, launch: Launch | None = None
) -> ExitCode:
    """Write a verdict to stdout, and the picture to `out` if wanted."""
    picture = await _recorded(settings.imagine_data, name)
    source = _source(settings.imagine_data, picture)
    environment = settings.engine_environment() | {"IMAGINE_MODEL": picture.recipe.model}
    async with SocketEngineClient(launch or functools.partial(spawn_engine, environment)) as link:
        recipe = msgspec.structs.replace(picture.recipe, revision=link.model.revision)
        paint = Paint(job=name, attempt=1, recipes=(recipe,), source=source, previews=False)
        async with background(link.supervise()):
            ending = await link.submit(paint, lambda _: None)
        model = link.model
    if not isinstance(ending, Painted):
        raise ReplayFailed(getattr(ending, "reason", "The engine stopped."))
    painting = ending.pictures[0]
    if out is not None and painting.png:
        await asyncio.to_thread(_write, out, painting.png)
    return _judged(picture, painting, model)


def _write(out: Path, png: bytes) -> None:
    try:
        out.write_bytes(png)
    except OSError as error:
        raise ReplayFailed(f"{out} cannot be written ({error.strerror}).") from error


async def _recorded(data: Path, name: str) -> Picture:
    database = data / FILENAME
    unknown = FatalError(f"There is no picture {name} in {database}.", ExitCode.UNKNOWN_PICTURE)
    if not database.is_file():
        raise unknown
    migrations.check_version(database)
    async with Ledger(database) as ledger:
        picture = await ledger.picture(name)
        job = await ledger.job(job_of(name))
    if job is not None and job.erased is not None:
        raise FatalError(
            f"There is no picture {name} any more. {job.erased.words}", ExitCode.UNKNOWN_PICTURE
        )
    if picture is None:
        raise unknown
    _check_allowed(picture)
    return picture


def _check_allowed(picture: Picture) -> None:
    """What may not be asked for any more is not painted again either."""
    if picture.removed:
        raise FatalError(
            f"Moderators removed the picture {picture.id}, so it is not painted again.",
            ExitCode.UNKNOWN_PICTURE,
        )
    negative = picture.recipe.negative if picture.recipe.uses_cfg else ""
    if prompt_filter.breach(picture.recipe.prompt, negative, words=()) is not None:
        raise FatalError(
            f"The words of the picture {picture.id} break the rule that nothing turns off: no "
            "sexual content with minors.",
            ExitCode.UNKNOWN_PICTURE,
        )


def _source(data: Path, picture: Picture) -> bytes | None:
    return FileStorage(data).source(picture.recipe.source) if picture.recipe.source else None


def _judged(picture: Picture, painting: PaintedImage, model: ModelCard) -> ExitCode:
    say = sys.stdout.write
    if picture.recipe.revision != model.revision:
        say(
            f"The weights are others: {picture.recipe.model} was {picture.recipe.revision} "
            f"and is {model.revision}.\n"
        )
    if picture.fingerprint != painting.fingerprint:
        say(
            "It was made in another way then, so other bits are no surprise:\n"
            f"  then {picture.fingerprint}\n  now  {painting.fingerprint}\n"
        )
    if picture.sha256 == painting.sha256:
        say(f"The same bits: {picture.id} has sha256 {picture.sha256}.\n")
        return ExitCode.STOPPED
    then = picture.sha256 or "none"
    say(f"Other bits: {picture.id} had sha256 {then}, now it is {painting.sha256}.\n")
    return ExitCode.BITS_DIFFER
