"""The command `paint`: orders to folders of pictures."""

import logging
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import msgspec
from PIL import Image

from engine.contract import Cancelled, Ending, Event, Failed, Paint, Painted, Recipe
from engine.core.engine_core import Painter
from engine.core.worker import Worker
from engine.errors import EngineError, InvalidJob, UsageError
from engine.imaging.encode import blank, grid
from engine.offline.job_file import Order, job

log = logging.getLogger(__name__)


def paint(orders: list[Order], out: Path, painter: Painter, *, apart: bool) -> None:
    """Paint all orders into `out`, or (apart) each into the folder of its id there.

    All orders are checked before the first is painted. Raises EngineError in the end, with a
    sentence for each that failed; the others are there.
    """
    jobs = [_job(order, painter, apart) for order in orders]
    folders = [_make(out / each.job if apart else out) for each in jobs]
    failures: list[str] = []
    for each, folder, ending in zip(jobs, folders, _together(jobs, painter), strict=True):
        why = _kept(each, ending, folder)
        if why is not None:
            failures.append(f"Job {each.job}: {why}" if apart else why)
    if failures:
        raise EngineError("\n".join(failures))


def _together(jobs: list[Paint], painter: Painter) -> Iterator[Ending]:
    """How each job ends, in their order; they share the painter. Raises EngineError."""
    endings: list[Future[Ending]] = [Future() for _ in jobs]

    def broken(error: EngineError) -> None:
        for ending in endings:
            if not ending.done():
                ending.set_exception(error)

    def hear(event: Event, ending: Future[Ending]) -> None:
        if isinstance(event, Painted | Failed | Cancelled):
            ending.set_result(event)

    worker = Worker(painter, broken)
    try:
        for job, ending in zip(jobs, endings, strict=True):
            worker.submit(job, partial(hear, ending=ending))
        for ending in endings:
            yield ending.result()
    finally:
        worker.close()


def _job(order: Order, painter: Painter, apart: bool) -> Paint:
    try:
        made = job(order, painter.model.card)
        painter.check(made)
    except (UsageError, InvalidJob) as error:
        raise UsageError(f"Job {order.id}: {error}" if apart else str(error)) from error
    return made


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    return folder


def _kept(each: Paint, ending: Ending, folder: Path) -> str | None:
    """Write what there is of a job. Returns, in words for the person, what there is not."""
    if not isinstance(ending, Painted):
        return ending.reason if isinstance(ending, Failed) else "The job was cancelled."
    try:
        failed = _write(each, ending, folder)
    except OSError as error:
        return f"{folder} cannot be written to: {error.strerror}."
    if failed:
        return f"Pictures that could not be painted: {failed}; the others are there."
    return None


def _write(each: Paint, painted: Painted, folder: Path) -> int:
    """How many of the pictures could not be painted."""
    cells = []
    for nth, (recipe, picture) in enumerate(zip(each.recipes, painted.pictures, strict=True)):
        file = folder / f"{nth}.png"
        if not picture.png:
            file.unlink(missing_ok=True)  # of an earlier run into the same folder
            why = picture.failed or "withheld by the safety check"
            sys.stderr.write(f"{file} (seed {recipe.seed}): {why}\n")
            label = "could not\nbe painted" if picture.failed else "withheld by\nthe safety check"
            cells.append(blank(recipe.width, recipe.height, label))
            continue
        file.write_bytes(picture.png)
        sys.stdout.write(f"{file}: {_seed(recipe)}\n")
        with Image.open(file) as image:
            cells.append(image.convert("RGB"))
    grid(cells).save(folder / "grid.png")
    lines = b"".join(
        msgspec.json.encode(msgspec.structs.replace(recipe, row_class=picture.row_class)) + b"\n"
        for recipe, picture in zip(each.recipes, painted.pictures, strict=True)
    )
    (folder / "recipes.jsonl").write_bytes(lines)
    log.info("job painted", extra={"job": each.job, "seconds": round(painted.seconds, 3)})
    return sum(picture.failed is not None for picture in painted.pictures)


def _seed(recipe: Recipe) -> str:
    if recipe.subseed_strength == 0.0:
        return f"seed {recipe.seed}"
    return f"seed {recipe.seed}, subseed {recipe.subseed} at {recipe.subseed_strength:g}"
