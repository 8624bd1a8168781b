"""The command `bench`: its table on standard output, and in a file."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from engine.core.process import load, machine, with_parts
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.models.base import PaintModel

T = TypeVar("T")


def bench_command(options: argparse.Namespace) -> None:
    """Measure, and print as it goes. Raises EngineError."""
    model = with_parts(lambda: _random(options.arch) if options.weights else load(options.model))
    if options.ticks:
        from engine.bench import forward_pass

        _tell(options, model, forward_pass.HEAD, forward_pass.run(model), forward_pass.line)
        return
    from engine.bench.report import HEAD, Asked, line, run

    asked = Asked(
        workloads=options.workloads,
        pictures=options.pictures,
        people=options.people,
        rates=options.rates,
        jobs=options.jobs[0],
        check_all=options.check_all,
    )
    _tell(options, model, HEAD, run(model, asked), line)


def _tell(
    options: argparse.Namespace,
    model: "PaintModel",
    head: str,
    results: Iterable[T],
    line: Callable[[T], str],
) -> None:
    """Print the table, line by line as it comes, and write the JSON if wanted."""
    report: dict[str, Any] = {"fingerprint": model.card.fingerprint, "results": []}
    sys.stdout.write(f"{report['fingerprint']}\n{head}")
    for result in results:
        sys.stdout.write(line(result))
        sys.stdout.flush()
        report["results"].append(result)
        if options.json:  # at once, so that a stop loses nothing
            _write(options.json, msgspec.json.format(msgspec.json.encode(report)))


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise EngineError(f"{file} cannot be written: {error.strerror}.") from error


def _random(architecture: str) -> "PaintModel":
    device = machine()
    from engine.bench.architectures import ARCHITECTURES

    return ARCHITECTURES[architecture](device)
