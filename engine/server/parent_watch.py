"""Exit when the parent process exits. Imports only fast modules, so that the watch starts early."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from typing import Final

_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG, see `man 2 prctl`."""


def exit_with_parent() -> None:
    """Exit this process as soon as standard input reaches its end: the parent has exited.

    There is no state to save, so the exit is immediate. On Linux the kernel also kills the process,
    even if it is stopped or hangs.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)

    def watch() -> None:
        # Not sys.stdin: a thread blocked in its read holds a lock that a normal exit needs.
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()
