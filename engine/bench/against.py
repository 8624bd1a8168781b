"""Measure this checkout of the project beside another one, with the same jobs in turn.

Each round paints a job file with `python -m engine paint` in both checkouts, in processes of their
own; the checkouts take turns to be the first. Both measure the first pictures of an engine after
its warm-up. Only the command line and its log are used, so the other checkout may be of any
version.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from PIL import Image

from engine.contract import sha256
from engine.errors import EngineError, UsageError


class Load(NamedTuple):
    """Jobs that are painted at the same time."""

    name: str
    jobs: int
    pictures: int
    """Of each job."""


LOADS: Final = (Load("alone", 1, 1), Load("4 people", 4, 4), Load("8 people", 8, 4))
ROUNDS: Final = 5
STEPS: Final = 20
_PROMPTS: Final = ("a red house on the grass", "a blue boat at night", "a cat in the snow")
THIS: Final = Path(__file__).parents[2]
"""The checkout of this module."""


class SideBySide(msgspec.Struct, frozen=True, kw_only=True):
    """The seconds from the first evaluation to the last encoded picture, of both checkouts."""

    load: str
    rounds: int
    here: float
    """Median of the rounds."""
    there: float
    ratio: float
    """The median of the rounds' ratios `here / there`."""
    is_equal: bool
    """Whether both painted the same pixels."""


def run(checkout: Path, model: str | None, rounds: int) -> Iterator[SideBySide]:
    """Paint each load in both checkouts so many times; a result for each load.

    Raises UsageError if `checkout` is none, and EngineError if a run fails.
    """
    if not (checkout / "engine" / "__main__.py").is_file():
        raise UsageError(f"{checkout} is not a checkout of this project: it has no engine.")
    for load in LOADS:
        yield _measure(load, checkout, model, rounds)


def _measure(load: Load, checkout: Path, model: str | None, rounds: int) -> SideBySide:
    with tempfile.TemporaryDirectory() as folder:
        jobs = Path(folder) / "jobs.jsonl"
        jobs.write_text("".join(_lines(load)), encoding="utf-8")
        here: list[float] = []
        there: list[float] = []
        digests = set()
        for nth in range(rounds):
            places = ((checkout, there), (THIS, here))
            for place, seconds in places if nth % 2 == 0 else reversed(places):
                out = Path(folder) / f"{place.name}-{nth}"
                seconds.append(_paint(place, jobs, model, out, load.jobs))
                digests.add(_pixels(out))
    return SideBySide(
        load=load.name,
        rounds=rounds,
        here=statistics.median(here),
        there=statistics.median(there),
        ratio=statistics.median(a / b for a, b in zip(here, there, strict=True)),
        is_equal=len(digests) == 1,
    )


def _lines(load: Load) -> Iterator[str]:
    for nth in range(load.jobs):
        job = {
            "id": f"job{nth}",
            "prompt": _PROMPTS[nth % len(_PROMPTS)],
            "seed": 1000 * nth,
            "count": load.pictures,
            "steps": STEPS,
            "sampler": "euler",
        }
        yield json.dumps(job) + "\n"


def _paint(checkout: Path, jobs: Path, model: str | None, out: Path, count: int) -> float:
    """Paint the jobs; returns the seconds of the slowest one, which are those of all of them."""
    arguments = ["--jobs", str(jobs), "--out", str(out)]
    if model is not None:
        arguments += ["--model", model]
    process = subprocess.run(  # noqa: S603 # our own program, with options of the operator
        [sys.executable, "-m", "engine", "paint", *arguments],
        cwd=checkout,
        env=os.environ | {"IMAGINE_LOG": "json", "IMAGINE_LOG_LEVEL": "info"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = [record["seconds"] for record in _records(process.stderr, "job painted")]
    if process.returncode or len(seconds) != count:
        last = process.stderr.strip().splitlines()[-1:] or ["it wrote no log"]
        raise EngineError(f"The jobs could not be painted in {checkout}: {last[0]}")
    return max(seconds)


def _records(log: str, event: str) -> list[dict[str, float]]:
    records = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [record for record in records if record.get("event") == event]


def _pixels(out: Path) -> str:
    """The digest of the pixels of all pictures in a folder."""
    pixels = []
    for file in sorted(out.glob("*/[0-9]*.png")):
        with Image.open(file) as image:
            pixels.append(image.convert("RGB").tobytes())
    return sha256(b"".join(pixels))


HEAD: Final = f"{'load':12}{'rounds':8}{'here s':10}{'there s':10}{'here/there':12}equal pixels\n"


def line(result: SideBySide) -> str:
    """One line of the table."""
    equal = "yes" if result.is_equal else "no"
    return (
        f"{result.load:<12}{result.rounds:<8}{result.here:<10.3f}{result.there:<10.3f}"
        f"{result.ratio:<12.3f}{equal}\n"
    )
