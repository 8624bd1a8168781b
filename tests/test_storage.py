"""Files in the data folder."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.storage import FileMissing, FileStorage


def test_a_picture_can_be_read_back(tmp_path: Path) -> None:
    """`save_picture` returns its path."""
    storage = FileStorage(tmp_path)
    path = storage.save_picture("j1", 2, b"bits")
    assert path == "pictures/j1/2.png"
    assert storage.picture(path) == b"bits"


def test_an_init_image_is_named_by_its_digest(tmp_path: Path) -> None:
    """Saving the same image twice makes one file."""
    storage = FileStorage(tmp_path)
    name = storage.save_source(b"bits")
    assert name == storage.save_source(b"bits") == hashlib.sha256(b"bits").hexdigest()
    assert storage.source(name) == b"bits"


def test_no_temporary_files_are_left(tmp_path: Path) -> None:
    """Only complete files with their final names exist."""
    FileStorage(tmp_path).save_picture("j1", 1, b"bits")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["1.png"]


def test_a_missing_file_raises_an_error(tmp_path: Path) -> None:
    """The error has a sentence for the user."""
    with pytest.raises(FileMissing, match="picture's file is gone"):
        FileStorage(tmp_path).picture("pictures/j1/1.png")
    with pytest.raises(FileMissing, match="file of an input picture is gone"):
        FileStorage(tmp_path).source("0" * 64)


def test_an_unreadable_file_raises_an_error(tmp_path: Path) -> None:
    """The error has the reason of the operating system."""
    (tmp_path / "pictures/j1/1.png").mkdir(parents=True)
    with pytest.raises(FileMissing, match=r"picture's file cannot be read \(Is a"):
        FileStorage(tmp_path).picture("pictures/j1/1.png")


def test_threads_can_save_the_same_init_image(tmp_path: Path) -> None:
    """Their temporary files have different names."""
    storage = FileStorage(tmp_path)
    for nth in range(20):
        data = bytes([nth]) * 100_000
        with ThreadPoolExecutor(8) as threads:
            (name,) = set(threads.map(storage.save_source, [data] * 8))
        assert storage.source(name) == data
    assert not list(tmp_path.rglob("*.tmp"))


def test_leftover_temporary_files_are_deleted(tmp_path: Path) -> None:
    """Complete files stay."""
    storage = FileStorage(tmp_path)
    storage.save_picture("j1", 1, b"bits")
    name = storage.save_source(b"bits")
    for temp in (tmp_path / "pictures/j1/2.0a1b.tmp", tmp_path / "sources/x.0a1b.tmp"):
        temp.write_bytes(b"bi")
    storage.delete_temp_files()
    assert not list(tmp_path.rglob("*.tmp"))
    assert storage.picture("pictures/j1/1.png") == storage.source(name) == b"bits"


def test_the_pictures_of_a_job_can_be_deleted(tmp_path: Path) -> None:
    """Those of other jobs stay; it is no error if there are none."""
    storage = FileStorage(tmp_path)
    for job in ("j1", "j2"):
        storage.save_picture(job, 1, b"bits")
    storage.delete_pictures("j1")
    storage.delete_pictures("j3")
    assert [path.parent.name for path in tmp_path.rglob("*.png")] == ["j2"]
