"""The LoRAs that a model can use: which files fit, their weights, and the layers that they change.

A layer that a LoRA changes is wrapped when the LoRA is first loaded. Without steered rows in its
thread, a wrapped layer does what it did before.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import torch

from engine.contract import Adapter, AdapterCard
from engine.device import Device
from engine.errors import EngineError, InvalidJob, first_line
from engine.steering.active import steered_rows
from engine.steering.adapters import ImageAdapters
from engine.steering.lora_layout import UNET, Network, Unsuitable, layout_of
from engine.steering.lora_weights import LoraWeights, load_weights
from engine.weights.header import read_header
from engine.weights.loras import LoraFile, Loras

CACHE_BYTES: Final = 2 * 2**30
"""Weights of LoRAs are kept up to this size beyond the pictures that use them; the least recently
used ones are dropped first."""
_MAX_SHOWN: Final = 10
"""LoRAs in a warning."""
_Key = tuple[str, str]
"""Name and revision."""
log = logging.getLogger(__name__)


class OfferedAdapters(NamedTuple):
    """The LoRAs of a model."""

    cards: tuple[AdapterCard, ...]
    refused: Mapping[str, str]
    """By the name of each one that cannot be used, a sentence that says why."""


class _Offer(NamedTuple):
    file: LoraFile
    components: frozenset[str]
    """Those that it changes."""


class AdapterStore:
    """The LoRAs of one model. Any thread may use it."""

    def __init__(
        self,
        components: Mapping[str, torch.nn.Module],
        device: Device,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """`components` are those of the pipeline that LoRAs may change, by their names."""
        self._device = device
        self._cache_bytes = cache_bytes
        self._networks = {name: Network.of(module) for name, module in components.items()}
        self._offers: dict[_Key, _Offer] = {}
        self._checked: dict[str, frozenset[str] | str] = {}
        """For each revision, the components that it changes, or why the model cannot use it."""
        self._loaded: WeakValueDictionary[_Key, LoraWeights] = WeakValueDictionary()
        self._cached: OrderedDict[_Key, LoraWeights] = OrderedDict()
        self._wrapped: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        """Held for moments: the threads of forward passes ask for `bytes`."""
        self._loading = threading.Lock()
        """Held while weights are loaded, so that none are loaded twice."""

    def offer(self, loras: Loras, model: str) -> OfferedAdapters:
        """Use these files from now on; `model` is the model's name in sentences.

        Pictures in progress keep those that they have.
        """
        offers: dict[_Key, _Offer] = {}
        refused = dict(loras.refused)
        checked: dict[str, frozenset[str] | str] = {}
        unsuitable = []
        for file in loras.files.values():
            result = self._checked.get(file.sha256)
            if result is None:
                result = self._check(file)
                if isinstance(result, str):
                    unsuitable.append(f"{file.name} ({result})")
            checked[file.sha256] = result
            if isinstance(result, str):
                refused[file.name] = (
                    f"The LoRA {file.name} cannot be used with the model {model}: {result}."
                )
            else:
                offers[file.name, file.sha256] = _Offer(file, result)
        with self._lock:
            self._offers, self._checked = offers, checked
        _warn(model, unsuitable)
        cards = tuple(_card(offer.file) for offer in offers.values())
        return OfferedAdapters(cards, refused)

    def images(self, adapters: Sequence[Adapter]) -> ImageAdapters | None:
        """The LoRAs of an image, loaded; None if it has none.

        Raises InvalidJob, with a sentence for the user, if one is not there; RuntimeError or
        MemoryError if one does not fit in memory.
        """
        if not adapters:
            return None
        return ImageAdapters(tuple((self._weights(item), item.scale) for item in adapters))

    def of_text_encoders(self, adapters: Sequence[Adapter]) -> tuple[Adapter, ...]:
        """Those that change a text encoder."""
        return tuple(item for item in adapters if self._components(item) - {UNET})

    @property
    def bytes(self) -> int:
        """Of the weights in memory."""
        with self._lock:
            return sum(weights.bytes for weights in self._loaded.values())

    def to_host(self) -> None:
        """Move all weights to the host's memory; none may be in use."""
        self._move(torch.device("cpu"))

    def to_device(self) -> None:
        """Move them back. Raises RuntimeError or MemoryError if they do not fit."""
        self._move(self._device.torch_device)

    def _move(self, device: torch.device) -> None:
        with self._lock:
            for weights in list(self._loaded.values()):
                weights.move(device)

    def _check(self, file: LoraFile) -> frozenset[str] | str:
        try:
            layout = layout_of(file, read_header(file.path, file.name), self._networks)
        except EngineError as error:  # it was removed or replaced in between
            return f"it cannot be read ({first_line(error).rstrip('.')})"
        except Unsuitable as error:
            return str(error)
        return frozenset(layer.component for layer in layout)

    def _components(self, adapter: Adapter) -> frozenset[str]:
        offer = self._offers.get((adapter.name, adapter.revision))
        return self._weights(adapter).components if offer is None else offer.components

    def _weights(self, adapter: Adapter) -> LoraWeights:
        key = adapter.name, adapter.revision
        with self._loading:
            weights = self._loaded.get(key)
            if weights is None:
                weights = self._load(key)
            with self._lock:
                self._loaded[key] = weights
                self._cached[key] = weights
                self._cached.move_to_end(key)
                while sum(item.bytes for item in self._cached.values()) > self._cache_bytes:
                    self._cached.popitem(last=False)
        return weights

    def _load(self, key: _Key) -> LoraWeights:
        offer = self._offers.get(key)
        if offer is None:
            raise InvalidJob(f"The LoRA {key[0]} was removed. Choose another one.")
        weights = load_weights(offer.file, self._networks, self._device)
        for component, path in weights.layers.keys() - self._wrapped:
            _wrap(self._networks[component].layers[path], (component, path))
            self._wrapped.add((component, path))
        return weights


def _wrap(layer: torch.nn.Module, place: tuple[str, str]) -> None:
    forward: Callable[[torch.Tensor], torch.Tensor] = layer.forward
    # An instance attribute takes precedence in Module.__call__.
    layer.forward = partial(_adapted, layer, place, forward)


def _adapted(
    layer: torch.nn.Module,
    place: tuple[str, str],
    forward: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
) -> torch.Tensor:
    """The output of a layer, with what the adapters of steered images add to their rows."""
    output = forward(inputs)
    for steered in steered_rows():
        adapters, rows = steered.steering.adapters, steered.rows
        if adapters is not None:
            adapters.add(place, layer, inputs[rows], output[rows])
    return output


def _card(file: LoraFile) -> AdapterCard:
    return AdapterCard(
        name=file.name,
        revision=file.sha256,
        triggers=file.triggers,
        data_sha256=file.data_sha256,
    )


def _warn(model: str, unsuitable: Sequence[str]) -> None:
    """`unsuitable` has the name of each LoRA, and why the model cannot use it."""
    if unsuitable:
        rest = len(unsuitable) - _MAX_SHOWN
        log.warning(
            "The model %s cannot use %d of the LoRAs: %s%s.",
            *(model, len(unsuitable), ", ".join(unsuitable[:_MAX_SHOWN])),
            f", and {rest} more" if rest > 0 else "",
        )
