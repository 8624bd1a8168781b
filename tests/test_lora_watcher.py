"""LoRAs that are added and removed while the engine runs."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from bot.engine_client.socket_client import Endpoint, SocketEngineClient
from engine.contract import Completed, Ending, Event, Failed, Hello, ImageDone, Ready
from engine.contract.wire import bot_side
from engine.core.engine_core import EngineCore
from engine.core.lora_watcher import LoraWatcher
from engine.core.request import Request
from engine.core.worker import Worker
from engine.errors import EngineError
from engine.server.connection_handler import ConnectionHandler
from engine.server.socket_server import bind
from tests import tiny_model
from tests.bot_harness import eventually
from tests.engine_parts import (
    failure_reason,
    job,
    load_engine_core,
    new_engine_core,
    painted_images,
    recipe,
)
from tests.lora_files import save_kohya

_HOME: Final = TemporaryDirectory()
TOKEN: Final = "a secret of two processes"  # noqa: S105 - of this test alone


@cache
def lora(seed: int) -> bytes:
    """The content of a LoRA's file."""
    model = Path(_HOME.name) / "model"
    if not model.is_dir():
        tiny_model.save(model)
    return save_kohya(Path(_HOME.name) / "a.safetensors", model, seed=seed).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configured folder with the LoRA `first`."""
    (tmp_path / "first.safetensors").write_bytes(lora(1))
    monkeypatch.setenv("IMAGINE_LORAS", str(tmp_path))
    return tmp_path


@pytest.fixture
def core(folder: Path) -> EngineCore:
    """A new engine core with the LoRAs of the folder."""
    return load_engine_core(str(Path(_HOME.name) / "model"))


def names(core: EngineCore) -> list[str]:
    """The LoRAs on the model's card."""
    return [adapter.name for adapter in core.model.card.adapters]


def test_files_come_and_go(core: EngineCore, folder: Path) -> None:
    """Each change is offered once, after two looks that agree; without one nothing happens."""
    changes: list[list[str]] = []
    watcher = LoraWatcher([core.model], lambda: changes.append(names(core)))
    for _ in range(3):
        watcher.poll()
    assert changes == []
    (folder / "second.safetensors").write_bytes(lora(2))
    watcher.poll()
    assert changes == []
    watcher.poll()
    watcher.poll()
    assert changes == [["first", "second"]]
    (folder / "first.safetensors").unlink()
    (folder / "broken.safetensors").write_bytes(b"x" * 99)
    for _ in range(2):
        watcher.poll()
    assert changes[1:] == [["second"]]
    assert list(core.model.card.refused_adapters) == ["broken"]
    revision = core.model.card.adapters[0].revision
    (folder / "second.safetensors").write_bytes(lora(3))
    for _ in range(2):
        watcher.poll()
    assert core.model.card.adapters[0].revision != revision


def test_a_running_job_keeps_its_lora(core: EngineCore, folder: Path) -> None:
    """Its file is removed and another one added while it runs; it has the pixels that it has
    otherwise, and later jobs have those that are there then."""
    adapter = core.model.card.adapter("first", 1.0)
    painted = job(recipe(core, steps=60, adapters=(adapter,)))
    [alone] = painted_images(painted, core)
    fatal: list[EngineError] = []
    worker = Worker(new_engine_core(core.model), fatal.append)
    events: list[Event] = []
    has_ended = threading.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        if isinstance(event, Ending):
            has_ended.set()

    watcher = LoraWatcher([core.model], lambda: None)
    watcher.poll()
    worker.submit(painted, on_event)
    wait_for_step(events)
    (folder / "first.safetensors").rename(folder / "second.safetensors")
    watcher.poll()
    watcher.poll()
    assert names(core) == ["second"]
    assert not has_ended.is_set()
    assert has_ended.wait(60)
    worker.close()
    assert not fatal
    assert isinstance(events[-1], Completed)
    [image] = [event.image for event in events if isinstance(event, ImageDone)]
    assert image.sha256 == alone.sha256
    second = core.model.card.adapter("second", 1.0)
    [renamed] = painted_images(job(recipe(core, steps=60, adapters=(second,))), core)
    assert renamed.sha256 == alone.sha256


def test_a_lora_that_is_removed_before_its_job_begins(core: EngineCore, folder: Path) -> None:
    """The job ends with a sentence that names it, and so does each later one."""
    painted = job(recipe(core, adapters=(core.model.card.adapter("first", 1.0),)))
    events: list[Event] = []
    core.add_request(Request(painted, events.append))
    watcher = LoraWatcher([core.model], lambda: None)
    (folder / "first.safetensors").unlink()
    for _ in range(2):
        watcher.poll()
    while core.requests:
        core.tick()
    assert isinstance(events[-1], Failed)
    assert events[-1].reason == "The LoRA first was removed. Choose another one."
    reason = failure_reason(painted, core)
    assert reason.startswith("This picture needs the LoRA first, which is not here for the model")


def wait_for_step(events: list[Event]) -> None:
    """Wait until a job has made steps."""
    deadline = time.monotonic() + 60
    while not any(type(event).__name__ == "Stepped" for event in events):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
async def port(core: EngineCore) -> AsyncIterator[int]:
    """The port of a running engine that looks for LoRAs."""
    fatal: list[EngineError] = []
    worker = Worker(new_engine_core(core.model), fatal.append)
    handler = ConnectionHandler(worker, Ready((core.model.card,)), TOKEN)
    loop = asyncio.get_running_loop()

    def on_change() -> None:
        loop.call_soon_threadsafe(handler.offer, Ready((core.model.card,)))

    watcher = LoraWatcher([core.model], on_change)
    listener = bind(0)
    server = await asyncio.start_server(handler.handle, sock=listener)
    watcher.start()
    yield listener.getsockname()[1]
    watcher.close()
    server.close()
    await handler.close()
    await asyncio.to_thread(worker.close)
    assert not fatal


async def test_the_bot_gets_new_cards(port: int, folder: Path) -> None:
    """In a moment, and without a new connection; a later connection has them from the start."""
    client = SocketEngineClient()
    async with client.connect(Endpoint("127.0.0.1", port, TOKEN)):
        listening = asyncio.create_task(client.listen(lambda _: None))
        assert [adapter.name for adapter in client.model.adapters] == ["first"]
        (folder / "second.safetensors").write_bytes(lora(2))
        await eventually(lambda: len(client.model.adapters) == 2)
        (folder / "first.safetensors").unlink()
        await eventually(lambda: [each.name for each in client.model.adapters] == ["second"])
        listening.cancel()
    async with bot_side(*await asyncio.open_connection("127.0.0.1", port)) as events:
        await events.send(Hello(TOKEN))
        ready = await events.receive()
        assert isinstance(ready, Ready)
        assert [adapter.name for adapter in ready.models[0].adapters] == ["second"]
