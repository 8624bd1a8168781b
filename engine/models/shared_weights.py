"""Networks that several models use, such as controls and image encoders: loaded once for each
device."""

import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeVar
from weakref import WeakSet, WeakValueDictionary

import torch

from engine.device import Device
from engine.models.movable_weights import MovableWeights


class SharedWeights:
    """The weights of such networks; they are on the device as long as those of one of the models
    are."""

    def __init__(self, networks: Iterable[torch.nn.Module], device: Device) -> None:
        self._weights = MovableWeights(networks, device)
        self._users: WeakSet[object] = WeakSet()
        """The models that have them on the device; one may be dropped without a word."""

    @property
    def bytes(self) -> int:
        """Their size."""
        return self._weights.bytes

    def to_device(self, user: object) -> None:
        """Move them to the device for a model. Raises RuntimeError or MemoryError if they do not
        fit."""
        with _lock:
            self._weights.to_device()
            self._users.add(user)

    def to_host(self, user: object) -> None:
        """Free their memory on the device if no other model has them there."""
        with _lock:
            self._users.discard(user)
            if not self._users:
                self._weights.to_host()


Shared = TypeVar("Shared", bound=SharedWeights)
_loaded: Final[WeakValueDictionary[object, SharedWeights]] = WeakValueDictionary()
_lock: Final = threading.RLock()


def load_once(kind: type[Shared], key: tuple[object, ...], load: Callable[[], Shared]) -> Shared:
    """What was loaded for this key and is in use, else what `load` returns."""
    with _lock:
        shared = _loaded.get((kind, *key))
        if not isinstance(shared, kind):
            shared = load()
            _loaded[kind, *key] = shared
        return shared
