"""The program in the sandbox: one untrusted file on standard input, one answer on standard output.

It takes its own limits upon itself before it reads the first byte of the file.
"""

import contextlib
import faulthandler
import os
import select
import signal
import sys
from typing import Final

from bot.attachments.image_decoder import decode

FRAME: Final = 4
"""Bytes of the file's length, which is said first: standard input stays open."""
LIFELINE: Final = "LIFELINE"
"""The environment's name for the pipe that ends when the bot does."""
_FILES: Final = 16
_GRACE_SECONDS: Final = 5
"""How long after its time by the clock the program ends itself, if nobody else has ended it."""


def main(arguments: list[str]) -> None:
    """Decode a file with at most this much address space in bytes, and these seconds of the
    processor's time and of the clock's."""
    memory, processor, clock = map(int, arguments)
    if sys.platform == "win32":
        faulthandler.dump_traceback_later(clock + _GRACE_SECONDS, exit=True)
    else:
        _limit(memory, processor)
        _end_in(clock + _GRACE_SECONDS)
        _end_with_the_bot(int(os.environ[LIFELINE]))
    data = _received()
    sys.stdout.buffer.write(decode(data).packed())
    sys.stdout.buffer.flush()


def _received() -> bytes:
    size = int.from_bytes(sys.stdin.buffer.read(FRAME))
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        sys.exit("The file did not come to its end.")
    return data


if sys.platform != "win32":
    import fcntl
    import resource

    def _limit(memory: int, processor: int) -> None:
        """No file is written, no core dumped, and no program started but by root."""
        _lower(resource.RLIMIT_FSIZE, 0)
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_NOFILE, _FILES)
        _lower(resource.RLIMIT_NPROC, 0)
        _lower(resource.RLIMIT_CPU, processor, processor + 1)  # so that SIGXCPU comes first
        with contextlib.suppress(ValueError):  # macOS knows this limit, and takes none
            _lower(resource.RLIMIT_AS, memory)

    def _lower(limit: int, soft: int, hard: int | None = None) -> None:
        """Limits that are lower already stay as they are."""
        before = resource.getrlimit(limit)[1]
        hard = soft if hard is None else hard
        if before != resource.RLIM_INFINITY:
            soft, hard = min(soft, before), min(hard, before)
        resource.setrlimit(limit, (soft, hard))

    def _end_in(seconds: int) -> None:
        """By a signal (SIGALRM): a thread of its own would take address space, and not always."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)

    def _end_with_the_bot(lifeline: int) -> None:
        """Have the system end us (SIGIO) when the bot closes its end, as it does by dying.

        Nothing is ever written to this pipe: of a pipe with data the signal may come after they
        were read, and end us for nothing.
        """
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:  # it was closed before
            sys.exit("Nobody waits for the answer.")
