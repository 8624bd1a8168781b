"""Forward the log of this machine's replicas and gateway to the standard error of `up`.

Ray writes what its workers print to files of their own; of these only the lines of our log are
forwarded, because Ray's own messages are many and stay in the files.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.log.logfmt import parse

_SECONDS: Final = 0.5
"""Between two looks at the files."""
_FILES: Final = "worker-*.err"


class LogFollower:
    """Reads the lines that are added to the workers' files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def new_lines(self) -> Iterator[str]:
        """The lines of our log since the last call, file by file; an unfinished line is left."""
        for file in sorted(self._folder.glob(_FILES)):
            try:
                with file.open("rb") as lines:
                    lines.seek(self._offsets.get(file, 0))
                    data = lines.read()
            except OSError:  # Ray has removed it
                continue
            finished = data[: data.rfind(b"\n") + 1]
            self._offsets[file] = self._offsets.get(file, 0) + len(finished)
            for line in finished.decode(errors="replace").splitlines():
                if parse(line) is not None:
                    yield line


@contextmanager
def forwarded_logs(folder: Path) -> Iterator[None]:
    """Forward while the body runs, and once more at its end."""
    follower, stop = LogFollower(folder), threading.Event()

    def forward() -> None:
        for line in follower.new_lines():
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def run() -> None:
        while not stop.wait(_SECONDS):
            forward()

    thread = threading.Thread(target=run, name="log-follower", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        forward()
