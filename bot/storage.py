"""The files of the record: finished pictures and cleaned sketches, in the data folder."""

import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from bot.errors import BotError


class FileMissing(BotError):
    """A file of the record is gone, or cannot be read."""


class FileStorage:
    """Writes so that a file is there wholly or not at all; slow, so not on the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save_picture(self, job: str, nth: int, png: bytes) -> str:
        """Keep a finished picture; returns its path relative to the data folder."""
        path = f"pictures/{job}/{nth}.png"
        self._write(path, png)
        return path

    def delete_pictures(self, job: str) -> None:
        """Forget the pictures of a job, if there are any."""
        shutil.rmtree(self._folder / "pictures" / job, ignore_errors=True)

    def delete_pictures_or_raise(self, job: str) -> None:
        """Forget the pictures of a job, or raise OSError."""
        folder = self._folder / "pictures" / job
        while folder.exists():
            with suppress(FileNotFoundError):  # of a file that somebody else was quicker to remove
                shutil.rmtree(folder)

    def delete_temp_files(self) -> None:
        """Remove what a process that was killed had not written to the end."""
        for scratch in self._folder.glob("*/**/*.tmp"):
            scratch.unlink(missing_ok=True)

    def save_source(self, png: bytes) -> str:
        """Keep a cleaned sketch; returns its name."""
        name = source_name(png)
        path = _source_path(name)
        if not (self._folder / path).exists():
            self._write(path, png)
        return name

    def delete_source(self, sha256: str) -> None:
        """Forget a sketch."""
        (self._folder / _source_path(sha256)).unlink(missing_ok=True)

    def picture(self, path: str) -> bytes:
        """The PNG at this path. Raises FileMissing."""
        return self._read(path, "The picture's file")

    def source(self, sha256: str) -> bytes:
        """The PNG of a sketch. Raises FileMissing."""
        return self._read(_source_path(sha256), "The sketch's file")

    def _read(self, path: str, what: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError as error:
            raise FileMissing(f"{what} is gone from the data folder.") from error
        except OSError as error:
            raise FileMissing(f"{what} cannot be read ({error.strerror}).") from error

    def _write(self, path: str, data: bytes) -> None:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(f".{secrets.token_hex(4)}.tmp")  # others may write it too
        try:
            with scratch.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(target)
        except OSError:
            scratch.unlink(missing_ok=True)
            raise


def source_name(png: bytes) -> str:
    """Of a cleaned sketch: its sha256 in hex."""
    return hashlib.sha256(png).hexdigest()


def _source_path(sha256: str) -> str:
    return f"sources/{sha256}.png"
