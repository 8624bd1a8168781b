"""The command line of the engine: `python -m engine {serve,paint,models,bench}`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from engine.bench.cli import ARCHITECTURES, BACKENDS, CHECKED_JOBS, SUITES, bench_command
from engine.cluster.cli import add_cluster
from engine.contract import DEFAULT_COUNT, Backend, Sampler
from engine.core.process import exit_process
from engine.errors import EngineError, ExitCode, UsageError
from engine.log.environment import configure_from_environment
from engine.offline.cli import paint_command
from engine.offline.model_list import models_command
from engine.server.cli import serve_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is one of `engine.errors.ExitCode`."""
    configure_from_environment()
    try:
        options = _parser().parse_args(arguments)
        options.command(options)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
    return ExitCode.DONE


_MODELS_HELP: Final = (
    "`starter`, diffusers folders, checkpoints (.safetensors) or hub ids, with commas between "
    "them; the first is the default"
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m engine", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_serve(commands.add_parser("serve", help="paint jobs that arrive on a local socket"))
    _add_paint(commands.add_parser("paint", help="paint jobs into a folder"))
    _add_models(commands.add_parser("models", help="describe the models that are configured"))
    add_cluster(commands.add_parser("cluster", help="run replicas on many GPUs, by Ray Serve"))
    _add_bench(commands.add_parser("bench", help="measure the engine against diffusers"))
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1 (default: any free)")
    parser.add_argument("--model", help=_MODELS_HELP)
    _add_checkers(parser)
    parser.add_argument(
        "--parent", action="store_true", help="exit when standard input reaches its end"
    )
    parser.set_defaults(command=serve_command)


def _add_paint(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("prompt", nargs="?", help="what to paint; not needed with --control or --reference")
    add("--negative", help="what not to paint")
    add("--raw", action="store_true", default=None, help="brackets in prompts are words")
    add("--seed", type=int, help="seed of the first picture; the others have the next seeds")
    add("--count", type=int, help=f"number of pictures (default {DEFAULT_COUNT})")
    add("--steps", type=int)
    add("--guidance", type=float)
    add(
        "--clip-skip",
        type=int,
        help="layer of the text encoder that is used, counted from the last one (1) back",
    )
    add("--sampler", metavar="NAME", help=", ".join(Sampler))
    add("--width", type=int)
    add("--height", type=int)
    add("--sketch", metavar="FILE", help="an init image for img2img")
    add("--strength", type=float, help="share of the steps run on the sketch, above 0 and up to 1")
    _add_steering(parser)
    add(
        "--film",
        metavar="FILE",
        help="also write an MP4 of the first picture's steps; those of others get -1, -2, …",
    )
    add("--backend", metavar="NAME", help=", ".join(Backend))
    add("--upscale", type=int, choices=(2, 4), help="enlarge the pictures by this factor")
    add("--subseed", type=int)
    add(
        "--subseed-strength",
        type=float,
        help="position between the noise of --seed (0) and of --subseed (1)",
    )
    add(
        "--jobs",
        metavar="FILE",
        type=Path,
        help="a file with one job per line, each a JSON object; instead of a prompt",
    )
    add(
        "--recipes",
        metavar="FILE",
        type=Path,
        help="a `recipes.jsonl` whose pictures are painted again; instead of a prompt",
    )
    add(
        "--inputs",
        metavar="DIR",
        type=Path,
        help="the folder with the input images of --recipes, such as the sketches",
    )
    add("--model", help=_MODELS_HELP)
    _add_checkers(parser)
    add("--out", metavar="DIR", type=Path, required=True)
    parser.set_defaults(command=paint_command)


def _add_steering(parser: argparse.ArgumentParser) -> None:
    """Add the options of what steers pictures beside their prompts."""
    add = parser.add_argument
    add("--mask", metavar="FILE", help="what to repaint of the sketch: white is repainted")
    add(
        "--edit",
        action="store_true",
        default=None,
        help="the prompt is an instruction, such as `make it night`, to change the sketch",
    )
    add("--image-guidance", type=float, help="of an edit: how closely to keep to the sketch")
    add(
        "--control",
        action="append",
        metavar="KIND=FILE[:SCALE]",
        help="a control image, or a drawing of which it is made, such as scribble=cat.png; may be "
        "repeated",
    )
    add(
        "--reference",
        action="append",
        metavar="[ROLE=]FILE[:SCALE]",
        help="an image that is part of the prompt: its things and style (like=, the default), its "
        "style alone (style=), or mixed with the others (blend=); may be repeated",
    )
    add(
        "--lora",
        action="append",
        metavar="FILE[:SCALE]",
        help="a LoRA, or its name; may be repeated",
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help=_MODELS_HELP)
    parser.add_argument("--json", action="store_true", help="write JSON instead of a table")
    parser.set_defaults(command=models_command)


def _add_checkers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkers",
        metavar="NAMES",
        help="safety checkers, separated by commas: `model` for the model's own (the default), or "
        "folders and hub ids of classifiers",
    )


def _add_bench(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", help="`starter`, a diffusers folder, a checkpoint (.safetensors), or a hub id")
    add(
        "--weights", choices=["random"], help="measure --arch with random weights, without download"
    )
    add("--arch", choices=ARCHITECTURES, default="sd15", help="for --weights random")
    _add_loads(parser)
    add(
        "--against",
        metavar="CHECKOUT",
        type=Path,
        help="measure plain jobs in this checkout and in another one in turn, nothing else",
    )
    add(
        "--rounds",
        type=int,
        choices=range(1, 100),
        metavar="N",
        help="measure each load so often, in turn (default 1; of --against 5, --cluster 3)",
    )
    add(
        "--cluster",
        action="store_true",
        help="measure a cluster beside engines that are started by hand, nothing else",
    )
    add("--film", action="store_true", help="measure a picture with its film and without")
    add("--matrix", action="store_true", help="measure a 4 x 4 matrix and 16 plain pictures")
    add("--steering", action="store_true", help="measure pictures with LoRAs and controls")
    add("--few-steps", action="store_true", help="measure a grid of a distilled model and another")
    add("--ticks", action="store_true", help="measure only the forward pass of each row class")
    add("--upscale", action="store_true", help="measure only the upscaler")
    _add_suite(parser)
    add("--json", metavar="FILE", type=Path, help="also write the results to this file")
    parser.set_defaults(command=bench_command)


def _add_loads(parser: argparse.ArgumentParser) -> None:
    """Add the options of the comparison with diffusers."""
    add = parser.add_argument
    add(
        "--workloads",
        type=_workloads,
        default="A,B",
        help="A: uniform; B: mixed; C: A with SDXL (default A,B)",
    )
    add(
        "--backends",
        type=_backends,
        help=f"{','.join(BACKENDS)} (default: all; compiled only on a GPU)",
    )
    add(
        "--pictures",
        type=_numbers(int, 64),
        default="1,4",
        help="pictures per job (default 1,4)",
    )
    add(
        "--people",
        type=_numbers(int, 1000),
        default="1,2,4,8",
        help="concurrent jobs (default 1,2,4,8)",
    )
    add(
        "--rates",
        type=_numbers(float, 10),
        default=[],
        help="rates of Poisson arrivals, as shares of diffusers' throughput (default: none)",
    )
    add("--jobs", type=_numbers(int, 10_000), default="24", help="jobs per load (default 24)")
    check = parser.add_mutually_exclusive_group().add_argument
    check(
        "--check-all",
        dest="checked_jobs",
        action="store_const",
        const=None,
        default=CHECKED_JOBS,
        help=f"repeat all jobs alone to compare their bits, instead of about {CHECKED_JOBS}",
    )
    check("--no-check", dest="checked_jobs", action="store_const", const=0, help="repeat no jobs")


def _workloads(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set("ABC"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of A, B and C")
    return names


def _add_suite(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--suite", choices=SUITES, help="check correctness, speed and memory of this device")
    add(
        "--minutes",
        type=_numbers(float, 600),
        default="8",
        metavar="N",
        help="of --suite (default 8)",
    )
    add("--out", metavar="FILE", type=Path, default="suite.json", help="of --suite")
    add("--parts", type=_words, default="", help="only parts of --suite with one of these words")


def _words(text: str) -> list[str]:
    return text.split(",")


def _backends(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(BACKENDS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(BACKENDS)}")
    return names


def _numbers(parse: Callable[[str], float], largest: int) -> Callable[[str], list[float]]:
    def parse_numbers(text: str) -> list[float]:
        try:
            numbers = [parse(number) for number in text.split(",") if number]
        except ValueError:
            numbers = [0]
        if not numbers or not all(0 < number <= largest for number in numbers):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a list of numbers above 0 and up to {largest}, such as 1,4"
            )
        return numbers

    return parse_numbers


if __name__ == "__main__":
    exit_process(main())
