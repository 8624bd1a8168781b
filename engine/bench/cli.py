"""The command `bench`: measure, print a table and write JSON."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from engine.core.process import load, require_packages, select_quiet_device
from engine.errors import EngineError, MissingDependency, UsageError

if TYPE_CHECKING:
    from engine.models.base import DiffusionModel
    from engine.upscale.base import Upscaler

BACKENDS: Final = ("serial", "compiled", "together", "exact", "adaptive")
"""The keys of backends.BACKENDS, which imports torch."""
ARCHITECTURES: Final = ("sd15", "sdxl")
"""The keys of architectures.ARCHITECTURES, which imports torch."""
SUITES: Final = ("gpu",)
CHECKED_JOBS: Final = 8
"""Of each load, without `--check-all` and `--no-check`."""
T = TypeVar("T")


def bench_command(options: argparse.Namespace) -> None:
    """Run the benchmark, and print each result as soon as it is measured. Raises EngineError."""
    if options.against:
        from engine.bench import against

        fingerprint = f"here {against.THIS}, there {options.against}"
        results = against.run(options.against, options.model, options.rounds or against.ROUNDS)
        _print(options, fingerprint, against.HEAD, results, against.line)
        return
    if options.cluster:
        _bench_clusters(options)
        return
    if options.suite:
        require_packages(lambda: _run_suite(options))
        return
    if options.upscale:
        _bench_upscaler(options)
        return
    if options.few_steps:
        _bench_few_steps(options)
        return
    model = require_packages(
        lambda: _random(options.arch) if options.weights else load(options.model)[0]
    )
    model.prove_backends()
    if options.ticks:
        from engine.bench import forward_pass

        _print(
            options,
            model.card.fingerprint,
            forward_pass.HEAD,
            forward_pass.run(model),
            forward_pass.line,
        )
        return
    if options.film:
        _bench_film(options, model)
        return
    if options.matrix:
        _bench_matrix(options, model)
        return
    if options.steering:
        _bench_steering(options, model)
        return
    from engine.bench.report import HEAD, BenchConfig, line, run

    config = BenchConfig(
        workloads=options.workloads,
        pictures=options.pictures,
        people=options.people,
        rates=options.rates,
        jobs=options.jobs[0],
        backends=options.backends,
        rounds=options.rounds or 1,
        checked_jobs=options.checked_jobs,
    )
    _print(options, model.card.fingerprint, HEAD, run(model, config), line)


def _bench_clusters(options: argparse.Namespace) -> None:
    from engine.bench import clusters

    results = clusters.run(options.model, options.rounds or clusters.ROUNDS)
    _print(options, clusters.machine(), clusters.HEAD, results, clusters.line)


def _run_suite(options: argparse.Namespace) -> None:
    device = select_quiet_device()
    from engine.bench.suite import gpu, painting
    from engine.bench.suite.models import Models, loaders_for
    from engine.bench.suite.runner import SuiteRunner, new_report

    parts = gpu.parts(Models(device, loaders_for(device)), gpu.scale_for(device))
    chosen = [part for part in parts if any(word in part.name for word in options.parts)]
    if not chosen:
        names = ", ".join(part.name for part in parts)
        raise UsageError(f"No part of the suite has such a name; its parts are: {names}.")
    report = new_report(options.suite, device.fingerprint, options.minutes[0], chosen)
    runner = SuiteRunner(
        report,
        write=lambda report: report.write(options.out),
        show=_show,
        release_memory=device.empty_cache,
    )
    _show(device.fingerprint)
    try:
        runner.run(chosen)
    finally:
        painting.close()
    report.check()


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _bench_film(options: argparse.Namespace, model: "DiffusionModel") -> None:
    from engine.bench import film

    _print(options, model.card.fingerprint, film.HEAD, film.run(model), film.line)


def _bench_matrix(options: argparse.Namespace, model: "DiffusionModel") -> None:
    from engine.bench import matrices

    _print(options, model.card.fingerprint, matrices.HEAD, matrices.run(model), matrices.line)


def _bench_steering(options: argparse.Namespace, model: "DiffusionModel") -> None:
    from engine.bench import steered

    _print(options, model.card.fingerprint, steered.HEAD, steered.run(model), steered.line)


def _bench_few_steps(options: argparse.Namespace) -> None:
    from engine.bench import few_steps

    models = require_packages(lambda: load(options.model or few_steps.MODELS))
    for model in models:
        model.prove_backends()
    fingerprint = models[0].card.fingerprint
    _print(options, fingerprint, few_steps.HEAD, few_steps.run(models), few_steps.line)


def _bench_upscaler(options: argparse.Namespace) -> None:
    upscaler = require_packages(_upscaler)
    from engine.bench import upscales

    _print(options, upscaler.fingerprint, upscales.HEAD, upscales.run(upscaler), upscales.line)


def _upscaler() -> "Upscaler":
    from engine.upscale import NOT_INSTALLED, load_upscalers

    upscalers = load_upscalers()
    if not upscalers:
        raise MissingDependency(NOT_INSTALLED)
    return upscalers[0]


def _print(
    options: argparse.Namespace,
    fingerprint: str,
    head: str,
    results: Iterable[T],
    line: Callable[[T], str],
) -> None:
    """Print the results as a table, and write them to the JSON file of the options."""
    report: dict[str, Any] = {"fingerprint": fingerprint, "results": []}
    sys.stdout.write(f"{fingerprint}\n{head}")
    for result in results:
        sys.stdout.write(line(result))
        sys.stdout.flush()
        report["results"].append(result)
        if options.json:  # after each result, so that an interrupt loses none
            _write(options.json, msgspec.json.format(msgspec.json.encode(report)))


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise EngineError(f"{file} cannot be written: {error.strerror}.") from error


def _random(architecture: str) -> "DiffusionModel":
    device = select_quiet_device()
    from engine.bench import architectures

    return architectures.ARCHITECTURES[architecture](device)
