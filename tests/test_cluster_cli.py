"""The commands of a cluster where none runs, and the decisions before a deployment."""

import importlib.util
import socket
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.cluster import state
from engine.cluster.cli import gateway_address
from engine.cluster.deploy import (
    Machine,
    needs_gpu,
    replica_environment,
    resources_for,
    resources_of,
)
from engine.cluster.errors import TooFewResources, failure_of
from engine.cluster.listening import reserved_port
from engine.cluster.status import as_table
from engine.errors import EngineError, ExitCode, ModelNotFound
from engine.server.socket_server import bind


@pytest.fixture(autouse=True)
def state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state file of its own, and Ray as if it was installed."""
    monkeypatch.setenv("IMAGINE_CLUSTER_STATE", str(tmp_path / "cluster.json"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: "installed")
    return tmp_path / "cluster.json"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of a command, and the sentence that it writes."""
    code = main(["cluster", *arguments])
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return code, output.err.strip()


@pytest.mark.parametrize("command", ["deploy", "status", "down"])
def test_without_a_cluster(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands say how to start one."""
    assert run(capsys, command) == (
        ExitCode.CLUSTER_UNREACHABLE,
        "No cluster runs on this machine: start one with `python -m engine cluster up`, or give "
        "--address.",
    )


@pytest.mark.parametrize("command", ["up", "deploy", "status", "down"])
def test_without_ray(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence has the command that installs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert run(capsys, command) == (
        ExitCode.MISSING_DEPENDENCY,
        "A cluster needs the package ray[serve]: install it with "
        "`pip install imagine-bot[cluster]`.",
    )


def test_an_address_where_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """Ray itself would try for minutes."""
    with bind(0) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    for arguments in (["status", "--address", address], ["up", "--join", address]):
        assert run(capsys, *arguments) == (
            ExitCode.CLUSTER_UNREACHABLE,
            f"No cluster answers at {address} (Connection refused). Start it there with "
            "`python -m engine cluster up`.",
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--replicas", "0"], "--replicas is 0; it must be 1 to 1000."),
        (["--max-replicas", "1001"], "--max-replicas is 1001; it must be 1 to 1000."),
        (
            ["--min-replicas", "3", "--max-replicas", "2"],
            "--max-replicas is less than --min-replicas.",
        ),
        (
            ["--replicas", "3", "--max-replicas", "4"],
            "Give --replicas for a fixed number, or --min-replicas and --max-replicas.",
        ),
        (["--listen", "7870"], "--listen is '7870'; it must be HOST:PORT, such as 127.0.0.1:7870."),
    ],
)
def test_wrong_options(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are refused before anything is started."""
    assert run(capsys, "deploy", *arguments) == (ExitCode.USAGE, sentence)


@pytest.mark.parametrize(
    ("listen", "known", "address"),
    [
        (None, "", ("127.0.0.1", 7870)),
        (None, "0.0.0.0:81", ("0.0.0.0", 81)),  # noqa: S104 # nothing listens
        ("127.0.0.1:0", "127.0.0.1:81", ("127.0.0.1", 81)),
        ("10.0.0.1:0", "127.0.0.1:81", ("10.0.0.1", 0)),
        ("127.0.0.1:82", "127.0.0.1:81", ("127.0.0.1", 82)),
    ],
)
def test_a_gateway_stays_where_its_bots_find_it(
    listen: str | None, known: str, address: tuple[str, int]
) -> None:
    """Unless another address is given."""
    assert gateway_address(listen, known) == address


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """It is found before Ray is started."""
    with bind(0) as listener:
        port = listener.getsockname()[1]
        options = ["--replicas", "1", "--listen", f"127.0.0.1:{port}"]
        assert run(capsys, "up", *options) == (
            ExitCode.PORT_IN_USE,
            f"127.0.0.1:{port} is not available: Address already in use.",
        )


def test_a_reserved_port_is_for_gateways_alone() -> None:
    """Others cannot have it while it is held."""
    with reserved_port("127.0.0.1", 0) as port:
        with pytest.raises(EngineError, match="not available"):
            bind(port)
        socket.create_server(("127.0.0.1", port), reuse_port=True).close()


def test_a_second_up_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Two clusters on a machine need two state files."""
    state.add_process("127.0.0.1:6379")
    assert run(capsys, "up") == (
        ExitCode.USAGE,
        "A cluster runs on this machine already, at 127.0.0.1:6379; stop it with "
        "`python -m engine cluster down`.",
    )


@pytest.mark.parametrize(
    ("machines", "replicas", "cpus"),
    [
        ([Machine(8, 0)], 1, 8),
        ([Machine(8, 0)], 3, 2),
        ([Machine(8, 0), Machine(2, 0)], 3, 2),
        ([Machine(8, 0), Machine(8, 0)], 2, 8),
    ],
)
def test_replicas_share_the_cores(machines: list[Machine], replicas: int, cpus: int) -> None:
    """All have the same number, because it is part of the fingerprint."""
    assert resources_of(machines, replicas, needs_gpu=False) == (cpus, 0)


@pytest.mark.parametrize(
    ("device", "gpus", "is_required", "expected"),
    [
        ("", 2, False, True),
        ("", 0, False, False),
        ("", 0, True, True),
        ("auto", 1, False, True),
        ("cuda", 0, False, True),
        ("CPU", 2, False, False),
    ],
)
def test_which_replicas_need_a_gpu(
    monkeypatch: pytest.MonkeyPatch, device: str, gpus: int, is_required: bool, expected: bool
) -> None:
    """Those whose device it is; else, if there are any."""
    monkeypatch.setenv("IMAGINE_DEVICE", device)
    assert needs_gpu(gpus, is_required=is_required) is expected


def test_each_replica_has_a_gpu() -> None:
    """And the cores beside it."""
    machines = [Machine(32, 2), Machine(16, 1)]
    assert resources_of(machines, 3, needs_gpu=True) == (16, 1)


@pytest.mark.parametrize(("most", "cpus"), [(1, 16), (2, 8), (4, 4), (9, 4)])
def test_the_first_replicas_leave_cores_to_more(most: int, cpus: int) -> None:
    """Else one replica would have all cores of its machine, and no second one would start."""
    assert resources_for([Machine(16, 4)], 1, most, needs_gpu=True) == (cpus, 1)


def test_too_few_gpus_or_cores() -> None:
    """Serve would wait for more of them for ever."""
    with pytest.raises(TooFewResources) as raised:
        resources_of([Machine(8, 0)], 2, needs_gpu=True)
    assert str(raised.value) == (
        "2 replicas with a GPU each were asked for, but the cluster has no GPUs."
    )
    with pytest.raises(TooFewResources) as raised:
        resources_of([Machine(2, 0)], 3, needs_gpu=False)
    assert str(raised.value) == ("3 replicas need as many processor cores, but the cluster has 2.")


def test_the_replica_s_own_sentence_is_kept() -> None:
    """Serve's status has it at the end of a traceback."""
    message = (
        "The deployment failed to start 1 times in a row.\nRuntimeError: Traceback (most recent "
        'call last):\n  File "deployments.py", line 3\nengine.errors.ModelNotFound: There is no '
        "model x.\n"
    )
    error = failure_of(message)
    assert (type(error), str(error)) == (ModelNotFound, "There is no model x.")
    other = failure_of("Traceback:\n  File x\ntorch.OutOfMemoryError: CUDA out of memory.\n")
    assert str(other) == (
        "The replicas could not be started: torch.OutOfMemoryError: CUDA out of memory."
    )


def test_replicas_get_the_settings_but_not_the_token() -> None:
    """The token reaches the gateway by Ray's own variable."""
    environment = {
        "IMAGINE_MODEL": "starter",
        "IMAGINE_ENGINE_TOKEN": "secret",
        "IMAGINE_DATA": "/data",
        "HF_HOME": "/hub",
        "HOME": "/root",
    }
    assert replica_environment(environment) == {"IMAGINE_MODEL": "starter", "HF_HOME": "/hub"}


def test_status_as_a_table() -> None:
    """A line for each replica."""
    replica = {
        "name": "r1",
        "node": "10.0.0.2",
        "pid": 7,
        "painting": 4,
        "memory": 2**30,
        "peak_memory": None,
        "resident": ["starter", "sdxl"],
        "is_draining": True,
    }
    known = {"host": "h", "port": 1, "waiting": 2, "problems": [], "replicas": [replica]}
    assert as_table(known).splitlines() == [
        "gateway ray://h:1, 2 jobs waiting",
        "replica  node      process  painting  memory   models on device  state",
        "r1       10.0.0.2  7        4         1.0 GiB  starter, sdxl     stopping",
    ]
