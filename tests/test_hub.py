"""Downloads from the hub: their files, their log lines, and one sentence for each error."""

import errno
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest
from huggingface_hub import constants

from engine.errors import EngineError, ModelGated, ModelNotFound, StorageFailed, storage_error
from engine.weights import hub as downloads
from engine.weights.hub import format_bytes
from engine.weights.model_files import find_model_files
from engine.weights.variants import choose_variant, with_one_variant
from tests import tiny_model

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def complete_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model folder."""
    return tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")


class BrokenHub(ThreadingHTTPServer):
    """A hub that gives every request the same response."""

    def __init__(self, status: int, code: str = "", promised: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = status
        self.code = code
        self.promised = promised
        self.tokens: list[str | None] = []


class Answer(BaseHTTPRequestHandler):
    """Answers requests with the response of the hub."""

    server: BrokenHub

    def do_GET(self) -> None:
        """Send the response, and record the token of the request."""
        self.server.tokens.append(self.headers.get("authorization"))
        self.send_response(self.server.status)
        self.send_header("X-Error-Code", self.server.code)
        self.send_header("Content-Length", str(self.server.promised))
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@contextmanager
def answering(
    hub: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> Iterator[None]:
    """Make huggingface_hub use this hub, with an empty cache."""
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_test")
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    with hub:
        try:
            yield
        finally:
            hub.shutdown()
    thread.join()


@pytest.mark.parametrize(
    ("status", "code", "error", "reason"),
    [
        (403, "GatedRepo", ModelGated, "set HF_TOKEN"),
        (401, "GatedRepo", ModelGated, "accept its terms"),
        (401, "RepoNotFound", ModelNotFound, "no model a/b"),
        (404, "RepoNotFound", ModelNotFound, "no model a/b"),
        (403, "", ModelGated, "check HF_TOKEN"),
        (503, "", ModelNotFound, "cannot be reached"),
    ],
)
def test_an_error_of_the_hub_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    code: str,
    error: type[EngineError],
    reason: str,
) -> None:
    """A gated, an unknown and an unreachable model have different sentences; requests carry the
    token."""
    hub = BrokenHub(status, code)
    with answering(hub, monkeypatch, tmp_path), pytest.raises(error, match=reason):
        find_model_files("a/b")
    assert "Bearer hf_of_this_test" in hub.tokens


def test_a_broken_download_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For a truncated response, the HTTP library raises an error of its own."""
    hub = BrokenHub(200, promised=100)
    with (
        answering(hub, monkeypatch, tmp_path),
        pytest.raises(ModelNotFound, match="be reached"),
    ):
        find_model_files("a/b")


def test_a_cached_snapshot_needs_no_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complete_model: Path
) -> None:
    """If the hub cannot be reached, the cached snapshot is used, and its commit is the revision."""
    cached = tmp_path / "models--a--b"
    shutil.copytree(complete_model, cached / "snapshots" / COMMIT)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(COMMIT)
    with answering(BrokenHub(503), monkeypatch, tmp_path):
        files = find_model_files("a/b")
    assert files.revision == COMMIT
    assert files.family == "StableDiffusionPipeline"


class ServingHub(ThreadingHTTPServer):
    """A hub that serves the files of a folder as the repository a/b; it waits before each file."""

    def __init__(self, folder: Path, delay: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), FileAnswer)
        self.folder = folder
        self.delay = delay
        self.served: list[str] = []

    @property
    def paths(self) -> list[str]:
        """The paths of all files, relative to the folder."""
        files = (file for file in self.folder.rglob("*") if file.is_file())
        return sorted(file.relative_to(self.folder).as_posix() for file in files)


