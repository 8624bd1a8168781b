"""Recorded forward passes: the same bits as the model's own, in any thread, for any shape."""

import gc
import itertools
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import torch

from engine.core.process import quiet
from engine.device import Device
from engine.models import graphs
from engine.models.base import Words
from engine.models.graphs import Captured
from tests.engine_parts import painter
from tests.tiny_model import TOKENS, WIDTH

DEVICE = Device(torch.device("cpu"), torch.float32, 1)


def batch(rows: int, side: int = 8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, Words]:
    """Random input for the tiny model."""
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(rows, 4, side, side, generator=generator)
    words = {"encoder_hidden_states": torch.randn(rows, TOKENS, WIDTH, generator=generator)}
    return latents, torch.rand(rows, generator=generator) * 999, words


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize(("rows", "side"), [(2, 8), (8, 8), (2, 9), (16, 10)])
def test_a_replay_makes_the_bits_of_the_model(
    rows: int, side: int, caplog: pytest.LogCaptureFixture
) -> None:
    """At the first time, and when TorchScript has optimised what it recorded."""
    model: Any = painter().model
    replay = Captured(model.forward, DEVICE)
    quiet()  # as in the engine; here, other warnings are errors
    for seed in range(5):
        given = batch(rows, side, seed)
        assert torch.equal(replay(*given), model.forward(*given))
    assert "cannot be recorded" not in caplog.text


def test_all_threads_may_ask_at_once() -> None:
    """Also when nothing has been recorded yet."""
    model: Any = painter().model
    replay = Captured(model.forward, DEVICE)
    wanted = [model.forward(*batch(4, seed=seed)) for seed in range(8)]
    found: dict[int, torch.Tensor] = {}

    def ask(seed: int) -> None:
        with torch.inference_mode():
            found[seed] = replay(*batch(4, seed=seed))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[seed], wanted[seed]) for seed in range(8))


def test_old_recordings_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes are chosen by people; memory is not without end."""
    monkeypatch.setattr(graphs, "KEPT", 2)
    calls: list[torch.Size] = []

    def forward(latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        calls.append(latents.shape)
        return latents * timesteps[:, None, None, None] + words["encoder_hidden_states"].sum()

    replay = Captured(forward, DEVICE)
    for rows in (1, 2, 1, 3, 1, 2):  # 2 was used longest ago when 3 came
        replay(*batch(rows))
    assert [shape[0] for shape in calls] == [1, 2, 3, 2]


def test_what_cannot_be_recorded_is_done_as_it_is() -> None:
    """And it is no error."""

    def forward(latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        if torch._C._get_tracing_state():
            raise NotImplementedError("not this way")
        return latents + 1

    given = batch(2)
    assert torch.equal(Captured(forward, DEVICE)(*given), given[0] + 1)


def test_memory_that_is_short_is_said() -> None:
    """It is not mistaken for something that cannot be recorded."""

    def forward(latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(torch.OutOfMemoryError):
        Captured(forward, DEVICE)(*batch(2))


def test_what_is_forgotten_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sizes people ask for in the life of an engine."""
    monkeypatch.setattr(graphs, "KEPT", 2)
    model: Any = painter().model
    replay = Captured(model.forward, DEVICE)

    def weight(rounds: int) -> float:
        """MiB after all sizes were recorded so often."""
        for side in [*range(8, 12)] * rounds:
            for _ in range(3):
                replay(*batch(2, side))
        gc.collect()
        taken: int = psutil.Process().memory_info().rss
        return taken / 2**20

    before = weight(2)
    assert weight(3) - before < 60, "MiB for 12 recordings, each of which takes 16"


def test_a_recording_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded already is replayed while another shape is being recorded."""
    model: Any = painter().model
    replay = Captured(model.forward, DEVICE)
    replay(*batch(2))
    recording, go_on = threading.Event(), threading.Event()
    trace = graphs._Trace

    def slow(*args: Any) -> Any:  # noqa: ANN401 - as it is
        recording.set()
        assert go_on.wait(20)
        return trace(*args)

    monkeypatch.setattr(graphs, "_Trace", slow)

    def ask() -> None:
        with torch.inference_mode():
            replay(*batch(4))

    other = threading.Thread(target=ask)
    other.start()
    assert recording.wait(20)
    assert torch.equal(replay(*batch(2)), model.forward(*batch(2)))
    go_on.set()
    other.join()


def test_another_torch_records_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If it lacks what is private to the one that we know; pictures are painted all the same."""
    monkeypatch.delattr(torch._C, "_create_graph_by_tracing")
    model: Any = painter().model
    replay = Captured(model.forward, DEVICE)
    for _ in range(2):
        assert torch.equal(replay(*batch(2)), model.forward(*batch(2)))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cannot be recorded" in caplog.text


def test_a_recording_leaves_warnings_as_they_are() -> None:
    """How they are treated is one thing for all threads: a change in one may outlive it."""
    found: list[object] = []

    def forward(latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        found.append(warnings.filters)
        return latents + 1

    Captured(forward, DEVICE)(*batch(2))
    assert found
    assert all(each is warnings.filters for each in found)


class Gpu:
    """What a recording asks of a GPU, without one: streams and pools are numbers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = 0
        self.fails = False
        self.pools: list[int] = []
        """Of all recordings that were tried."""
        handles = itertools.count(1)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self.stream)
        monkeypatch.setattr(
            torch.cuda, "set_stream", lambda stream: setattr(self, "stream", stream)
        )
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: next(handles))
        gpu = self

        class Graph:
            """Says where its memory is from."""

            def __init__(self, *given: Any) -> None:  # noqa: ANN401 - as a graph's
                self._pool: int = given[-1]
                gpu.pools.append(self._pool)
                if gpu.fails:
                    gpu.stream = 7
                    raise RuntimeError(
                        "CUDA error: operation not permitted when stream is capturing"
                    )

            def pool(self) -> int:
                """The handle."""
                return self._pool

            def __call__(self, latents: torch.Tensor, *_: object) -> torch.Tensor:
                """Nothing is changed."""
                return latents

        monkeypatch.setattr(graphs, "_Graph", Graph)

    def recorder(self) -> Captured:
        """Records what does nothing."""
        device = Device(torch.device("cuda", 0), torch.float32, 1)
        return Captured(lambda latents, timesteps, words: latents, device)


def test_graphs_share_the_pool_of_those_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that none of them uses is never asked for again: torch would not have it."""
    monkeypatch.setattr(graphs, "KEPT", 2)
    gpu = Gpu(monkeypatch)
    replay = gpu.recorder()
    gpu.fails = True
    replay(*batch(1))
    gpu.fails = False
    for rows in (2, 3, 4):
        replay(*batch(rows))
    assert gpu.pools == [1, 2, 2, 2]
    for rows in (50, 60):  # too large to be recorded; what was recorded is forgotten for them
        replay(*batch(rows, 64))
    replay(*batch(5))
    assert gpu.pools == [1, 2, 2, 2, 3]


def test_a_recording_that_fails_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is painted without it, and the thread is on the stream that it was on."""
    gpu = Gpu(monkeypatch)
    gpu.fails = True
    given = batch(2)
    assert torch.equal(gpu.recorder()(*given), given[0])
    assert gpu.stream == 0
