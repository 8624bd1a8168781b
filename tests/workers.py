"""The distribution of the tests among the workers of pytest-xdist."""

import os
from pathlib import PurePosixPath
from typing import Final

from xdist.scheduler import LoadFileScheduling

from tests.markers import PROCESS_FILES, STORY_FILES

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
    """Runs each file on one worker, STORY_FILES on one, and the rest of PROCESS_FILES on another.

    So at most two tests that start processes compete with each other, and both workers are done
    with them at about the same time.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        name = PurePosixPath(file).name
        if name in STORY_FILES:
            return "stories"
        return "processes" if name in PROCESS_FILES else file
