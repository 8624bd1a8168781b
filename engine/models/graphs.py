"""CUDA graphs: forward passes captured once for each batch shape, and replayed without Python.

With a small model or a fast GPU, Python launches the operations of a forward pass more slowly than
they run. A captured pass launches all of them at once. It has the same operations and gives the
same bits. On other devices nothing is captured.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import torch

from engine.device import Device
from engine.device.errors import is_device_lost, is_out_of_memory
from engine.device.memory import CAPTURE_LOCK
from engine.models.base import Conditioning

MAX_GRAPHS: Final = 32
"""Maximum number of graphs in a cache; the least recently used one is dropped."""
GRAPH_LIMIT: Final = 16 * 64 * 64
"""Maximum of rows times latent pixels. In larger batches the operations run longer than Python
needs to launch them, so a graph would only take memory."""
_WARMUP_PASSES: Final = 3
log = logging.getLogger(__name__)

Forward = Callable[[torch.Tensor, torch.Tensor, Conditioning], torch.Tensor]
_Key = tuple[tuple[str, torch.Size], ...]


class GraphCache:
    """Calls `forward` through a graph, captured at the first call with inputs of these shapes.

    On a GPU, a returned tensor is valid until the next call. Thread-safe.
    """

    def __init__(
        self,
        forward: Forward,
        device: Device,
        max_graphs: int = MAX_GRAPHS,
        *,
        can_capture: bool = True,
    ) -> None:
        """Without `can_capture` all calls run in eager mode, as a network must whose weights are
        moved during its forward pass."""
        self._can_capture = can_capture and device.torch_device.type == "cuda"
        self._forward = forward
        self._max_graphs = max_graphs
        self._graphs: OrderedDict[_Key, Forward] = OrderedDict()
        self._graphs_lock = threading.Lock()
        self._capturing = threading.Lock()
        """Held during a capture; not the lock of `_graphs`, because a capture takes long."""

    def __call__(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        """What `forward` returns."""
        if not self._can_capture:
            return self._forward(latents, timesteps, conditioning)
        graph = self._graph_for(latents, timesteps, conditioning)
        return graph(latents, timesteps, conditioning)

    def is_captured(self, latents: torch.Tensor, conditioning: Conditioning) -> bool:
        """Whether there is a graph for inputs of these shapes; without one they run in eager
        mode."""
        graph = self._lookup(_key(latents, conditioning))
        return graph is not None and graph is not self._forward

    def drop(self, shape: torch.Size) -> None:
        """Drop the graphs for latents of this shape; none may be in use."""
        with self._graphs_lock:
            for key in [key for key in self._graphs if key[0][1] == shape]:
                del self._graphs[key]

    def clear(self) -> None:
        """Drop all graphs; none may be in use."""
        with self._graphs_lock:
            self._graphs.clear()

    def _graph_for(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> Forward:
        key = _key(latents, conditioning)
        graph = self._lookup(key)
        if graph is not None:
            return graph
        with self._capturing:
            graph = self._lookup(key)
            if graph is None:
                graph = self._capture(latents, timesteps, conditioning)
                self._store(key, graph)
        return graph

    def _lookup(self, key: _Key) -> Forward | None:
        with self._graphs_lock:
            graph = self._graphs.get(key)
            if graph is not None:
                self._graphs.move_to_end(key)
            return graph

    def _store(self, key: _Key, graph: Forward) -> None:
        with self._graphs_lock:
            self._graphs[key] = graph
            if len(self._graphs) > self._max_graphs:
                self._graphs.popitem(last=False)

    def _capture(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> Forward:
        """A graph, or `forward` itself if a graph would be useless or cannot be captured."""
        try:
            if len(latents) * latents.shape[-1] * latents.shape[-2] <= GRAPH_LIMIT:
                with CAPTURE_LOCK:
                    return self._capture_cuda(latents, timesteps, conditioning)
        except RuntimeError as error:
            if is_out_of_memory(error) or is_device_lost(error):
                raise
            log.warning(
                "cannot capture batches of %s; they run in eager mode",
                tuple(latents.shape),
                exc_info=error,
            )
        return self._forward

    def _capture_cuda(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> Forward:
        stream = torch.cuda.current_stream()
        try:
            return _CudaGraph(self._forward, latents, timesteps, conditioning, self._pool())
        finally:  # a failed capture leaves its stream as the thread's current stream
            torch.cuda.set_stream(stream)

    def _pool(self) -> Any:  # noqa: ANN401 - an opaque handle
        """The memory pool of the cached graphs. Without any, a new one: torch rejects a pool whose
        graphs have all been deleted."""
        with self._graphs_lock:
            graphs = [graph for graph in self._graphs.values() if isinstance(graph, _CudaGraph)]
        return graphs[0].pool() if graphs else torch.cuda.graph_pool_handle()


def _key(latents: torch.Tensor, conditioning: Conditioning) -> _Key:
    return ("", latents.shape), *((name, tensor.shape) for name, tensor in conditioning.items())


@cache
def _warmup_stream() -> torch.cuda.Stream:
    """One for all captures: torch hands out 32 streams in turn, so that after many new ones this
    would be the stream of another thread."""
    return torch.cuda.Stream()


class _CudaGraph:
    """A CUDA graph (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs)."""

    def __init__(
        self,
        forward: Forward,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        pool: Any,  # noqa: ANN401 - an opaque handle
    ) -> None:
        self._latents, self._timesteps = latents.clone(), timesteps.clone()
        self._conditioning = {name: tensor.clone() for name, tensor in conditioning.items()}
        side_stream = _warmup_stream()
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(_WARMUP_PASSES):
                forward(self._latents, self._timesteps, self._conditioning)
        torch.cuda.current_stream().wait_stream(side_stream)
        self._graph = torch.cuda.CUDAGraph()
        # thread_local: the postprocessor may allocate memory in its thread meanwhile.
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._output = forward(self._latents, self._timesteps, self._conditioning)

    def pool(self) -> Any:  # noqa: ANN401 - an opaque handle
        """The memory pool of the graph's tensors."""
        return self._graph.pool()

    def __call__(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        """What `forward` returns; valid until the next call."""
        self._latents.copy_(latents)
        self._timesteps.copy_(timesteps)
        for name, tensor in conditioning.items():
            self._conditioning[name].copy_(tensor)
        self._graph.replay()
        return self._output
