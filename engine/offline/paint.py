"""The command `paint`: paint job specs, and write the pictures to folders."""

import logging
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import msgspec
from PIL import Image

from engine.contract import (
    ArtifactDone,
    Completed,
    Ending,
    Event,
    Failed,
    ImageDone,
    Paint,
    PaintedImage,
    Work,
    with_row_class,
)
from engine.contract.images import grid
from engine.core.job_files import JobWithFiles
from engine.core.preparation import check_job
from engine.core.worker import start_worker
from engine.errors import EngineError, InvalidJob, UsageError
from engine.models.base import DiffusionModel
from engine.offline.collect import painted_inputs, upscaled
from engine.offline.job_file import JobSpec, film_file, to_command
from engine.offline.recipe_file import to_job

log = logging.getLogger(__name__)


class _Output:
    """The folder of a job, and its pictures and ending as far as they have arrived.

    Each picture and each film is written as soon as it arrives.
    """

    def __init__(self, job: Paint, folder: Path, film: str | None) -> None:
        self.job = job
        self._film = film
        self.ending: Future[Ending] = Future()
        self._folder = folder
        self._images: dict[int, PaintedImage] = {}
        self._disk_error: OSError | None = None

    def make_folder(self) -> None:
        """Create the folder. Raises UsageError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"The folder {self._folder} cannot be created: {error.strerror}."
            ) from error

    def on_event(self, event: Event) -> None:
        """Write a picture or a film, or note the ending."""
        if isinstance(event, Ending):
            self.ending.set_result(event)
            return
        try:
            if isinstance(event, ImageDone):
                self._images[event.index] = event.image
                self._write_picture(event.index, event.image)
            elif isinstance(event, ArtifactDone) and self._film is not None:
                self._write_film(film_file(self._film, event.index), event.data)
        except OSError as error:
            self._disk_error = error

    def finish(self) -> str | None:
        """Wait for the ending and write grid and recipes; returns a sentence about missing
        pictures or films, or None. Raises EngineError."""
        ending = self.ending.result()
        if not isinstance(ending, Completed):
            return ending.reason if isinstance(ending, Failed) else "The job was cancelled."
        try:
            if self._disk_error is not None:
                raise self._disk_error
            self._write_summary()
            for failure in ending.artifact_failures:
                self._delete_film(failure.index)  # from an earlier run
        except OSError as error:
            return f"{error.filename or self._folder} cannot be written to: {error.strerror}."
        log.info("job painted", extra={"job": self.job.job, "seconds": round(ending.seconds, 3)})
        failed = sum(image.failed is not None for image in self._images.values())
        if failed:
            return f"Pictures that could not be painted: {failed}. The others were written."
        return next((failure.reason for failure in ending.artifact_failures), None)

    def _file(self, index: int) -> Path:
        return self._folder / f"{index}.png"

    def _write_picture(self, index: int, image: PaintedImage) -> None:
        recipe, file = self.job.recipes[index], self._file(index)
        if image.png:
            file.write_bytes(image.png)
            sys.stdout.write(f"{file}: seed {recipe.seed_text}\n")
            if image.omission is not None:
                sys.stderr.write(f"{file}: {image.omission.sentence}\n")
            return
        file.unlink(missing_ok=True)  # from an earlier run
        self._delete_film(index)
        reason = image.failed or "withheld by the safety check"
        sys.stderr.write(f"{file} (seed {recipe.seed}): {reason}\n")

    def _delete_film(self, index: int) -> None:
        if self._film is not None:
            film_file(self._film, index).unlink(missing_ok=True)

    def _write_film(self, file: Path, data: bytes) -> None:
        file.write_bytes(data)
        sys.stdout.write(f"{file}: the film\n")

    def _write_summary(self) -> None:
        cells = [self._cell(index) for index in range(len(self.job.recipes))]
        grid.compose(cells).save(self._folder / "grid.png")
        recipes = (
            with_row_class(recipe, image.row_class, image.backend)
            for index, recipe in enumerate(self.job.recipes)
            for image in [self._images[index]]
        )
        lines = b"".join(msgspec.json.encode(recipe) + b"\n" for recipe in recipes)
        (self._folder / "recipes.jsonl").write_bytes(lines)

    def _cell(self, index: int) -> Image.Image:
        image = self._images[index]
        if image.png:
            with Image.open(self._file(index)) as picture:
                return picture.convert("RGB")
        label = "could not\nbe painted" if image.failed else "withheld by\nthe safety check"
        return grid.blank_cell(self.job.recipes[index].size, label)


def paint(
    specs: list[JobSpec], out: Path, models: Sequence[DiffusionModel], *, separate_folders: bool
) -> None:
    """Paint the jobs into `out`, or each into a subfolder named by its id.

    All specs are checked before the first job starts. Without `separate_folders`, an invalid spec
    raises UsageError. If jobs fail, the pictures of the others are written, and an EngineError is
    raised at the end, with a sentence for each failed job.
    """
    jobs: list[JobWithFiles] = []
    outputs: list[_Output] = []
    failures: list[str] = []
    for spec in specs:
        try:
            job = _checked_job(spec, models)
            if spec.upscale is not None:
                job = upscaled(job, spec.upscale, models)
        except (EngineError, InvalidJob) as error:
            if not separate_folders and isinstance(error, UsageError | InvalidJob):
                raise UsageError(str(error)) from error
            failures.append(f"Job {spec.id}: {error}" if separate_folders else str(error))
        else:
            jobs.append(job)
            outputs.append(
                _Output(job.paint, out / spec.id if separate_folders else out, spec.film)
            )
    for output in outputs:
        output.make_folder()
    for output, failure in zip(outputs, _run_all(jobs, outputs, models), strict=True):
        if failure is not None:
            failures.append(f"Job {output.job.job}: {failure}" if separate_folders else failure)
    if failures:
        raise EngineError("\n".join(failures))


def paint_recipes(
    works: Sequence[Work],
    inputs: Path | None,
    out: Path,
    models: Sequence[DiffusionModel],
    film: str | None = None,
) -> None:
    """Paint these recipes, with input images from the folder `inputs`, into `out`.

    Without that folder, the pictures that enlargements start from are painted first. `film` is the
    file of the film of the first one. Raises UsageError if a model or an input image is missing,
    EngineError if the job fails.
    """
    painted = painted_inputs(works, models) if inputs is None else {}
    job = to_job(works, inputs, painted, film=film is not None)
    try:
        check_job(job.paint, models, job.files)
    except InvalidJob as error:
        raise UsageError(str(error)) from error
    output = _Output(job.paint, out, film)
    output.make_folder()
    [failure] = _run_all([job], [output], models)
    if failure is not None:
        raise EngineError(failure)


def _run_all(
    jobs: list[JobWithFiles], outputs: list[_Output], models: Sequence[DiffusionModel]
) -> Iterator[str | None]:
    """Run the jobs concurrently; yields what `finish` returns for each. Raises EngineError."""

    def on_fatal(error: EngineError) -> None:
        for output in outputs:
            if not output.ending.done():
                output.ending.set_exception(error)

    worker = start_worker(models, on_fatal)
    try:
        for job, output in zip(jobs, outputs, strict=True):
            worker.submit(job.paint, output.on_event, job.files)
        for output in outputs:
            yield output.finish()
    finally:
        worker.close()


def _checked_job(spec: JobSpec, models: Sequence[DiffusionModel]) -> JobWithFiles:
    job = to_command(spec, [model.card for model in models])
    check_job(job.paint, models, job.files)
    return job
