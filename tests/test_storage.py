"""The files of the record."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.storage import FileMissing, FileStorage


def test_a_picture_can_be_read_back(tmp_path: Path) -> None:
    """By the path that saving it gave."""
    archive = FileStorage(tmp_path)
    path = archive.save_picture("j1", 2, b"bits")
    assert path == "pictures/j1/2.png"
    assert archive.picture(path) == b"bits"


def test_a_sketch_is_named_by_its_content(tmp_path: Path) -> None:
    """The same sketch twice is one file."""
    archive = FileStorage(tmp_path)
    name = archive.save_source(b"bits")
    assert name == archive.save_source(b"bits") == hashlib.sha256(b"bits").hexdigest()
    assert archive.source(name) == b"bits"


def test_no_half_files_are_left(tmp_path: Path) -> None:
    """Only whole files with their final names are there."""
    FileStorage(tmp_path).save_picture("j1", 1, b"bits")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["1.png"]


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """In words for the person."""
    with pytest.raises(FileMissing, match="picture's file is gone"):
        FileStorage(tmp_path).picture("pictures/j1/1.png")
    with pytest.raises(FileMissing, match="sketch's file is gone"):
        FileStorage(tmp_path).source("0" * 64)


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    """With the system's reason."""
    (tmp_path / "pictures/j1/1.png").mkdir(parents=True)
    with pytest.raises(FileMissing, match=r"picture's file cannot be read \(Is a"):
        FileStorage(tmp_path).picture("pictures/j1/1.png")


def test_the_same_sketch_can_be_saved_by_many_at_once(tmp_path: Path) -> None:
    """Nobody's half file is in another's way."""
    archive = FileStorage(tmp_path)
    for nth in range(20):
        data = bytes([nth]) * 100_000
        with ThreadPoolExecutor(8) as threads:
            (name,) = set(threads.map(archive.save_source, [data] * 8))
        assert archive.source(name) == data
    assert not list(tmp_path.rglob("*.tmp"))


def test_what_was_not_written_to_the_end_goes_away(tmp_path: Path) -> None:
    """At the next start; whole files stay."""
    archive = FileStorage(tmp_path)
    archive.save_picture("j1", 1, b"bits")
    name = archive.save_source(b"bits")
    for half in (tmp_path / "pictures/j1/2.0a1b.tmp", tmp_path / "sources/x.0a1b.tmp"):
        half.write_bytes(b"bi")
    archive.delete_temp_files()
    assert not list(tmp_path.rglob("*.tmp"))
    assert archive.picture("pictures/j1/1.png") == archive.source(name) == b"bits"


def test_the_pictures_of_a_job_can_be_forgotten(tmp_path: Path) -> None:
    """Those of others stay; where there are none, nothing happens."""
    archive = FileStorage(tmp_path)
    for job in ("j1", "j2"):
        archive.save_picture(job, 1, b"bits")
    archive.delete_pictures("j1")
    archive.delete_pictures("j3")
    assert [path.parent.name for path in tmp_path.rglob("*.png")] == ["j2"]
