"""The program in the sandbox: decodes the file on standard input to standard output.

It sets its own resource limits before it reads the first byte of the file.
"""

import contextlib
import faulthandler
import os
import select
import signal
import sys
import warnings
from typing import Final

from engine.contract.images.decoder import decode

FRAME: Final = 4
"""Bytes of the length that precedes the file, because standard input stays open."""
LIFELINE: Final = "LIFELINE"
"""The environment variable with the file descriptor of the pipe that closes with the bot."""
_FILES: Final = 16
_GRACE_SECONDS: Final = 5
"""How long after its wall-clock limit the program exits, if the bot has not killed it."""


def main(arguments: list[str]) -> None:
    """Decode a file. The arguments are bytes of address space, CPU seconds and seconds."""
    memory_bytes, cpu_seconds, seconds = map(int, arguments)
    if sys.platform == "win32":
        faulthandler.dump_traceback_later(seconds + _GRACE_SECONDS, exit=True)
    else:
        _set_limits(memory_bytes, cpu_seconds)
        _exit_after(seconds + _GRACE_SECONDS)
        _exit_with_bot(int(os.environ[LIFELINE]))
    warnings.simplefilter("ignore")  # about oddities in the file
    data = _read_file()
    sys.stdout.buffer.write(decode(data).pack())
    sys.stdout.buffer.flush()


def _read_file() -> bytes:
    size = int.from_bytes(sys.stdin.buffer.read(FRAME))
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        sys.exit("The file is incomplete.")
    return data


if sys.platform != "win32":
    import fcntl
    import resource

    def _set_limits(memory_bytes: int, cpu_seconds: int) -> None:
        """Also forbid writing files, core dumps and (except for root) new processes."""
        _lower(resource.RLIMIT_FSIZE, 0)
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_NOFILE, _FILES)
        _lower(resource.RLIMIT_NPROC, 0)
        _lower(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)  # so that SIGXCPU comes first
        with contextlib.suppress(ValueError):  # macOS has this limit, but refuses any value
            _lower(resource.RLIMIT_AS, memory_bytes)

    def _lower(limit: int, soft: int, hard: int | None = None) -> None:
        """Set a limit, unless it is lower already."""
        hard_limit = resource.getrlimit(limit)[1]
        hard = soft if hard is None else hard
        if hard_limit != resource.RLIM_INFINITY:
            soft, hard = min(soft, hard_limit), min(hard, hard_limit)
        resource.setrlimit(limit, (soft, hard))

    def _exit_after(seconds: int) -> None:
        """Exit by SIGALRM, because a timer thread needs address space and could fail to start."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)

    def _exit_with_bot(lifeline: int) -> None:
        """Exit by SIGIO when the bot closes the other end of the pipe, as it does when it dies.

        The bot never writes to the pipe: data would raise the signal too.
        """
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:  # already closed
            sys.exit("The bot has ended.")