class FileAnswer(BaseHTTPRequestHandler):
    """The part of the hub's API that downloads use (https://huggingface.co/docs/hub/api)."""

    server: ServingHub

    def do_GET(self) -> None:
        """Send a list of files, or a file."""
        path = self.path.split("?")[0]
        sizes = {name: (self.server.folder / name).stat().st_size for name in self.server.paths}
        if path.startswith("/api/models/a/b/tree/"):
            self._send_json(
                [
                    {"type": "file", "path": name, "size": size, "oid": name}
                    for name, size in sizes.items()
                ]
            )
        elif path.startswith("/api/models/a/b"):
            siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
            self._send_json({"id": "a/b", "sha": COMMIT, "siblings": siblings})
        else:
            self._send_file(path.removeprefix(f"/a/b/resolve/{COMMIT}/"))

    do_HEAD = do_GET

    def _send_json(self, value: object) -> None:
        self._send(json.dumps(value).encode(), "list")

    def _send_file(self, name: str) -> None:
        if self.command == "GET":
            time.sleep(self.server.delay)
            self.server.served.append(name)
        self._send((self.server.folder / name).read_bytes(), name)

    def _send(self, body: bytes, tag: str) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{tag.encode().hex()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@pytest.mark.parametrize("prefer_fp16", [False, True])
def test_one_variant_of_the_weights_is_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complete_model: Path, prefer_fp16: bool
) -> None:
    """If a folder has only another variant, that is downloaded."""
    folder = tmp_path / "hub"
    shutil.copytree(complete_model, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    for variant in ("fp16", "non_ema"):
        shutil.copy(weights, weights.with_suffix(f".{variant}.safetensors"))
    vae = folder / "vae" / "diffusion_pytorch_model.safetensors"
    vae.rename(vae.with_suffix(".fp16.safetensors"))
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    hub = ServingHub(folder)
    with answering(hub, monkeypatch, tmp_path / "cache"):
        files = find_model_files("a/b", prefer_fp16=prefer_fp16)
    chosen = ".fp16" if prefer_fp16 else ""
    served = [name for name in hub.served if name.startswith(("unet", "vae"))]
    assert sorted(name for name in served if not name.endswith(".json")) == [
        f"unet/diffusion_pytorch_model{chosen}.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    ]
    assert files.revision == COMMIT
    assert files.variant(files.folder / "vae") == "fp16"


def test_the_log_says_what_is_downloaded(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    complete_model: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """There is a line at the start, every few seconds and at the end; none for cached files."""
    monkeypatch.setattr(downloads, "PROGRESS_SECONDS", 0.05)
    caplog.set_level(logging.INFO, "engine")
    cache = tmp_path / "cache"
    with answering(ServingHub(complete_model, delay=0.2), monkeypatch, cache):
        find_model_files("a/b")
        messages = [text for name, _, text in caplog.record_tuples if name.startswith("engine")]
        caplog.clear()
        find_model_files("a/b")
    assert not [name for name in caplog.record_tuples if name[0].startswith("engine")]
    size = sum(file.stat().st_size for file in complete_model.rglob("*") if file.is_file())
    assert messages[0].startswith("downloading a/b: ")
    assert f", {format_bytes(size)}, to {cache / 'models--a--b'}" in messages[0]
    assert messages[1].startswith("downloading a/b: ")
    assert messages[1].endswith("B/s")
    assert " %, " in messages[1]
    assert messages[-1].startswith("downloaded a/b in ")


def test_a_folder_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complete_model: Path
) -> None:
    """In the test, a file has the path of the cache. The sentence contains the size of the
    download."""
    cache = tmp_path / "cache"
    cache.write_text("in the way")
    with (
        answering(ServingHub(complete_model), monkeypatch, cache),
        pytest.raises(StorageFailed, match=f"(File exists|Not a directory): {cache}.* it takes"),
    ):
        find_model_files("a/b")


def test_a_full_disk_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complete_model: Path
) -> None:
    """The sentence has the needed and the free bytes. A limit of the file size replaces that of the
    disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with answering(ServingHub(complete_model), monkeypatch, tmp_path / "cache"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        try:
            with pytest.raises(StorageFailed, match=r"File too large: .*takes .* are free"):
                find_model_files("a/b")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


_ON_A_SMALL_DISK: Final = """
import sys
from engine.errors import EngineError
from engine.weights.model_files import find_model_files

try:
    find_model_files("a/b")
except EngineError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def test_a_disk_that_fills_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complete_model: Path
) -> None:
    """A file system of 64 KiB, which only the process of the download sees."""
    mount = f'mount -t tmpfs -o size=64k none "{tmp_path}"'
    unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, mount]).returncode:
        pytest.skip("no file system can be mounted here")
    with answering(ServingHub(complete_model), monkeypatch, tmp_path / "cache"):
        environment = os.environ | {"HF_ENDPOINT": constants.ENDPOINT, "HF_HOME": str(tmp_path)}
        download = subprocess.run(
            [*unshare, f'{mount} && exec "$0" -c "$1"', sys.executable, _ON_A_SMALL_DISK],
            env=environment,
            capture_output=True,
            text=True,
        )
    [sentence] = download.stderr.splitlines()[-1:]
    assert re.match(
        r"StorageFailed: The model a/b cannot be stored: No space left on device: .*; it takes .*, "
        r".* are free\. HF_HOME sets the folder of downloaded models\.$",
        sentence,
    ), download.stderr


