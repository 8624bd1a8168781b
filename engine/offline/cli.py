"""The command `paint`: convert the options to job specs."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.core.process import load_warm_models
from engine.errors import UsageError
from engine.offline.job_file import JobSpec, parse_job_file
from engine.offline.job_inputs import lora_files
from engine.offline.recipe_file import parse_recipe_file

if TYPE_CHECKING:
    from engine.models.base import DiffusionModel


def paint_command(options: argparse.Namespace) -> None:
    """Paint the job of the options, those of the job file, or the recipes. Raises EngineError."""
    if options.recipes is not None:
        _repeat_recipes(options)
        return
    if options.inputs is not None:
        raise UsageError("--inputs is for the recipes of --recipes.")
    specs = _job_specs(options)
    loras = _lora_files([text for spec in specs for text in spec.lora])
    models = load_warm_models(*_models(options.model, specs), checkers=options.checkers)
    _offer_loras(models, loras)
    from engine.offline.paint import paint

    paint(specs, options.out, models, separate_folders=options.jobs is not None)


def _repeat_recipes(options: argparse.Namespace) -> None:
    if options.jobs is not None or _fields(options).keys() - {"film", "lora"}:
        raise UsageError(
            "With --recipes, only --inputs, --lora, --film, --model, --checkers and --out are used."
        )
    works = parse_recipe_file(_read(options.recipes))
    chosen = options.model or ",".join(dict.fromkeys(work.model for work in works))
    loras = _lora_files(options.lora or ())
    models = load_warm_models(chosen, checkers=options.checkers)
    _offer_loras(models, loras)
    from engine.offline.paint import paint_recipes

    paint_recipes(works, options.inputs, options.out, models, film=options.film)


def _lora_files(texts: Sequence[str]) -> list[Path]:
    """The files of LoRAs. Raises UsageError if one does not exist, or has an invalid scale."""
    try:
        files = lora_files(texts)
    except ValueError as error:
        raise UsageError(str(error)) from error
    for file in files:
        if not file.is_file():
            raise UsageError(f"The LoRA {file} is not a file.")
    return files


def _offer_loras(models: "Sequence[DiffusionModel]", files: Sequence[Path]) -> None:
    """Offer these files beside those of the configured folders. Raises UsageError."""
    if files:
        from engine.weights.loras import find_loras, lora_folders

        for model in models:
            model.offer_adapters(find_loras(lora_folders(model.card.name), files))


def _models(chosen: str | None, specs: list[JobSpec]) -> tuple[str | None, tuple[str, ...]]:
    """The models to load: a comma-separated list or None for the default, and more names.

    Without --model, the models that the job file names are loaded too.
    """
    named = tuple(dict.fromkeys(spec.model for spec in specs if spec.model is not None))
    if chosen is not None or not named:
        return chosen, ()
    if all(spec.model is not None for spec in specs):
        return ",".join(named), ()
    return None, named


def _job_specs(options: argparse.Namespace) -> list[JobSpec]:
    fields = _fields(options)
    if options.jobs is None:
        return [_job_spec(fields)]
    if fields:
        raise UsageError(f"With --jobs, {sorted(fields)[0]} must be given in the job file.")
    return parse_job_file(_read(options.jobs))


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    """The options of a job that are set."""
    names = set(JobSpec.__struct_fields__) - {"id", "model"}
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The file {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The file {file} is not UTF-8 text.") from error


def _job_spec(fields: dict[str, Any]) -> JobSpec:
    if not fields.keys() & {"prompt", "control", "reference"}:
        raise UsageError(
            "There is nothing to paint: a prompt, --jobs FILE or --recipes FILE is required, or "
            "--control or --reference."
        )
    try:
        return msgspec.convert({"id": "one"} | fields, JobSpec)
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(str(error)) from error
