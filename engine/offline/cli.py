"""The command `paint`: convert the options to job specs."""

import argparse
from typing import Any

import msgspec

from engine.core.process import load_warm_models
from engine.errors import UsageError
from engine.offline.job_file import JobSpec, parse_job_file


def paint_command(options: argparse.Namespace) -> None:
    """Paint the job of the options, or those of the job file. Raises EngineError."""
    specs = _job_specs(options)
    models = load_warm_models(*_models(options.model, specs), checkers=options.checkers)
    from engine.offline.paint import paint

    paint(specs, options.out, models, separate_folders=options.jobs is not None)


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
    names = set(JobSpec.__struct_fields__) - {"id", "model"}
    values = {name: getattr(options, name) for name in names}
    fields = {name: value for name, value in values.items() if value is not None}
    if options.jobs is None:
        return [_job_spec(fields)]
    if fields:
        raise UsageError(f"With --jobs, {sorted(fields)[0]} must be given in the job file.")
    try:
        return parse_job_file(options.jobs.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The file {options.jobs} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The file {options.jobs} is not UTF-8 text.") from error


def _job_spec(fields: dict[str, Any]) -> JobSpec:
    if "prompt" not in fields:
        raise UsageError("There is nothing to paint: a prompt or --jobs FILE is required.")
    try:
        return msgspec.convert({"id": "one"} | fields, JobSpec)
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(str(error)) from error
