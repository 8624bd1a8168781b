"""Download snapshots of models from the Hugging Face hub into its cache; log the progress."""

import fnmatch
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import (
    EngineError,
    ModelGated,
    ModelNotFound,
    StorageFailed,
    causes,
    storage_error,
)
from engine.weights.variants import with_one_variant

PROGRESS_SECONDS: Final = 5.0
"""Time between two log lines about a download."""
_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")
"""The errno in a RuntimeError of hf_xet, which is written in Rust."""
log = logging.getLogger(__name__)


class _Listing(msgspec.Struct, frozen=True):
    """The files of a snapshot that are needed."""

    files: tuple[str, ...]
    missing: tuple[str, ...]
    """The files that are not in the cache."""
    size: int
    """Size of the missing files in bytes."""


def download_snapshot(name: str, patterns: Sequence[str], *, prefer_fp16: bool = False) -> Path:
    """Download the files of a repository that match; returns the folder of the snapshot.

    Cached files are not downloaded again. Of the weights, each folder gets one variant. If the hub
    cannot be reached, the newest cached snapshot is returned. Raises ModelNotFound, ModelGated or
    StorageFailed.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    cache, listing = _cache_folder(name), None
    try:
        listing = _list(name, patterns, prefer_fp16=prefer_fp16)
        if listing is None:
            return _cached_snapshot(name)
        with _progress(name, cache, listing):
            return Path(snapshot_download(name, allow_patterns=list(listing.files)))
    except HFValidationError as error:
        raise ModelNotFound(f"There is no folder {name}, and it is not a hub id.") from error
    except _download_errors() as error:
        failure = _storage_failed(name, error, cache, listing)
        raise failure or _hub_error(name, error) from error


def cached_snapshot(name: str) -> Path:
    """The folder of the newest cached snapshot. Raises ModelNotFound if there is none."""
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return _cached_snapshot(name)
    except HFValidationError as error:
        raise ModelNotFound(f"There is no folder {name}, and it is not a hub id.") from error
    except LocalEntryNotFoundError as error:
        raise ModelNotFound(
            f"The model {name} is not on this machine; it is downloaded when the engine starts "
            "with it."
        ) from error


def _list(name: str, patterns: Sequence[str], *, prefer_fp16: bool) -> _Listing | None:
    """The files of the newest snapshot; None if the hub sends no list, but a snapshot is cached."""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        info = HfApi().model_info(name, files_metadata=True)
    except HFValidationError:
        raise
    except _download_errors():
        _cached_snapshot(name)
        return None
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    matching = [
        path for path in sizes if any(fnmatch.fnmatch(path, pattern) for pattern in patterns)
    ]
    files = with_one_variant(matching, prefer_fp16=prefer_fp16)
    missing = [
        path
        for path in files
        if not isinstance(try_to_load_from_cache(name, path, revision=info.sha), str)
    ]
    return _Listing(tuple(files), tuple(missing), sum(sizes[path] for path in missing))


def _cached_snapshot(name: str) -> Path:
    """The folder of the newest cached snapshot. Raises LocalEntryNotFoundError if there is none."""
    from huggingface_hub import snapshot_download

    # No patterns, because without the hub's list the needed files are unknown.
    return Path(snapshot_download(name, local_files_only=True, allow_patterns=[]))


def _cache_folder(name: str) -> Path:
    """The folder in which huggingface_hub stores this repository
    (https://huggingface.co/docs/huggingface_hub/guides/manage-cache)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"


@contextmanager
def _progress(name: str, cache: Path, listing: _Listing) -> Iterator[None]:
    """Log the start and the end of a download in the block, and its progress in between."""
    if not listing.missing:
        yield
        return
    log.info(
        "downloading %s: %d files, %s, to %s",
        *(name, len(listing.missing), format_bytes(listing.size), cache),
    )
    start, done = time.monotonic(), threading.Event()
    reporter = threading.Thread(
        target=_report,
        args=(name, cache, listing.size, done),
        name="download-progress",
        daemon=True,
    )
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()
    log.info("downloaded %s in %.0f s", name, time.monotonic() - start)


def _report(name: str, cache: Path, size: int, done: threading.Event) -> None:
    before = current = stored_bytes(cache)
    while not done.wait(PROGRESS_SECONDS):
        previous, current = current, stored_bytes(cache)
        rate = (current - previous) / PROGRESS_SECONDS
        percent = 100 * min(1.0, (current - before) / max(size, 1))
        log.info("downloading %s: %.0f %%, %s/s", name, percent, format_bytes(max(rate, 0)))


def stored_bytes(folder: Path) -> int:
    """The size of all files in a folder, including incomplete downloads, but not links."""
    total = 0
    for parent, _, files in os.walk(folder):
        for file in files:
            try:
                path = Path(parent, file)
                total += 0 if path.is_symlink() else path.stat().st_size
            except OSError:  # the file was renamed
                continue
    return total


def format_bytes(count: float) -> str:
    """The number of bytes with a unit, such as "3.4 GB"."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _download_errors() -> tuple[type[Exception], ...]:
    """The exceptions of a failed download, including those of huggingface_hub's HTTP library.

    That library depends on the version. A proxy that needs another package causes ImportError,
    hf_xet raises RuntimeError, and a response that is not JSON causes ValueError.
    """
    from huggingface_hub.errors import HfHubHTTPError

    bases = [base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)]
    return (*bases, OSError, ImportError, RuntimeError, ValueError)


def _storage_failed(
    name: str, error: Exception, cache: Path, listing: _Listing | None
) -> StorageFailed | None:
    """The StorageFailed for an error of the disk; None for other errors."""
    cause = storage_error(error) or _rust_error(error)
    if cause is None:
        return None
    sentence = f"The model {name} cannot be stored: {cause.strerror}: {cause.filename or cache}"
    if listing is not None and listing.size:
        needed, free = format_bytes(listing.size), _free_bytes(cache)
        sentence += f"; it takes {needed}"
        sentence += "" if free is None else f", {format_bytes(free)} are free"
    return StorageFailed(f"{sentence}. HF_HOME sets the folder of downloaded models.")


def _rust_error(error: Exception) -> OSError | None:
    for cause in causes(error):
        match = _OS_ERROR.search(str(cause)) if isinstance(cause, RuntimeError) else None
        if match:
            code = int(match[1])
            return storage_error(OSError(code, os.strerror(code), None))
    return None


def _free_bytes(folder: Path) -> int | None:
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:  # it does not exist yet
            continue
    return None


def _hub_error(name: str, error: Exception) -> EngineError:
    """The hub's error as an EngineError with a sentence for the operator."""
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    types = [type(cause) for cause in causes(error)]
    if GatedRepoError in types:
        return ModelGated(
            f"The model {name} is gated: accept its terms at https://huggingface.co/{name} and set "
            "HF_TOKEN to a token of that account."
        )
    if RepositoryNotFoundError in types:
        return ModelNotFound(
            f"The hub has no model {name} for this account: check the name, or set HF_TOKEN if it "
            "is private."
        )
    status = next((code for code in map(_status, causes(error)) if code), None)
    if status in (401, 403):
        return ModelGated(f"The hub refuses access to the model {name}: check HF_TOKEN.")
    if LocalEntryNotFoundError in types or status is None:
        return ModelNotFound(
            f"The model {name} is not on this machine, and the hub cannot be reached."
        )
    return ModelNotFound(f"The hub did not serve the model {name}: it answered status {status}.")


def _status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
