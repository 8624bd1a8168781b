"""Exit with the parent process. Imports nothing slow, so that it can start first."""

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
    """Exit this process when standard input reaches its end, because the parent is gone.

    The engine has no state to save, so the exit is immediate. On Linux the kernel also kills the
    process, which works while it is stopped or hangs.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)

    def watch() -> None:
        # os.read: a thread blocked in sys.stdin would hold a lock that a clean exit needs.
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()
