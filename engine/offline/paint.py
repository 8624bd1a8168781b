"""The command `paint`: paint job specs, and write the pictures to folders."""

import logging
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import msgspec
from PIL import Image

from engine.contract import Cancelled, Ending, Event, Failed, Paint, Painted
from engine.contract.images import grid
from engine.core.preparation import check_job
from engine.core.worker import start_worker
from engine.errors import EngineError, InvalidJob, UsageError
from engine.models.base import DiffusionModel
from engine.offline.job_file import JobSpec, to_command

log = logging.getLogger(__name__)


def paint(
    specs: list[JobSpec], out: Path, models: Sequence[DiffusionModel], *, separate_folders: bool
) -> None:
    """Paint the jobs into `out`, or each into a subfolder named by its id.

    All specs are checked before the first job starts. Without `separate_folders`, an invalid spec
    raises UsageError. If jobs fail, the pictures of the others are written, and an EngineError is
    raised at the end, with a sentence for each failed job.
    """
    jobs: list[Paint] = []
    failures: list[str] = []
    for spec in specs:
        try:
            jobs.append(_checked_job(spec, models))
        except (UsageError, InvalidJob) as error:
            if not separate_folders:
                raise UsageError(str(error)) from error
            failures.append(f"Job {spec.id}: {error}")
    folders = [_make_folder(out / job.job if separate_folders else out) for job in jobs]
    for job, folder, ending in zip(jobs, folders, _run_all(jobs, models), strict=True):
        failure = _save(job, ending, folder)
        if failure is not None:
            failures.append(f"Job {job.job}: {failure}" if separate_folders else failure)
    if failures:
        raise EngineError("\n".join(failures))


def _run_all(jobs: list[Paint], models: Sequence[DiffusionModel]) -> Iterator[Ending]:
    """Run the jobs concurrently; yields their endings in order. Raises EngineError."""
    endings: list[Future[Ending]] = [Future() for _ in jobs]

    def on_fatal(error: EngineError) -> None:
        for ending in endings:
            if not ending.done():
                ending.set_exception(error)

    def on_event(event: Event, ending: Future[Ending]) -> None:
        if isinstance(event, Painted | Failed | Cancelled):
            ending.set_result(event)

    worker = start_worker(models, on_fatal)
    try:
        for job, ending in zip(jobs, endings, strict=True):
            worker.submit(job, partial(on_event, ending=ending))
        for ending in endings:
            yield ending.result()
    finally:
        worker.close()


def _checked_job(spec: JobSpec, models: Sequence[DiffusionModel]) -> Paint:
    job = to_command(spec, [model.card for model in models])
    check_job(job, models)
    return job


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be created: {error.strerror}.") from error
    return folder


def _save(job: Paint, ending: Ending, folder: Path) -> str | None:
    """Write the pictures of a job; returns a sentence about missing pictures, or None."""
    if not isinstance(ending, Painted):
        return ending.reason if isinstance(ending, Failed) else "The job was cancelled."
    try:
        failed = _write(job, ending, folder)
    except OSError as error:
        return f"{folder} cannot be written to: {error.strerror}."
    if failed:
        return f"Pictures that could not be painted: {failed}. The others were written."
    return None


def _write(job: Paint, painted: Painted, folder: Path) -> int:
    """Write pictures, grid and recipes; returns the number of failed pictures."""
    cells = []
    for nth, (recipe, picture) in enumerate(zip(job.recipes, painted.pictures, strict=True)):
        file = folder / f"{nth}.png"
        if not picture.png:
            file.unlink(missing_ok=True)  # from an earlier run
            reason = picture.failed or "withheld by the safety check"
            sys.stderr.write(f"{file} (seed {recipe.seed}): {reason}\n")
            label = "could not\nbe painted" if picture.failed else "withheld by\nthe safety check"
            cells.append(grid.blank_cell(recipe.size, label))
            continue
        file.write_bytes(picture.png)
        sys.stdout.write(f"{file}: seed {recipe.seed_text}\n")
        with Image.open(file) as image:
            cells.append(image.convert("RGB"))
    grid.compose(cells).save(folder / "grid.png")
    lines = b"".join(
        msgspec.json.encode(msgspec.structs.replace(recipe, row_class=picture.row_class)) + b"\n"
        for recipe, picture in zip(job.recipes, painted.pictures, strict=True)
    )
    (folder / "recipes.jsonl").write_bytes(lines)
    log.info("job painted", extra={"job": job.job, "seconds": round(painted.seconds, 3)})
    return sum(picture.failed is not None for picture in painted.pictures)
