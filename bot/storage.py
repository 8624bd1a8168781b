"""The files in the data folder: finished pictures and init images."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from bot.errors import BotError
from bot.i18n import _
from engine.contract import sha256

DISPLAY_FILE: Final = "display.png"


class FileMissing(BotError):
    """A stored file has been deleted or cannot be read."""


class FileStorage:
    """Reads, writes and deletes files. Writes are atomic. All methods block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save_picture(self, job_id: str, nth: int, png: bytes) -> str:
        """Write a finished picture; returns its path relative to the data folder."""
        path = _picture_path(job_id, nth)
        self._write(path, png)
        return path

    def delete_picture(self, job_id: str, nth: int) -> None:
        """Delete a picture of a job, if there is one, as far as possible."""
        with suppress(OSError):
            (self._folder / _picture_path(job_id, nth)).unlink()

    def save_artifact(self, job_id: str, nth: int, name: str, data: bytes) -> str:
        """Write a file of this name that belongs to a picture; returns its path relative to the
        data folder. It is deleted with the pictures of the job."""
        path = f"pictures/{job_id}/{nth}-{name}"
        self._write(path, data)
        return path

    def display_version(self, job_id: str, nth: int) -> bytes | None:
        """The enlarged version of a picture, which is shown in its place; None if there is none."""
        try:
            return (self._folder / f"pictures/{job_id}/{nth}-{DISPLAY_FILE}").read_bytes()
        except OSError:
            return None

    def has_display_version(self, job_id: str, nth: int) -> bool:
        """Whether a picture has an enlarged version."""
        return (self._folder / f"pictures/{job_id}/{nth}-{DISPLAY_FILE}").is_file()

    def delete_file(self, path: str) -> None:
        """Delete the file at this path, if there is one, as far as possible."""
        with suppress(OSError):
            (self._folder / path).unlink()

    def artifact(self, path: str) -> bytes:
        """The file at this path. Raises FileMissing."""
        return self._read(path, _("The film's file"))

    def delete_pictures(self, job_id: str) -> None:
        """Delete the pictures of a job as far as possible."""
        shutil.rmtree(self._folder / "pictures" / job_id, ignore_errors=True)

    def delete_pictures_or_raise(self, job_id: str) -> None:
        """Delete the pictures of a job. Raises OSError if any are left."""
        folder = self._folder / "pictures" / job_id
        while folder.exists():
            with suppress(FileNotFoundError):  # another thread may delete the same files
                shutil.rmtree(folder)

    def delete_temp_files(self) -> None:
        """Delete incomplete files of a process that was killed."""
        for path in self._folder.glob("*/**/*.tmp"):
            path.unlink(missing_ok=True)

    def save_source(self, png: bytes) -> str:
        """Write an init image; returns its sha256 in hex."""
        name = sha256(png)
        path = _source_path(name)
        if not (self._folder / path).exists():
            self._write(path, png)
        return name

    def delete_source(self, sha256: str) -> None:
        """Delete an init image, if it exists."""
        (self._folder / _source_path(sha256)).unlink(missing_ok=True)

    def picture(self, path: str) -> bytes:
        """The PNG at this path. Raises FileMissing."""
        return self._read(path, _("The picture's file"))

    def has_picture(self, path: str) -> bool:
        """Whether there is a file at this path, of any type."""
        file = self._folder / path
        return file.exists() and not file.is_dir()

    def source(self, sha256: str) -> bytes:
        """The PNG of an init image. Raises FileMissing."""
        return self._read(_source_path(sha256), _("The file of an input picture"))

    def has_source(self, sha256: str) -> bool:
        """Whether this init image is stored."""
        return (self._folder / _source_path(sha256)).is_file()

    def _read(self, path: str, subject: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError as error:
            raise FileMissing(
                _("{subject} is gone from the data folder.").format(subject=subject)
            ) from error
        except OSError as error:
            raise FileMissing(
                _("{subject} cannot be read ({error}).").format(
                    subject=subject, error=error.strerror
                )
            ) from error

    def _write(self, path: str, data: bytes) -> None:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temp = target.with_suffix(f".{secrets.token_hex(4)}.tmp")  # unique: threads may race
        try:
            with temp.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temp.replace(target)
        except OSError:
            temp.unlink(missing_ok=True)
            raise


def _picture_path(job_id: str, nth: int) -> str:
    return f"pictures/{job_id}/{nth}.png"


def _source_path(sha256: str) -> str:
    return f"sources/{sha256}.png"