@pytest.mark.parametrize(
    ("error", "is_storage"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (PermissionError(errno.EACCES, "Permission denied", "/cache"), True),
        (PermissionError(errno.EACCES, "Permission denied"), False),  # of a firewall
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), False),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), False),
        (TimeoutError(), False),
        (OSError("no errno"), False),
        (ValueError("something else"), False),
    ],
)
def test_errors_of_the_disk_are_not_taken_for_those_of_the_network(
    error: Exception, is_storage: bool
) -> None:
    """Errors of both kinds are OSErrors."""
    assert (storage_error(error) is error) == is_storage
    wrapper = RuntimeError("wrapped")
    wrapper.__cause__ = error
    assert (storage_error(wrapper) is error) == is_storage


def test_an_error_of_hf_xet_is_one_of_the_disk() -> None:
    """hf_xet is written in Rust, and its message contains the errno."""
    error = RuntimeError("IO Error: No space left on device (os error 28)")
    failure = downloads._storage_failed("a/b", error, Path("/cache"), None)
    assert "No space left on device: /cache" in str(failure)


@pytest.mark.parametrize(
    ("files", "full", "half"),
    [
        (["model.safetensors", "model.fp16.safetensors"], "", "fp16"),
        (["model.safetensors", "model.non_ema.safetensors"], "", ""),
        (["model.fp16-00001-of-00002.safetensors", "config.json"], "fp16", "fp16"),
        (["model-00001-of-00002.fp16.safetensors"], "fp16", "fp16"),
        (["diffusion_pytorch_model.bf16.safetensors"], "bf16", "bf16"),
        (["model.safetensors.index.fp16.json"], "fp16", "fp16"),
        (["model.safetensors.index.json", "model-00001-of-00002.safetensors"], "", ""),
        (["config.json", "model.bin"], None, None),
    ],
)
def test_a_variant_is_chosen_by_the_names_of_files(
    files: list[str], full: str | None, half: str | None
) -> None:
    """The full weights are chosen, unless fp16 is preferred or is the only variant."""
    assert choose_variant(files, prefer_fp16=False) == full
    assert choose_variant(files, prefer_fp16=True) == half


def test_files_without_weights_are_of_every_variant() -> None:
    """The variant is chosen for each folder separately."""
    paths = [
        "a/model.safetensors",
        "a/model.fp16.safetensors",
        "a/config.json",
        "b/model.fp16.safetensors",
    ]
    assert with_one_variant(paths, prefer_fp16=False) == [paths[0], *paths[2:]]
    assert with_one_variant(paths, prefer_fp16=True) == paths[1:]


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 B"), (34_500, "34.5 kB"), (1e6, "1.0 MB"), (5.13e9, "5.1 GB")]
)
def test_bytes_have_a_unit(count: float, text: str) -> None:
    """Units are decimal, as for disks."""
    assert format_bytes(count) == text
