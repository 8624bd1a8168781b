"""The distribution of the tests among the workers of pytest-xdist."""

import os
from pathlib import PurePosixPath
from typing import Final

from xdist.scheduler import LoadFileScheduling

from tests.markers import PROCESS_FILES

MAX_WORKERS: Final = 4
"""Each worker that computes with torch needs up to 1 GiB."""


def count() -> int:
    """One worker more than the cores that this process may use, up to MAX_WORKERS.

    Tests of whole bots mostly wait, and leave their core to others meanwhile.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores + 1, MAX_WORKERS)


class FileScheduling(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Runs each file on one worker, and all files of PROCESS_FILES on the same worker.

    Tests that start processes thus do not compete with each other.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "process" if PurePosixPath(file).name in PROCESS_FILES else file
