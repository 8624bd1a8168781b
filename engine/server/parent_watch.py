"""An engine that was started by a bot ends with it. Imports nothing slow: it comes first."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from typing import Final

_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG, see `man 2 prctl`."""


def end_with_parent() -> None:
    """End this process as soon as standard input does: its parent is gone.

    The engine keeps nothing that must be saved, so it ends on the spot, whatever it is doing. Where
    the system can (Linux), it ends it also while it is stopped, and reads nothing.
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
