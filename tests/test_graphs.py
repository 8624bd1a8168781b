"""Captured forward passes have the bits of the model, in any thread and for any shape."""

import gc
import itertools
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import torch

from engine.core.process import quiet_libraries
from engine.device import Device
from engine.models import graphs
from engine.models.base import Conditioning
from engine.models.graphs import GraphCache
from tests.engine_parts import engine_core
from tests.tiny_model import TOKENS, WIDTH

CPU = Device(torch.device("cpu"), torch.float32, 1)


def batch(
    rows: int, side: int = 8, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, Conditioning]:
    """Random inputs of the tiny model."""
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(rows, 4, side, side, generator=generator)
    embeds = torch.randn(rows, TOKENS, WIDTH, generator=generator)
    timesteps = torch.rand(rows, generator=generator) * 999
    return latents, timesteps, {"encoder_hidden_states": embeds}


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize(("rows", "side"), [(2, 8), (8, 8), (2, 9), (16, 10)])
def test_a_replay_has_the_bits_of_the_model(
    rows: int, side: int, caplog: pytest.LogCaptureFixture
) -> None:
    """At the first call, and in later calls, when TorchScript has optimised the trace."""
    model: Any = engine_core().model
    graph_cache = GraphCache(model.forward, CPU)
    quiet_libraries()  # as in the engine; in tests, other warnings are errors
    for seed in range(5):
        inputs = batch(rows, side, seed)
        assert torch.equal(graph_cache(*inputs), model.forward(*inputs))
    assert "cannot capture" not in caplog.text


def test_all_threads_may_call_it_at_the_same_time() -> None:
    """Threads may also make the first call, which captures the pass, at the same time."""
    model: Any = engine_core().model
    graph_cache = GraphCache(model.forward, CPU)
    expected = [model.forward(*batch(4, seed=seed)) for seed in range(8)]
    outputs: dict[int, torch.Tensor] = {}

    def call(seed: int) -> None:
        with torch.inference_mode():
            outputs[seed] = graph_cache(*batch(4, seed=seed))

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(outputs[seed], expected[seed]) for seed in range(8))


