"""The command line: `python -m engine serve` for the bot, `python -m engine paint` for people."""

import argparse
import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import msgspec

from engine import log as logs
from engine.contract import PICTURES_LIMIT, Sampler
from engine.errors import BadUsage, EngineError, Exit, PartsMissing
from engine.log.redaction import hide
from engine.offline.job_file import Order, orders
from engine.server.parent_watch import end_with_parent

if TYPE_CHECKING:
    from engine.core.engine_core import Painter
    from engine.device import Hardware
    from engine.models.base import PaintModel

CUDA_MODEL: Final = "stable-diffusion-v1-5/stable-diffusion-v1-5"
"""What is painted with when nobody chose a model and there is a GPU."""
_AT_WORK: Final = ("painter", "painting", "finisher")
"""Threads that may be in the middle of something long."""
_LAST_SECONDS: Final = 0.2
"""For each of them to end, if it only has to be told so."""
log = logging.getLogger("engine")
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code is one of `engine.errors.Exit`."""
    _begin_log()
    try:
        options = _parser().parse_args(arguments)
        options.command(options)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
    return Exit.DONE


def _begin_log() -> None:
    chosen = os.environ.get
    logs.begin(
        "engine",
        in_json=chosen("IMAGINE_LOG") == "json",
        level=chosen("IMAGINE_LOG_LEVEL") or "info",
        prompts=chosen("IMAGINE_LOG_PROMPTS") == "true",
    )
    for name in ("IMAGINE_ENGINE_TOKEN", "HF_TOKEN"):
        hide(chosen(name, ""))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadUsage(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m engine", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_serve(commands.add_parser("serve", help="paint for the bot, over a local socket"))
    _add_paint(commands.add_parser("paint", help="paint into a folder"))
    _add_bench(commands.add_parser("bench", help="measure the engine beside diffusers"))
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1 (default: any free)")
    parser.add_argument("--model", help="`starter`, a diffusers folder, or a hub id")
    _add_checkers(parser)
    parser.add_argument("--parent", action="store_true", help="end when standard input does")
    parser.set_defaults(command=_serve)


def _add_paint(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("prompt", nargs="?", help="what to paint")
    add("--negative", help="what not to paint")
    add("--seed", type=int, help="the first picture's; each further one has the next")
    add("--count", type=int, help=f"pictures, 1 to {PICTURES_LIMIT} (default {PICTURES_LIMIT})")
    add("--steps", type=int)
    add("--guidance", type=float)
    add("--sampler", metavar="NAME", help=", ".join(Sampler))
    add("--width", type=int)
    add("--height", type=int)
    add("--sketch", metavar="FILE", help="a picture to start from")
    add("--strength", type=float, help="how much of the sketch is painted over, to 1")
    add("--subseed", type=int)
    add("--subseed-strength", type=float, help="share of the subseed's noise, 0 to 1")
    add("--jobs", metavar="FILE", type=Path, help="one JSON object a line, instead of a prompt")
    add("--model", help="`starter`, a diffusers folder, or a hub id")
    _add_checkers(parser)
    add("--out", metavar="DIR", type=Path, required=True)
    parser.set_defaults(command=_paint)


def _add_checkers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkers",
        metavar="NAMES",
        help="who may withhold a picture: `model` (the default), or classifiers' folders and hub "
        "ids, with commas between them",
    )


def _add_bench(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", help="`starter`, a diffusers folder, or a hub id")
    add("--weights", choices=["random"], help="with --arch, instead of a model: no download")
    add("--arch", choices=["sd15", "sdxl"], default="sd15", help="of random weights")
    add(
        "--workloads",
        type=_workloads,
        default="A,B",
        help="A: all alike; B: mixed; C: A with SDXL (default A,B)",
    )
    add("--pictures", type=_numbers(int, PICTURES_LIMIT), default="1,4", help="in each job (1,4)")
    add("--people", type=_numbers(int, 1000), default="1,2,4,8", help="at once (1,2,4,8)")
    add(
        "--rates",
        type=_numbers(float, 10),
        default=[],
        help="of Poisson arrivals, as shares of diffusers' own rate",
    )
    add("--jobs", type=_numbers(int, 10_000), default="24", help="in each load (24)")
    add("--check-all", action="store_true", help="compare all jobs' bits, not those of about 8")
    add("--ticks", action="store_true", help="measure the forward passes alone, by row class")
    add("--json", metavar="FILE", type=Path, help="write the results here too")
    parser.set_defaults(command=_bench)


def _bench(options: argparse.Namespace) -> None:
    model = _with_parts(lambda: _random(options.arch) if options.weights else _load(options.model))
    if options.ticks:
        from engine.bench import ticks

        _tell(options, model, ticks.HEAD, ticks.run(model), ticks.line)
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


def _workloads(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set("ABC"):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of A, B and C")
    return names


def _numbers(kind: Callable[[str], float], most: int) -> Callable[[str], list[float]]:
    def read(text: str) -> list[float]:
        try:
            numbers = [kind(each) for each in text.split(",") if each]
        except ValueError:
            numbers = [0]
        if not numbers or not all(0 < number <= most for number in numbers):
            raise argparse.ArgumentTypeError(
                f"{text!r} is no list of numbers above 0 and up to {most}, such as 1,4"
            )
        return numbers

    return read


def _serve(options: argparse.Namespace) -> None:
    import asyncio

    if options.parent:
        end_with_parent()
    server = _with_parts(lambda: importlib.import_module("engine.server.socket_server"))
    if not 0 <= options.port < 2**16:
        raise BadUsage(f"The port is {options.port}; it must be 0 to 65535.")
    with server.bind(options.port) as listening:
        painter = _painter(options.model, options.checkers)
        token = os.environ.get("IMAGINE_ENGINE_TOKEN", "")
        asyncio.run(server.serve(listening, painter, token))


def _paint(options: argparse.Namespace) -> None:
    wanted = _orders(options)
    painter = _painter(options.model, options.checkers)
    from engine.offline.paint import paint

    paint(wanted, options.out, painter, apart=options.jobs is not None)


def _orders(options: argparse.Namespace) -> list[Order]:
    names = set(Order.__struct_fields__) - {"id"}
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.jobs is None:
        return [_order(given)]
    if given:
        raise BadUsage(f"With --jobs, {sorted(given)[0]} belongs into the file's lines.")
    try:
        return orders(options.jobs.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadUsage(f"The jobs {options.jobs} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadUsage(f"The jobs {options.jobs} are no UTF-8 text.") from error


def _order(given: dict[str, Any]) -> Order:
    if "prompt" not in given:
        raise BadUsage("Say what to paint: a prompt, or --jobs FILE.")
    try:
        return msgspec.convert({"id": "one"} | given, Order)
    except (msgspec.ValidationError, ValueError) as error:
        raise BadUsage(str(error)) from error


def _painter(name: str | None, checkers: str | None) -> "Painter":
    """Everything heavy happens here: torch, diffusers, the weights."""

    def ready() -> "Painter":
        model = _load(name, checkers)
        from engine.core.engine_core import Painter
        from engine.core.postprocess import Finisher
        from engine.pipeline import preview

        preview.fitted(model)  # now, not when the first job waits for it
        painter = Painter([model], Finisher())
        painter.warm()
        return painter

    return _with_parts(ready)


def _load(name: str | None, checkers: str | None = None) -> "PaintModel":
    machine = _machine()
    from engine import safety, weights
    from engine.models import registry

    default = CUDA_MODEL if machine.device.type == "cuda" else weights.STARTER
    chosen = safety.names(checkers or os.environ.get("IMAGINE_CHECKERS") or safety.OWN)
    return registry.load(name or os.environ.get("IMAGINE_MODEL") or default, machine, chosen)


def _random(architecture: str) -> "PaintModel":
    machine = _machine()
    from engine.bench.architectures import ARCHITECTURES

    return ARCHITECTURES[architecture](machine)


def _machine() -> "Hardware":
    # Read when torch is loaded: a thread that waits for the others must not spin, or whatever
    # else wants the cores (the bot, a game) makes painting many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from engine import device

    _quiet()
    return device.prepare()


def _with_parts(load: Callable[[], T]) -> T:
    try:
        return load()
    except ModuleNotFoundError as error:
        raise PartsMissing(
            f"The engine needs the package {error.name}: install it with "
            "`pip install imagine-bot[engine]`."
        ) from error


def _quiet() -> None:
    """Keep the libraries' chatter and progress bars out of the log."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    # For good: what `warnings.catch_warnings` does in one thread, it does to all of them.
    warnings.filterwarnings("ignore", "Converting a tensor to a Python")  # torch, of recordings
    warnings.filterwarnings("ignore", module="PIL")  # damaged EXIF; sizes that we refuse
    for library in (of_diffusers, of_transformers):
        library.set_verbosity(logging.CRITICAL)
        library.disable_progress_bar()


def _leave(code: int) -> NoReturn:
    """End the process, at once if a forward pass is still under way: nothing else could end it, and
    Python must not be taken away below it."""
    threads = [each for each in threading.enumerate() if each.name.startswith(_AT_WORK)]
    for thread in threads:
        thread.join(_LAST_SECONDS)
    busy = [thread.name for thread in threads if thread.is_alive()]
    if not busy:
        sys.exit(code)
    log.warning("left in the middle of work: %s", ", ".join(busy))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
