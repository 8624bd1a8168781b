"""The command line: `python -m bot` runs the bot, `python -m bot replay PICTURE_ID` proves one."""

import argparse
import asyncio
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
"""For files and grids; each that there is keeps some memory for itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code is one of `bot.errors.ExitCode`."""
    options = _parser().parse_args(arguments)
    disable_core_dumps()
    logs.configure("bot")
    try:
        settings = load()
    except FatalError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit
    _begin_log(settings)
    try:
        return asyncio.run(_chosen(options, settings))
    except FatalError as error:
        return _ended(error, error.exit, settings)
    except BotError as error:
        return _ended(error, ExitCode.CRASHED, settings)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    except Exception:
        log.critical("crashed", exc_info=True, extra={"exit": ExitCode.CRASHED})
        return ExitCode.CRASHED


def _begin_log(settings: Settings) -> None:
    logs.configure(
        "bot",
        in_json=settings.imagine_log == "json",
        level=settings.imagine_log_level,
        prompts=settings.imagine_log_prompts,
    )
    for secret in (settings.discord_token, settings.hf_token):
        if secret is not None:
            register_secret(secret.get_secret_value())


def _ended(error: BotError, code: ExitCode, settings: Settings) -> ExitCode:
    """Our last words: for the person at the terminal, unless machines read along."""
    if settings.imagine_log == "json":
        log.critical("%s", error, extra={"exit": code})
    else:
        sys.stderr.write(f"{error}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    again = commands.add_parser("replay", help="paint a picture of the record again and compare")
    again.add_argument("picture", metavar="PICTURE_ID")
    again.add_argument("--out", metavar="FILE", type=Path, help="keep what was painted")
    return parser


def _chosen(options: argparse.Namespace, settings: Settings) -> Coroutine[Any, Any, ExitCode]:
    if options.command == "replay":
        return replay(settings, options.picture, options.out, start_engine)
    return _serve(settings)


async def _serve(settings: Settings) -> ExitCode:
    stop = asyncio.Event()
    _listen_for_signals(stop)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    await run(settings, stop)
    return ExitCode.STOPPED


def _listen_for_signals(stop: asyncio.Event) -> None:
    """The first signal asks the bot to stop in order; a second one ends it at once."""
    loop = asyncio.get_running_loop()

    def heed(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heed)  # unlike loop.add_signal_handler, this works on Windows too


if __name__ == "__main__":
    sys.exit(main())
