"""The corpus of hostile files.

`python -m tests.hostile_files FOLDER` sanitizes all files of the folder, one after another.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from bot.attachments.sandbox import decoder_sandbox
from bot.attachments.sanitize import sanitize
from bot.errors import BotError
from bot.settings import sandbox_environment
from tests.hostile_bombs import bombs
from tests.hostile_damage import corrupted, false_headers, truncated
from tests.hostile_formats import metadata, other_formats, polyglots
from tests.hostile_oddities import oddities
from tests.hostile_parts import PNG, HostileFile

SANDBOX: Final = decoder_sandbox(sandbox_environment())


class Outcome(msgspec.Struct):
    """The result for a file."""

    refusal: str | None
    seconds: float


class PeakMemory(msgspec.Struct):
    """Peak resident memory in bytes: growth in this process, and the total of a sandbox."""

    bot: int
    sandbox: int


def corpus() -> list[HostileFile]:
    """All files; each has a unique name."""
    parts = (
        bombs,
        false_headers,
        truncated,
        corrupted,
        oddities,
        metadata,
        polyglots,
        other_formats,
    )
    return [file for part in parts for file in part()]


def _sanitize_all(folder: Path) -> None:
    with asyncio.Runner() as runner:
        runner.run(sanitize(PNG, SANDBOX))
        before = _peak_memory()
        outcomes = [_outcome(runner, file) for file in sorted(folder.glob("*.file"))]
    after = _peak_memory()
    peaks = PeakMemory(after.bot - before.bot, after.sandbox)
    (folder / "outcomes.json").write_bytes(msgspec.json.encode(outcomes))
    (folder / "peaks.json").write_bytes(msgspec.json.encode(peaks))


def _outcome(runner: asyncio.Runner, file: Path) -> Outcome:
    start = time.monotonic()
    try:
        image = runner.run(sanitize(file.read_bytes(), SANDBOX))
    except BotError as error:
        return Outcome(str(error), time.monotonic() - start)
    file.with_suffix(".png").write_bytes(image.png)
    return Outcome(None, time.monotonic() - start)


def _peak_memory() -> PeakMemory:
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    processes = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return PeakMemory(*[resource.getrusage(who).ru_maxrss * unit for who in processes])


if __name__ == "__main__":
    _sanitize_all(Path(sys.argv[1]))