def test_the_least_recently_used_graph_is_dropped() -> None:
    """The number of graphs is bounded, because users choose the sizes."""
    calls: list[torch.Size] = []

    def forward(
        latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        calls.append(latents.shape)
        embeds = conditioning["encoder_hidden_states"]
        return latents * timesteps[:, None, None, None] + embeds.sum()

    graph_cache = GraphCache(forward, CPU, max_graphs=2)
    for rows in (1, 2, 1, 3, 1, 2):  # 3 replaces 2, which was used least recently
        graph_cache(*batch(rows))
    assert [shape[0] for shape in calls] == [1, 2, 3, 2]
    shapes = {rows: batch(rows) for rows in (1, 2, 3)}
    assert [
        graph_cache.is_captured(latents, conditioning)
        for latents, _, conditioning in shapes.values()
    ] == [True, True, False]


def test_a_pass_that_cannot_be_captured_runs_eagerly() -> None:
    """The call returns the result, and the log has a warning."""

    def forward(
        latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        if torch._C._get_tracing_state():
            raise NotImplementedError("not this way")
        return latents + 1

    inputs = batch(2)
    graph_cache = GraphCache(forward, CPU)
    assert torch.equal(graph_cache(*inputs), inputs[0] + 1)
    assert not graph_cache.is_captured(inputs[0], inputs[2])


def test_out_of_memory_in_a_capture_is_raised() -> None:
    """The pass does not run eagerly instead."""

    def forward(
        latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(torch.OutOfMemoryError):
        GraphCache(forward, CPU)(*batch(2))


def test_a_dropped_graph_takes_no_memory() -> None:
    """Memory is bounded however many sizes are captured."""
    model: Any = engine_core().model
    graph_cache = GraphCache(model.forward, CPU, max_graphs=2)

    def memory_after(rounds: int) -> float:
        """MiB of resident memory after all sizes were captured this many times."""
        for side in [*range(8, 12)] * rounds:
            for _ in range(3):
                graph_cache(*batch(2, side))
        gc.collect()
        rss: int = psutil.Process().memory_info().rss
        return rss / 2**20

    before = memory_after(1)
    assert memory_after(2) - before < 60, "MiB for 8 traces, each of which takes 16"


def test_a_capture_does_not_block_replays() -> None:
    """A captured shape is replayed during the capture of another one."""
    model: Any = engine_core().model
    capturing, go_on = threading.Event(), threading.Event()

    def forward(
        latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        if latents.shape[0] == 4:
            capturing.set()
            assert go_on.wait(20)
        output: torch.Tensor = model.forward(latents, timesteps, conditioning)
        return output

    graph_cache = GraphCache(forward, CPU)
    graph_cache(*batch(2))

    def call() -> None:
        with torch.inference_mode():
            graph_cache(*batch(4))

    other = threading.Thread(target=call)
    other.start()
    try:
        assert capturing.wait(20)
        assert torch.equal(graph_cache(*batch(2)), model.forward(*batch(2)))
    finally:
        go_on.set()
        other.join()


def test_a_torch_without_the_private_functions_runs_eagerly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has one warning."""
    monkeypatch.delattr(torch._C, "_create_graph_by_tracing")
    model: Any = engine_core().model
    graph_cache = GraphCache(model.forward, CPU)
    for _ in range(2):
        assert torch.equal(graph_cache(*batch(2)), model.forward(*batch(2)))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cannot capture" in caplog.text


def test_a_capture_leaves_the_warning_filters_alone() -> None:
    """All threads share the filters, so overlapping temporary changes could become permanent."""
    filters: list[object] = []

    def forward(
        latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        filters.append(warnings.filters)
        return latents + 1

    GraphCache(forward, CPU)(*batch(2))
    assert filters
    assert all(active is warnings.filters for active in filters)


class FakeCuda:
    """The part of torch.cuda that a capture uses, without a GPU: streams and pools are numbers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = 0
        self.fails = False
        self.pools: list[int] = []
        """The pool of each capture, in order."""
        handles = itertools.count(1)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self.stream)
        monkeypatch.setattr(
            torch.cuda, "set_stream", lambda stream: setattr(self, "stream", stream)
        )
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: next(handles))
        cuda = self

        class FakeGraph:
            """A graph that returns its first input."""

            def __init__(self, *args: Any) -> None:  # noqa: ANN401 - as _CudaGraph
                self._pool: int = args[-1]
                cuda.pools.append(self._pool)
                if cuda.fails:
                    cuda.stream = 7
                    raise RuntimeError(
                        "CUDA error: operation not permitted when stream is capturing"
                    )

            def pool(self) -> int:
                """The pool in which it was captured."""
                return self._pool

            def __call__(self, latents: torch.Tensor, *_: object) -> torch.Tensor:
                """Return the first input; nothing is computed."""
                return latents

        monkeypatch.setattr(graphs, "_CudaGraph", FakeGraph)

    def graph_cache(self) -> GraphCache:
        """A cache on the fake GPU."""
        device = Device(torch.device("cuda", 0), torch.float32, 1)
        return GraphCache(lambda latents, timesteps, conditioning: latents, device, max_graphs=2)


def test_graphs_share_the_pool_of_cached_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool without graphs is not used again, because torch rejects it."""
    cuda = FakeCuda(monkeypatch)
    graph_cache = cuda.graph_cache()
    cuda.fails = True
    graph_cache(*batch(1))
    cuda.fails = False
    for rows in (2, 3, 4):
        graph_cache(*batch(rows))
    assert cuda.pools == [1, 2, 2, 2]
    for rows in (50, 60):  # too large for graphs; their entries replace the cached graphs
        graph_cache(*batch(rows, 64))
    graph_cache(*batch(5))
    assert cuda.pools == [1, 2, 2, 2, 3]


def test_a_failed_capture_restores_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is computed eagerly, on the stream that was current before the capture."""
    cuda = FakeCuda(monkeypatch)
    cuda.fails = True
    inputs = batch(2)
    assert torch.equal(cuda.graph_cache()(*inputs), inputs[0])
    assert cuda.stream == 0
