"""The forward pass of each shape of batch, recorded once and then replayed without Python.

A forward pass of a small model, or on a fast GPU, is over sooner than Python can ask for its next
operation. A recording asks for all of them at once: on a GPU it is a CUDA graph, on a CPU a
TorchScript trace, which also lets several threads work at the same time. Both do the same
operations as before, so they make the same bits.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import torch

from engine.device import Device
from engine.device.errors import is_device_lost, is_out_of_memory
from engine.device.memory import CAPTURE_LOCK
from engine.models.base import Words

KEPT: Final = 32
"""Recordings; beyond that, the one that was used longest ago goes. On a CPU, one of the starter
model's takes 18 MiB beside the weights, which are shared."""
GRAPH_LIMIT: Final = 16 * 64 * 64
"""Rows times latent pixels: in larger batches a GPU is the slower of the two, and a graph would
only take memory."""
_WARM_UP: Final = 3
log = logging.getLogger(__name__)

Forward = Callable[[torch.Tensor, torch.Tensor, Words], torch.Tensor]
_Key = tuple[tuple[str, torch.Size], ...]


class Captured:
    """Replays `forward` for shapes that it has seen. On a GPU, an answer is good until the next."""

    def __init__(self, forward: Forward, device: Device) -> None:
        self._forward = forward
        self._device = device
        self._recordings: OrderedDict[_Key, Forward] = OrderedDict()
        self._looking = threading.Lock()
        self._recording = threading.Lock()
        """Held for long; whoever looks for what is recorded already does not wait for it."""

    def __call__(
        self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words
    ) -> torch.Tensor:
        """What `forward` returns."""
        return self._replay(latents, timesteps, words)(latents, timesteps, words)

    def _replay(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> Forward:
        key = (("", latents.shape), *((name, told.shape) for name, told in words.items()))
        found = self._known(key)
        if found is not None:
            return found
        with self._recording:
            found = self._known(key)
            if found is None:
                found = self._record(latents, timesteps, words)
                self._keep(key, found)
        return found

    def _known(self, key: _Key) -> Forward | None:
        with self._looking:
            found = self._recordings.get(key)
            if found is not None:
                self._recordings.move_to_end(key)
            return found

    def _keep(self, key: _Key, recording: Forward) -> None:
        with self._looking:
            self._recordings[key] = recording
            if len(self._recordings) > KEPT:
                self._recordings.popitem(last=False)

    def _record(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> Forward:
        try:
            if self._device.torch_device.type == "cuda":
                if len(latents) * latents.shape[-1] * latents.shape[-2] <= GRAPH_LIMIT:
                    with CAPTURE_LOCK:
                        return self._graph(latents, timesteps, words)
            elif self._device.can_batch:
                return _Trace(self._forward, latents, timesteps, words)
        except Exception as error:
            if is_out_of_memory(error) or is_device_lost(error):
                raise
            log.warning("batches of %s cannot be recorded", tuple(latents.shape), exc_info=error)
        return self._forward

    def _graph(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> Forward:
        before = torch.cuda.current_stream()
        try:
            return _Graph(self._forward, latents, timesteps, words, self._pool())
        finally:  # a capture that fails leaves the thread on the stream that it was made on
            torch.cuda.set_stream(before)

    def _pool(self) -> Any:  # noqa: ANN401 - a handle without a type
        """That of the graphs that are kept, or a new one: torch takes no pool that was left."""
        with self._looking:
            kept = [each for each in self._recordings.values() if isinstance(each, _Graph)]
        return kept[0].pool() if kept else torch.cuda.graph_pool_handle()


class _Trace:
    """TorchScript (https://docs.pytorch.org/docs/stable/generated/torch.jit.trace.html)."""

    def __init__(
        self, forward: Forward, latents: torch.Tensor, timesteps: torch.Tensor, words: Words
    ) -> None:
        self._names = tuple(words)

        def plain(
            latents: torch.Tensor, timesteps: torch.Tensor, *told: torch.Tensor
        ) -> torch.Tensor:
            return forward(latents, timesteps, dict(zip(self._names, told, strict=True)))

        with torch.inference_mode(mode=False), torch.no_grad():
            like = [torch.zeros(each.shape, dtype=each.dtype) for each in (latents, timesteps)]
            told = [torch.zeros(each.shape, dtype=each.dtype) for each in words.values()]
            named = ["latents", "timesteps", *self._names]
            self._script = _compiled(plain, [*like, *told], named)

    def __call__(
        self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words
    ) -> torch.Tensor:
        """What `forward` returns."""
        told = (words[name] for name in self._names)
        predicted: torch.Tensor = self._script(latents, timesteps, *told)
        return predicted


def _compiled(
    plain: Callable[..., torch.Tensor], like: list[torch.Tensor], names: list[str]
) -> Callable[..., torch.Tensor]:
    """As `torch.jit.trace` makes it of a function, but in a compilation unit of its own: torch's
    own one lives for ever, and with it each recording's megabytes.

    No other torch than the one in constraints.txt need have these functions; without them, nothing
    is recorded.
    """
    from torch.jit._trace import _create_interpreter_name_lookup_fn

    graph, _ = torch._C._create_graph_by_tracing(
        plain, tuple(like), _create_interpreter_name_lookup_fn(), True, False, None, names
    )
    compiled: Callable[..., torch.Tensor] = torch._C.CompilationUnit().create_function(
        "plain", graph
    )
    return compiled


class _Graph:
    """CUDA graph (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs)."""

    def __init__(
        self,
        forward: Forward,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        words: Words,
        pool: Any,  # noqa: ANN401 - a handle without a type
    ) -> None:
        self._latents, self._timesteps = latents.clone(), timesteps.clone()
        self._words = {name: told.clone() for name, told in words.items()}
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP):
                forward(self._latents, self._timesteps, self._words)
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads decode meanwhile, and may ask for memory.
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._predicted = forward(self._latents, self._timesteps, self._words)

    def pool(self) -> Any:  # noqa: ANN401 - a handle without a type
        """Where its memory is from."""
        return self._graph.pool()

    def __call__(
        self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words
    ) -> torch.Tensor:
        """What `forward` returns; good until the next call."""
        self._latents.copy_(latents)
        self._timesteps.copy_(timesteps)
        for name, told in words.items():
            self._words[name].copy_(told)
        self._graph.replay()
        return self._predicted
