"""CUDA graphs are captured once for each shape, without a GPU: torch's functions are replaced."""

import itertools
from typing import Any

import pytest
import torch

from engine.device import Device
from engine.models import graphs
from engine.models.base import Conditioning
from engine.models.graphs import GraphCache
from tests.tiny_model import TOKENS, WIDTH


def batch(
    rows: int, side: int = 8, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, Conditioning]:
    """Random inputs of the tiny model."""
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(rows, 4, side, side, generator=generator)
    embeds = torch.randn(rows, TOKENS, WIDTH, generator=generator)
    timesteps = torch.rand(rows, generator=generator) * 999
    return latents, timesteps, {"encoder_hidden_states": embeds}


class FakeCuda:
    """The part of torch.cuda that a capture uses, without a GPU: streams and pools are numbers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = 0
        self.fails = False
        self.error = RuntimeError("CUDA error: operation not permitted when stream is capturing")
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
                    raise cuda.error

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


def test_the_least_recently_used_graph_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of graphs is bounded, because users choose the sizes."""
    cuda = FakeCuda(monkeypatch)
    graph_cache = cuda.graph_cache()
    for rows in (1, 2, 1, 3, 1, 2):  # 3 replaces 2, which was used least recently
        graph_cache(*batch(rows))
    assert len(cuda.pools) == 4
    shapes = {rows: batch(rows) for rows in (1, 2, 3)}
    assert [
        graph_cache.is_captured(latents, conditioning)
        for latents, _, conditioning in shapes.values()
    ] == [True, True, False]


def test_a_dropped_shape_is_captured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs for latents of other shapes stay; those of the shape go with any conditioning."""
    cuda = FakeCuda(monkeypatch)
    graph_cache, (one, other) = cuda.graph_cache(), (batch(1), batch(2))
    graph_cache(*one)
    graph_cache(*other)
    graph_cache.drop(one[0].shape)
    assert not graph_cache.is_captured(one[0], one[2])
    assert graph_cache.is_captured(other[0], other[2])
    graph_cache(*one)
    assert len(cuda.pools) == 3


def test_a_pass_that_cannot_be_captured_runs_eagerly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call returns the result, and the log has a warning."""
    cuda = FakeCuda(monkeypatch)
    graph_cache, inputs = cuda.graph_cache(), batch(2)
    cuda.fails = True
    assert torch.equal(graph_cache(*inputs), inputs[0])
    assert not graph_cache.is_captured(inputs[0], inputs[2])
    assert "cannot capture" in caplog.text


def test_out_of_memory_in_a_capture_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass does not run eagerly instead."""
    cuda = FakeCuda(monkeypatch)
    cuda.fails, cuda.error = True, torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(torch.OutOfMemoryError):
        cuda.graph_cache()(*batch(2))


def test_on_a_cpu_nothing_is_captured() -> None:
    """The pass itself is called."""
    graph_cache = GraphCache(
        lambda latents, timesteps, conditioning: latents + 1,
        Device(torch.device("cpu"), torch.float32, 1),
    )
    inputs = batch(2)
    assert torch.equal(graph_cache(*inputs), inputs[0] + 1)
    assert not graph_cache.is_captured(inputs[0], inputs[2])


def test_a_network_whose_weights_are_moved_is_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is one of `forward`."""
    cuda = FakeCuda(monkeypatch)
    device = Device(torch.device("cuda"), torch.float32, 1)
    cache = GraphCache(lambda latents, *_: latents + 1, device, can_capture=False)
    latents, timesteps, conditioning = batch(2)
    assert torch.equal(cache(latents, timesteps, conditioning), latents + 1)
    assert not cuda.pools
    assert not cache.is_captured(latents, conditioning)
