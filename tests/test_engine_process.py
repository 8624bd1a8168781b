"""The engine as a child process."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from bot.engine_process import EngineStopped, launched
from tests import tiny_model


def environment(model: Path) -> dict[str, str]:
    """Ours, with a model."""
    return {**os.environ, "IMAGINE_MODEL": str(model)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny real model."""
    return tiny_model.save(tmp_path_factory.mktemp("tiny") / "model")


def children() -> list[psutil.Process]:
    """The engines that we have started."""
    return [
        child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE
    ]


async def test_an_engine_lives_as_long_as_it_is_wanted(model: Path) -> None:
    """It listens here only, tells nobody its secret, and is gone afterwards."""
    async with launched(environment(model)) as endpoint:
        assert endpoint.token not in repr(endpoint)
        (child,) = children()
        assert child.cmdline()[:4] == [sys.executable, "-m", "engine", "serve"]
        (listening,) = [one for one in child.net_connections("inet") if one.status == "LISTEN"]
        assert (listening.laddr.ip, listening.laddr.port) == (endpoint.host, endpoint.port)
    assert children() == []


async def test_an_engine_that_ends_says_why(tmp_path: Path) -> None:
    """Its last line is the reason."""
    with pytest.raises(EngineStopped, match="nothing here"):
        async with launched(environment(tmp_path / "nothing here")):
            pass
    assert children() == []
