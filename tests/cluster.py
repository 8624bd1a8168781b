"""A real cluster on this machine: two nodes of Ray, a replica of the engine core on each."""

import asyncio
import json
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import psutil
import pytest

from bot.engine_client.socket_client import Endpoint, SocketEngineClient
from engine.contract import Event, Heartbeat, ReplicaStatus
from tests.engine_wire import connect_authenticated

ROOT: Final = Path(__file__).parents[1]
START_SECONDS: Final = 240.0
"""For a command, on a machine that runs other tests too."""
STOP_SECONDS: Final = 60.0
RECOVERY_SECONDS: Final = 240.0
"""Longer than any recovery takes."""
_POLL_SECONDS: Final = 0.05
_ADDRESS: Final = re.compile(r"([\w.]+):(\d+)")
needs_ray = pytest.mark.skipif(
    find_spec("ray") is None and "CI" not in os.environ,
    reason="Ray is not installed (pip install imagine-bot[cluster])",
)
"""Skips the test if Ray is not installed; in CI it runs, and fails."""


class Finished(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    error: str

    @property
    def reason(self) -> str:
        """The last line of its standard error."""
        return self.error.strip().splitlines()[-1] if self.error.strip() else ""


async def until(
    condition: Callable[[], object], why: str, seconds: float = RECOVERY_SECONDS
) -> float:
    """Wait for a condition by polling; returns the seconds that it took."""
    started_at = time.monotonic()
    while not condition():
        waited = time.monotonic() - started_at
        assert waited < seconds, f"After {waited:.0f} s it is not true that {why}."
        await asyncio.sleep(_POLL_SECONDS)
    return time.monotonic() - started_at


class Cluster:
    """Its commands run with a state file and a token of their own."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = model
        self.token = secrets.token_urlsafe(16)
        self.head: asyncio.subprocess.Process | None = None
        self.second: asyncio.subprocess.Process | None = None
        self._processes: set[psutil.Process] = set()
        self.variables = {
            **os.environ,
            "IMAGINE_CLUSTER_STATE": str(folder / "state" / "cluster.json"),
            "IMAGINE_ENGINE_TOKEN": self.token,
            "IMAGINE_CPU_BACKEND": "torch",
            "IMAGINE_MODEL": str(model),
        }

    @property
    def state(self) -> dict[str, Any]:
        """The content of the state file; empty without one."""
        with suppress(FileNotFoundError):
            state: dict[str, Any] = json.loads((self.folder / "state/cluster.json").read_bytes())
            return state
        return {}

    @property
    def endpoint(self) -> Endpoint:
        """The address of the gateway."""
        match = _ADDRESS.fullmatch(self.state.get("gateway", ""))
        assert match is not None, "There is no gateway."
        return Endpoint(match[1], int(match[2]), self.token)

    async def __aenter__(self) -> Self:
        try:
            await self.start_head()
            await self.start_second()
            await self.deploy()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start_head(self) -> None:
        """Start the first node."""
        self.head = await self._up("head")
        await self._until_up(self.head, "head")

    async def start_second(self) -> None:
        """Start the second node."""
        self.second = await self._up("second", "--join", self.state["ray_address"])
        await self._until_up(self.second, "second")

    async def deploy(self, *options: str, **variables: str) -> None:
        """Deploy two replicas, or others by `options`; a later one replaces an earlier one."""
        finished = await self.run(
            *("deploy", "--replicas", "2", "--listen", "127.0.0.1:0", *options), **variables
        )
        assert finished.code == 0, finished.error

    async def run(self, *arguments: str, **variables: str) -> Finished:
        """Run a command to its end."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", "engine", "cluster", *arguments),
            cwd=ROOT,
            env=self.variables | variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(START_SECONDS):
            out, error = await process.communicate()
        assert process.returncode is not None
        return Finished(process.returncode, out.decode(), error.decode(errors="replace"))

    async def status(self) -> dict[str, Any]:
        """What `status --json` prints."""
        finished = await self.run("status", "--json")
        assert finished.code == 0, finished.error
        status: dict[str, Any] = json.loads(finished.out)
        return status

    async def stop(self) -> None:
        """Stop both nodes as Ctrl-C does; nothing of them may be left."""
        self.processes()
        for node in (self.second, self.head):
            if node is not None and node.returncode is None:
                node.send_signal(signal.SIGINT)
                with suppress(TimeoutError):
                    await asyncio.wait_for(node.wait(), STOP_SECONDS)
        with suppress(AssertionError):
            await until(lambda: not self.processes(), "nothing is left", STOP_SECONDS)
        left = {process.pid: title_of(process) for process in self.processes()}
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert left == {}

    # Processes

    def processes(self) -> list[psutil.Process]:
        """All processes that the nodes have started, as far as earlier calls have met them, and
        that have not ended."""
        for node in (self.head, self.second):
            if node is not None and node.returncode is None:
                with suppress(psutil.NoSuchProcess):
                    process = psutil.Process(node.pid)
                    self._processes |= {process, *process.children(recursive=True)}
        self._processes = {process for process in self._processes if _is_alive(process)}
        return list(self._processes)

    def controllers(self) -> list[psutil.Process]:
        """The controller of Ray Serve, if it is running."""
        return [
            process
            for process in self.processes()
            if title_of(process).startswith("ray::ServeController")
        ]

    def kill_second(self) -> None:
        """Kill all processes of the second node, as if its machine had lost its power."""
        assert self.second is not None
        node = psutil.Process(self.second.pid)
        self.processes()
        for process in (node, *node.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def is_on_second(self, replica: ReplicaStatus) -> bool:
        """Whether a replica runs on the second node."""
        assert self.second is not None
        with suppress(psutil.NoSuchProcess):
            parents = psutil.Process(replica.pid).parents()
            return any(parent.pid == self.second.pid for parent in parents)
        return False

    async def _up(self, name: str, *options: str) -> asyncio.subprocess.Process:
        with (self.folder / f"{name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "ignore", "-m", "engine", "cluster", "up"),
                *("--cpus", "1", *options),
                cwd=ROOT,
                env=self.variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def _until_up(self, node: asyncio.subprocess.Process, name: str) -> None:
        def is_up() -> bool:
            log = (self.folder / f"{name}.log").read_text(errors="replace")
            assert node.returncode is None, f"up ended with exit code {node.returncode}: {log}"
            return node.pid in self.state.get("pids", ())

        await until(is_up, f"{name} is up", START_SECONDS)


class Monitor:
    """The latest heartbeat of a cluster, on a connection that is made again when it is lost."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.heartbeat: Heartbeat | None = None
        self.connections = 0

    @property
    def replicas(self) -> tuple[ReplicaStatus, ...]:
        """Those that accept jobs."""
        replicas = (self.heartbeat.replicas if self.heartbeat else None) or ()
        return tuple(replica for replica in replicas if not replica.is_draining)

    @property
    def ticks(self) -> dict[int, int]:
        """The ticks of the replicas by their processes."""
        return {replica.pid: replica.heartbeat.ticks for replica in self.replicas}

    async def run(self) -> None:
        """Read heartbeats until cancelled."""
        while True:
            with suppress(OSError, AssertionError, TimeoutError):
                async with connect_authenticated(self._cluster.endpoint) as connection:
                    self.connections += 1
                    while (event := await connection.receive()) is not None:
                        if isinstance(event, Heartbeat):
                            self.heartbeat = event
            self.heartbeat = None
            await asyncio.sleep(_POLL_SECONDS)

    async def until_both_paint(self, *without: int) -> float:
        """Wait until two replicas complete forward passes under load, none of these processes;
        returns the seconds that it took."""
        before: dict[int, int] = {}

        def both_paint() -> bool:
            ticks = {pid: n for pid, n in self.ticks.items() if pid not in without}
            for pid, count in ticks.items():
                before.setdefault(pid, count)
            return sum(count > before[pid] for pid, count in ticks.items()) == 2

        return await until(both_paint, "two replicas paint")

    async def next_heartbeat(self) -> Heartbeat:
        """The next one of all replicas."""
        last = self.heartbeat
        await until(lambda: self.heartbeat not in (None, last), "the gateway sends heartbeats")
        assert self.heartbeat is not None
        return self.heartbeat


@asynccontextmanager
async def monitored(cluster: Cluster) -> AsyncIterator[Monitor]:
    """A monitor that runs, and knows two replicas."""
    monitor = Monitor(cluster)
    task = asyncio.create_task(monitor.run())
    try:
        await until(lambda: len(monitor.replicas) == 2, "there are two replicas")
        yield monitor
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def client_of(
    endpoint: Endpoint, on_event: Callable[[Event], object] = lambda _: None
) -> AsyncIterator[SocketEngineClient]:
    """The bot's client, connected; `on_event` is called with all events of the connection."""
    client = SocketEngineClient()
    async with client.connect(endpoint):
        listening = asyncio.create_task(client.listen(lambda event: void(on_event(event))))
        try:
            yield client
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def void(_: object) -> None:
    """Drop a value."""


def pids_of(replicas: Sequence[ReplicaStatus]) -> Iterator[int]:
    """Their processes."""
    return (replica.pid for replica in replicas)


def title_of(process: psutil.Process) -> str:
    """The command line of a process, which Ray replaces by the name of its actor."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
