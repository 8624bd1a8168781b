"""The command `paint`: its options to orders."""

import argparse
from typing import Any

import msgspec

from engine.core.process import painter
from engine.errors import UsageError
from engine.offline.job_file import Order, orders


def paint_command(options: argparse.Namespace) -> None:
    """Paint what the options or the file of jobs ask for. Raises EngineError."""
    wanted = _orders(options)
    engine_core = painter(options.model, options.checkers)
    from engine.offline.paint import paint

    paint(wanted, options.out, engine_core, apart=options.jobs is not None)


def _orders(options: argparse.Namespace) -> list[Order]:
    names = set(Order.__struct_fields__) - {"id"}
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.jobs is None:
        return [_order(given)]
    if given:
        raise UsageError(f"With --jobs, {sorted(given)[0]} belongs into the file's lines.")
    try:
        return orders(options.jobs.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The jobs {options.jobs} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The jobs {options.jobs} are no UTF-8 text.") from error


def _order(given: dict[str, Any]) -> Order:
    if "prompt" not in given:
        raise UsageError("Say what to paint: a prompt, or --jobs FILE.")
    try:
        return msgspec.convert({"id": "one"} | given, Order)
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(str(error)) from error
