"""What the cluster commands on one machine know of each other: a file that only its user reads."""

import os
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from engine.cluster.app import ReplicaSettings
from engine.errors import EngineError

_HUB_TOKEN: Final = "HF_TOKEN"  # noqa: S105 # the name of a variable


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster that this machine belongs to."""

    token: str
    """The secret of Ray and of the gateway."""
    ray_address: str = ""
    """`HOST:PORT` of Ray's control store; empty while no `up` runs."""
    gateway: str = ""
    """`HOST:PORT` of the gateway; empty before the first deployment."""
    replicas: ReplicaSettings | None = None
    """Those of the last deployment that succeeded, without secrets."""
    pids: tuple[int, ...] = ()
    """The `up` commands that run on this machine."""


def state_file() -> Path:
    """IMAGINE_CLUSTER_STATE, else a file in the user's state folder."""
    chosen = os.environ.get("IMAGINE_CLUSTER_STATE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "imagine-bot" / "cluster.json"


def read() -> ClusterState:
    """The state; without a file a new one, with the token of IMAGINE_ENGINE_TOKEN or a random one.

    Raises EngineError if the file cannot be read.
    """
    file = state_file()
    token = os.environ.get("IMAGINE_ENGINE_TOKEN", "")
    try:
        state = msgspec.json.decode(file.read_bytes(), type=ClusterState)
    except FileNotFoundError:
        return ClusterState(token=token or secrets.token_urlsafe(32))
    except OSError as error:
        raise EngineError(f"{file} cannot be read: {error.strerror}.") from error
    except msgspec.MsgspecError as error:
        raise EngineError(f"{file} is damaged ({error}); delete it.") from error
    return msgspec.structs.replace(state, token=token or state.token)


def token_of(port: int) -> str | None:
    """The token of this machine's cluster; None if its gateway does not have this port."""
    try:
        state = read()
    except EngineError:
        return None
    return state.token if state.gateway.rpartition(":")[2] == str(port) else None


def write(state: ClusterState) -> None:
    """Replace the file at once. Raises EngineError if it cannot be written."""
    file = state_file()
    temp = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temp.unlink(missing_ok=True)
        with os.fdopen(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(msgspec.json.encode(state))
        temp.replace(file)
    except OSError as error:
        raise EngineError(f"{file} cannot be written: {error.strerror}.") from error


def read_token() -> str:
    """IMAGINE_ENGINE_TOKEN, else a random token."""
    return os.environ.get("IMAGINE_ENGINE_TOKEN") or secrets.token_urlsafe(32)


def with_deployment(state: ClusterState, gateway: str, replicas: ReplicaSettings) -> ClusterState:
    """The state after a deployment."""
    environment = {
        name: value for name, value in replicas.environment.items() if name != _HUB_TOKEN
    }
    replicas = msgspec.structs.replace(replicas, environment=environment)
    return msgspec.structs.replace(state, gateway=gateway, replicas=replicas)


def deployed_settings(state: ClusterState) -> ReplicaSettings | None:
    """The settings of the last deployment, with the secrets of this process's environment."""
    if state.replicas is None or _HUB_TOKEN not in os.environ:
        return state.replicas
    environment = {**state.replicas.environment, _HUB_TOKEN: os.environ[_HUB_TOKEN]}
    return msgspec.structs.replace(state.replicas, environment=environment)


def stop_processes(state: ClusterState, seconds: float) -> None:
    """Stop the `up` commands of this machine, and wait up to `seconds` for their end."""
    for pid in state.pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(map(is_running, state.pids)) and time.monotonic() < deadline:
        time.sleep(0.05)


def add_process(ray_address: str) -> ClusterState:
    """Note that this process runs Ray on this machine; returns the state."""
    state = read()
    pids = tuple(pid for pid in state.pids if is_running(pid))
    state = msgspec.structs.replace(state, ray_address=ray_address, pids=(*pids, os.getpid()))
    write(state)
    return state


def remove_process() -> None:
    """Note that this process no longer runs Ray; without any, the addresses are forgotten."""
    state = read()
    pids = tuple(pid for pid in state.pids if pid != os.getpid() and is_running(pid))
    state = msgspec.structs.replace(state, pids=pids)
    write(state if pids else ClusterState(token=state.token))


def is_running(pid: int) -> bool:
    """Whether a cluster command has this process id; on systems without /proc, any process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return pid == os.getpid() or b"cluster" in arguments  # else the id was given away again
