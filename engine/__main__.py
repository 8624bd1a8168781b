"""The command line: `python -m engine serve` for the bot, `python -m engine paint` for people."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from engine import log
from engine.bench.cli import bench_command
from engine.contract import MAX_PICTURES, Sampler
from engine.core.process import leave
from engine.errors import EngineError, ExitCode, UsageError
from engine.log.redaction import register_secret
from engine.offline.cli import paint_command
from engine.server.cli import serve_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code is one of `engine.errors.ExitCode`."""
    _begin_log()
    try:
        options = _parser().parse_args(arguments)
        options.command(options)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
    return ExitCode.DONE


def _begin_log() -> None:
    chosen = os.environ.get
    log.configure(
        "engine",
        in_json=chosen("IMAGINE_LOG") == "json",
        level=chosen("IMAGINE_LOG_LEVEL") or "info",
        prompts=chosen("IMAGINE_LOG_PROMPTS") == "true",
    )
    for name in ("IMAGINE_ENGINE_TOKEN", "HF_TOKEN"):
        register_secret(chosen(name, ""))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


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
    parser.set_defaults(command=serve_command)


def _add_paint(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("prompt", nargs="?", help="what to paint")
    add("--negative", help="what not to paint")
    add("--seed", type=int, help="the first picture's; each further one has the next")
    add("--count", type=int, help=f"pictures, 1 to {MAX_PICTURES} (default {MAX_PICTURES})")
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
    parser.set_defaults(command=paint_command)


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
    add("--pictures", type=_numbers(int, MAX_PICTURES), default="1,4", help="in each job (1,4)")
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
    parser.set_defaults(command=bench_command)


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


if __name__ == "__main__":
    leave(main())
