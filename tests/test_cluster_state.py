"""The state file of the cluster commands, and addresses of clusters."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cluster import ray_node, state
from engine.cluster.app import ReplicaSettings
from engine.errors import EngineError, UsageError


@pytest.fixture(autouse=True)
def state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that does not exist yet, in a folder that does not exist either."""
    file = tmp_path / "state" / "cluster.json"
    monkeypatch.setenv("IMAGINE_CLUSTER_STATE", str(file))
    monkeypatch.delenv("IMAGINE_ENGINE_TOKEN", raising=False)
    yield file


def test_the_token_is_generated_once_and_is_private(state_file: Path) -> None:
    """Later commands have the same one; nobody else can read it."""
    token = state.add_process("127.0.0.1:6379").token
    assert len(token) > 32
    assert state.read().token == token
    assert stat.S_IMODE(state_file.stat().st_mode) == 0o600
    state.remove_process()
    assert state.read() == state.ClusterState(token=token)


def test_the_environment_has_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """IMAGINE_ENGINE_TOKEN replaces a generated token."""
    state.add_process("127.0.0.1:6379")
    monkeypatch.setenv("IMAGINE_ENGINE_TOKEN", "chosen")
    assert state.read().token == "chosen"  # noqa: S105 # no secret


def test_the_token_of_a_gateway_is_read(state_file: Path) -> None:
    """It is not given to another one, nor by a damaged file."""
    assert state.token_of(7870) is None
    state.write(state.ClusterState(token="t", gateway="10.0.0.1:7870"))  # noqa: S106 # no secret
    assert (state.token_of(7870), state.token_of(710)) == ("t", None)
    state_file.write_text("{")
    assert state.token_of(7870) is None


def test_the_settings_of_a_deployment_are_kept_without_secrets(
    state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later deployment that fails starts them again, with its own secrets."""
    settings = ReplicaSettings(
        min_replicas=1,
        max_replicas=2,
        cpus=4,
        gpus=1,
        models="starter",
        checkers=None,
        environment={"IMAGINE_MODEL": "starter", "HF_TOKEN": "hub secret"},
    )
    state.write(state.with_deployment(state.read(), "10.0.0.1:7870", settings))
    assert "hub secret" not in state_file.read_text()
    monkeypatch.delenv("HF_TOKEN", raising=False)
    restored = state.deployed_settings(state.read())
    assert restored is not None
    assert restored.environment == {"IMAGINE_MODEL": "starter"}
    monkeypatch.setenv("HF_TOKEN", "hub secret")
    assert state.deployed_settings(state.read()) == settings
    assert state.read().gateway == "10.0.0.1:7870"


def test_processes_that_are_gone_are_forgotten() -> None:
    """A process that was killed did not remove itself."""
    state.write(state.ClusterState(token="t", pids=(2**22 + 1,)))  # noqa: S106 # no secret
    assert state.add_process("127.0.0.1:6379").pids == (os.getpid(),)


@pytest.mark.parametrize(("arguments", "is_cluster"), [([], False), (["cluster"], True)])
def test_an_id_that_was_given_away_again_is_no_cluster(
    arguments: list[str], is_cluster: bool
) -> None:
    """After a crash of the machine the file names processes of before."""
    code = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert state.is_running(process.pid) is is_cluster
        process.communicate()


def test_a_damaged_file_is_named(state_file: Path) -> None:
    """Nothing is overwritten."""
    state_file.parent.mkdir()
    state_file.write_text("{")
    with pytest.raises(EngineError, match=r"is damaged .*; delete it"):
        state.add_process("127.0.0.1:6379")
    assert state_file.read_text() == "{"


@pytest.mark.parametrize(
    "address", ["", "host", ":1", "host:", "host:port", "host:0", "host:65536"]
)
def test_an_invalid_address_is_a_usage_error(address: str) -> None:
    """It says what is allowed."""
    with pytest.raises(UsageError, match="must be HOST:PORT"):
        ray_node.check_address(address)


def test_an_address_where_nothing_listens_is_refused() -> None:
    """At once, while Ray would try for minutes."""
    with pytest.raises(EngineError, match=r"No cluster answers at 127.0.0.1:\d+ .*cluster up"):
        ray_node.check_address(f"127.0.0.1:{ray_node.free_port()}")
