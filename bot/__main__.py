"""The command line: `python -m bot`, and `python -m bot replay PICTURE_ID`."""

import argparse
import asyncio
import functools
import logging
import signal
import sys
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bot.app import run, start_engine
from bot.errors import BotError, ExitCode, FatalError
from bot.services.replay import replay
from bot.settings import Settings, load
from engine import log as logs
from engine.log.redaction import disable_core_dumps, register_secret

log = logging.getLogger(__name__)

_THREADS: Final = 4
"""For files and grids; more threads would need more memory."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns one of `bot.errors.ExitCode`."""
    options = _parser().parse_args(arguments)
    disable_core_dumps()
    logs.configure("bot")
    try:
        settings = load()
    except FatalError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit
    _configure_log(settings)
    try:
        return asyncio.run(_command(options, settings))
    except FatalError as error:
        return _report(error, error.exit, settings)
    except BotError as error:
        return _report(error, ExitCode.CRASHED, settings)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    except Exception:  # top level: an exit code and a line of the log for each error
        log.critical("crashed", exc_info=True, extra={"exit": ExitCode.CRASHED})
        return ExitCode.CRASHED


def _configure_log(settings: Settings) -> None:
    logs.configure(
        "bot",
        in_json=settings.imagine_log == "json",
        level=settings.imagine_log_level,
        prompts=settings.imagine_log_prompts,
    )
    for secret in (settings.discord_token, settings.hf_token, settings.imagine_engine_token):
        if secret is not None:
            register_secret(secret.get_secret_value())


def _report(error: BotError, code: ExitCode, settings: Settings) -> ExitCode:
    """Write the error as plain text to stderr, or to the log if that is JSON."""
    if settings.imagine_log == "json":
        log.critical("%s", error, extra={"exit": code})
    else:
        sys.stderr.write(f"{error}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    replay_parser = commands.add_parser(
        "replay", help="paint a stored picture again and compare the bits"
    )
    replay_parser.add_argument("picture", metavar="PICTURE_ID")
    replay_parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write the new picture to this file"
    )
    return parser


def _command(options: argparse.Namespace, settings: Settings) -> Coroutine[Any, Any, ExitCode]:
    if options.command == "replay":
        start = functools.partial(start_engine, settings)
        return replay(settings, options.picture, options.out, start)
    return _serve(settings)


async def _serve(settings: Settings) -> ExitCode:
    stop = asyncio.Event()
    _handle_signals(stop)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    await run(settings, stop)
    return ExitCode.STOPPED


def _handle_signals(stop: asyncio.Event) -> None:
    """The first signal sets `stop`; a second one kills the process."""
    loop = asyncio.get_running_loop()

    def handle(received: int, _: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop_for, received)

    def stop_for(number: int) -> None:
        log.info("Stopping after %s.", signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)  # unlike loop.add_signal_handler, this works on Windows too


if __name__ == "__main__":
    sys.exit(main())
