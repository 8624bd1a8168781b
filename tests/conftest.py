"""Fixtures for all tests: a local Discord, a fake engine, a bot that uses both, a database.

Fixtures import what they need, so that tests of the engine alone do not load discord.py.
"""

import logging
import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from hypothesis import settings

from tests.markers import OPENVINO_FILES, PROCESS_FILES, SLOW_FILES

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

    from bot.db.database import Database
    from bot.playground import Channel, Person, Playground
    from engine.contract import Event
    from engine.contract.wire import Connection
    from tests.bot_harness import BotHarness
    from tests.engine_subjects import StartEngine, Subject
    from tests.fake_engine import FakeEngine
    from tests.openapi import OpenApi
    from tests.playground_bot import PlaygroundBot
    from tests.playground_http import Http

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the engine does; before torch is loaded
_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Of NVIDIA's driver, of the same in WSL, and of ROCm."""


def _has_cuda() -> bool:
    """Whether torch can use a GPU; without a driver it is not loaded for that."""
    if not any(Path(file).exists() for file in _GPU_FILES):
        return False
    import torch

    return torch.cuda.is_available()


if not _has_cuda():  # Triton's kernels run on the CPU; diffusers loads triton, which reads this
    os.environ.setdefault("TRITON_INTERPRET", "1")
settings.register_profile("patient", deadline=None)  # examples may be slow on a busy machine
settings.load_profile("patient")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The number of workers for `--numprocesses auto`."""
    from tests import workers

    return workers.count()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "Scheduling | None":
    """For `--dist loadfile`, a scheduler that runs the tests with processes on two workers."""
    from tests import workers

    return workers.FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests and those that start processes, which run first: they take longest.

    Raises UsageError if tests/markers.py names a file that does not exist.
    """
    missing = [
        name
        for name in OPENVINO_FILES | PROCESS_FILES | SLOW_FILES
        if not Path(__file__).with_name(name).exists()
    ]
    if missing:
        raise pytest.UsageError(f"tests/markers.py: there is no {missing}.")
    for item in items:
        if item.path.name in PROCESS_FILES:
            item.add_marker(pytest.mark.process)
        is_whole_bot = "harness" in getattr(item, "fixturenames", ())
        if is_whole_bot or item.path.name in PROCESS_FILES | SLOW_FILES:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.name not in PROCESS_FILES)


@pytest.fixture(scope="module", autouse=True)
def cpu_backend(request: pytest.FixtureRequest) -> Iterator[None]:
    """Engines take the default backend, OpenVINO, in OPENVINO_FILES, and torch in other files.

    To convert the networks of a model takes several seconds of a core.
    """
    with pytest.MonkeyPatch.context() as patch:
        if request.path.name not in OPENVINO_FILES:
            patch.setenv("IMAGINE_CPU_BACKEND", "torch")
        yield


@pytest.fixture(scope="session")
def openapi() -> "OpenApi | None":
    """The validator for Discord's OpenAPI document; None if it is missing, except in CI."""
    from tests.openapi import OpenApi, document_path

    return OpenApi.load() if document_path().exists() or os.environ.get("CI") else None


@pytest.fixture
async def playground(openapi: "OpenApi | None") -> AsyncIterator["Playground"]:
    """A local Discord whose traffic is validated against the OpenAPI document."""
    from bot.playground import Playground

    async with Playground(port=0, identify_interval=0) as server:
        if openapi is not None:
            openapi.problems.clear()
            openapi.watch(server)
        yield server
    assert openapi is None or openapi.problems == []


@pytest.fixture
async def discord(playground: "Playground") -> AsyncIterator["Playground"]:
    """A local Discord; the test fails if the bot violates a rule of the API."""
    yield playground
    assert playground.violations == []


@pytest.fixture
async def bot(playground: "Playground") -> AsyncIterator["PlaygroundBot"]:
    """A small discord.py bot that is connected."""
    from tests.playground_bot import start_bot

    async with start_bot(playground) as connected_bot:
        yield connected_bot


@pytest.fixture
async def http(playground: "Playground", openapi: "OpenApi | None") -> AsyncIterator["Http"]:
    """A REST client, whose requests may have fields that the OpenAPI document does not know."""
    from tests.playground_http import Http

    async with aiohttp.ClientSession() as session:
        yield Http(session, playground)
    if openapi is not None:
        openapi.problems[:] = [p for p in openapi.problems if " unknown: " not in p]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator["Database"]:
    """An empty database."""
    from bot.db.database import Database
    from tests.new_database import create_database

    async with Database(create_database(tmp_path)) as db:
        yield db


@pytest.fixture
def engine() -> "FakeEngine":
    """A fake engine that paints flat colours at once."""
    from tests.fake_engine import FakeEngine

    return FakeEngine()


@pytest.fixture(params=["fake", "real", "cluster"])
def start_engine(request: pytest.FixtureRequest) -> "StartEngine":
    """Starts the fake engine, the real server with a tiny model, or the gateway of a cluster."""
    from tests import cluster_subject, engine_subjects

    return {
        "fake": engine_subjects.start_fake,
        "real": engine_subjects.start_real,
        "cluster": cluster_subject.start_cluster,
    }[request.param]


@pytest.fixture
async def subject(start_engine: "StartEngine") -> AsyncIterator["Subject"]:
    """A running engine, which is fake or real, or a cluster."""
    async with start_engine() as subject:
        yield subject


@pytest.fixture
async def events(subject: "Subject") -> AsyncIterator["Connection[Event]"]:
    """A connection to that engine, which has received Ready."""
    from tests.engine_wire import connect_authenticated

    async with connect_authenticated(subject.endpoint) as connection:
        yield connection


@pytest.fixture
async def harness(
    discord: "Playground", engine: "FakeEngine", tmp_path: Path
) -> AsyncIterator["BotHarness"]:
    """A bot that is connected to the local Discord and to the fake engine."""
    from tests.bot_harness import BotHarness

    async with BotHarness(discord, engine, tmp_path) as harness:
        yield harness


@pytest.fixture
async def mod_channel(harness: "BotHarness") -> "Channel":
    """The channel for reports, set by an admin."""
    from tests.reporting import response_text

    channel = harness.discord.add_channel("mods")
    admin = harness.discord.person("Eve", admin=True)
    interaction = await admin.slash("admin moderators", channel=channel)
    assert "Reports are now posted to" in await response_text(harness, interaction)
    return channel


@pytest.fixture
def ben(harness: "BotHarness") -> "Person":
    """A second user."""
    return harness.discord.person("Ben")


@pytest.fixture
def mo(harness: "BotHarness") -> "Person":
    """A moderator."""
    return harness.discord.person("Mo", moderator=True)


@pytest.fixture
def configured_log(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The bot's log handlers, which write to standard error; the previous ones are restored."""
    from engine import log

    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    log.configure("bot")
    yield capsys
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Replace lone surrogates in captured output: xdist sends the report as UTF-8."""
    report = yield
    report.sections = [
        (name, content.encode("utf-8", "backslashreplace").decode())
        for name, content in report.sections
    ]
    return report
