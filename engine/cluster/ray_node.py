"""Run Ray on this machine as child processes, which end with this one however it ends."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import IO, Final

from engine.cluster.errors import ClusterUnreachable
from engine.cluster.log_follower import forwarded_logs
from engine.cluster.state import is_running
from engine.errors import EngineError, UsageError

OBJECT_STORE_BYTES: Final = 256 * 2**20
"""Shared memory for pictures on their way from replicas to the gateway."""
_STOP_SECONDS: Final = 8.0
_CONNECT_SECONDS: Final = 5.0
_ADDRESS: Final = re.compile(r"ray start --address='([^']+)'")
_TRIES: Final = 3
_SAME_PORT: Final = "same port"
_READY: Final = "block forever"
_ROOT: Final = Path(__file__).parents[2]
"""Where Ray's processes find this package."""
_FOLDER_PREFIX: Final = "imagine-ray-"
_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG, see `man 2 prctl`."""


class RayNode:
    """A machine's Ray processes, from `start_head` or `join`."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.address = address
        """`HOST:PORT` of the control store, which further nodes join."""
        self._process = process

    def wait(self) -> None:
        """Wait until they end by themselves, which is a failure. Raises EngineError."""
        code = self._process.wait()
        raise EngineError(f"Ray ended with exit code {code}; its logs in /tmp/ray say why.")


@contextmanager
def start_head(
    token: str,
    *,
    port: int = 0,
    cpus: int | None = None,
    gpus: int | None = None,
    host: str | None = None,
) -> Iterator[RayNode]:
    """Start a cluster of one node, and stop it on exit.

    Port 0 means any free one; without numbers of CPUs and GPUs Ray counts them. Raises EngineError.
    """

    def arguments() -> list[str]:
        # The server of Ray's client is not used, but it cannot be left out.
        ports = [f"--port={port or free_port()}", f"--ray-client-server-port={free_port()}"]
        options = _node_options(cpus, gpus, host)
        return ["--head", "--include-dashboard=false", f"--temp-dir={folder}", *ports, *options]

    _remove_old_folders()
    prefix = f"{_FOLDER_PREFIX}{os.getpid()}-"
    with (
        TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder,
        _run(arguments, token) as node,
        forwarded_logs(Path(folder) / "session_latest" / "logs"),
    ):
        yield node


@contextmanager
def join(
    address: str,
    token: str,
    *,
    cpus: int | None = None,
    gpus: int | None = None,
    host: str | None = None,
) -> Iterator[RayNode]:
    """Add this machine to the cluster whose control store has this address, until exit.

    Raises EngineError.
    """
    check_address(address)
    arguments = [f"--address={address}", *_node_options(cpus, gpus, host)]
    with _run(lambda: arguments, token) as node:
        node.address = address
        yield node


def check_address(address: str) -> None:
    """Raises ClusterUnreachable if nothing listens there: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UsageError(f"{address!r} is no address of a cluster; it must be HOST:PORT.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise ClusterUnreachable(
            f"No cluster answers at {address} ({error.strerror or error}). Start it there with "
            "`python -m engine cluster up`."
        ) from error


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ray_environment(token: str) -> dict[str, str]:
    """The variables that Ray's processes, and programs that connect to them, need."""
    paths = [str(_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "RAY_SERVE_LOG_TO_STDERR": "1",  # else Serve takes it from our log
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",  # of 0.1: 2 % of a core when idle
        "RAY_worker_niceness": "0",  # of 15: painting would yield to everything else
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
    }


def _node_options(cpus: int | None, gpus: int | None, host: str | None) -> list[str]:
    options = ["--block", "--disable-usage-stats", "--include-log-monitor=false"]
    options += [f"--object-store-memory={OBJECT_STORE_BYTES}", "--log-color=false"]
    options += [] if cpus is None else [f"--num-cpus={cpus}"]
    options += [] if gpus is None else [f"--num-gpus={gpus}"]
    return options + ([] if host is None else [f"--node-ip-address={host}"])


@contextmanager
def _run(arguments: Callable[[], Sequence[str]], token: str) -> Iterator[RayNode]:
    """`arguments` are made again if two of Ray's processes have chosen the same port."""
    for tries_left in reversed(range(_TRIES)):
        process = _spawn(arguments(), os.environ | ray_environment(token))
        try:
            address, lines = _read_start(process)
            if address is not None:
                threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()
                yield RayNode(process, address)
                return
        finally:
            _stop(process)
        if not tries_left or _SAME_PORT not in "".join(lines):
            raise EngineError(f"Ray did not start: {_reason(lines)}")


def _read_start(process: "subprocess.Popen[str]") -> tuple[str | None, list[str]]:
    """The address of a head node, or an empty text for another one; None if it did not start. Also
    the lines of its output."""
    address, lines = "", list[str]()
    for line in process.stdout or ():
        lines.append(line)
        if match := _ADDRESS.search(line):
            address = match[1]
        if _READY in line:
            return address, lines
    return None, lines


def _spawn(arguments: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Run `ray start` in a session of its own, so that Ctrl-C does not reach it."""
    return subprocess.Popen(  # noqa: S603 # Ray's own program, with options of the operator
        [sys.executable, "-m", "engine.cluster.ray_node", "start", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _stop(process: "subprocess.Popen[str]") -> None:
    """Ask Ray to stop, then kill what is left of its session."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _drain(output: IO[str]) -> None:
    for _ in output:
        pass


def _remove_old_folders() -> None:
    """Remove those of processes that were killed."""
    for folder in Path(gettempdir()).glob(f"{_FOLDER_PREFIX}*-*"):
        pid = folder.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        if pid.isdecimal() and not is_running(int(pid)) and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)


def _reason(lines: Sequence[str]) -> str:
    """The last line of Ray's output that says something."""
    if any("InvalidAuthToken" in line for line in lines):
        return (
            "the cluster has another token; set IMAGINE_ENGINE_TOKEN to that of its first machine."
        )
    texts = [re.sub(r"^\S+ \S+\s[A-Z]+ \S+ -- ", "", line).strip() for line in lines]
    return next((text for text in reversed(texts) if text), "it said nothing.")


def _ray_start() -> None:
    """Be `ray start`, and stop when the process that started this one ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
    from ray.scripts.scripts import main

    main()


if __name__ == "__main__":
    _ray_start()
