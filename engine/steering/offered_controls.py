"""The controls that a model offers, and what they make of the input images of a recipe."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import torch
from PIL import Image

from engine.contract import Control, ControlCard, Recipe
from engine.device import Device
from engine.errors import InvalidJob
from engine.imaging.control_images import control_image
from engine.steering.control_kinds import UNION_TYPES, preprocessors_of, shows_lines
from engine.steering.control_networks import (
    Condition,
    ControlNet,
    ControlNetwork,
    FeatureAdapter,
    UnionControlNet,
    image_tensor,
)
from engine.steering.controls import ActingSteps, Features, ImageControls, NetworkControls

MAX_ENCODED: Final = 8
"""Control images whose encodings are cached, such as those of the pictures of one job."""


class OfferedControl(NamedTuple):
    """A control that a model offers."""

    kind: str
    revision: str
    network: ControlNetwork

    @property
    def card(self) -> ControlCard:
        """What the bot receives."""
        return ControlCard(
            kind=self.kind, revision=self.revision, preprocessors=preprocessors_of(self.kind)
        )


class OfferedControls:
    """The controls that a model offers. Thread-safe."""

    def __init__(self, device: Device, offered: Sequence[OfferedControl] = ()) -> None:
        self._device = device
        self._networks = {control.kind: control.network for control in offered}
        self._encoded: OrderedDict[tuple[object, ...], tuple[torch.Tensor, ...]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def networks(self) -> tuple[ControlNetwork, ...]:
        """Those of the controls."""
        return tuple(self._networks.values())

    def clear(self) -> None:
        """Drop the encodings of control images."""
        with self._lock:
            self._encoded.clear()

    @torch.inference_mode()
    def for_image(self, recipe: Recipe, images: Mapping[str, Image.Image]) -> ImageControls | None:
        """The controls of an image of this recipe, made of its input images; None without any.

        Raises InvalidJob if a control image is empty, or does not suit its network.
        """
        unions: dict[ControlNet, list[tuple[Condition, ActingSteps]]] = {}
        networks: list[NetworkControls] = []
        features: list[Features] = []
        for control in recipe.controls:
            network = self._networks[control.kind]
            steps = ActingSteps(control.start, control.end)
            tensors = self._encode(network, control, recipe.size, images)
            if isinstance(network, FeatureAdapter):
                features.append(
                    Features(tuple(tensor * control.scale for tensor in tensors), steps)
                )
                continue
            condition = Condition(tensors[0], UNION_TYPES.get(control.kind, 0), control.scale)
            if isinstance(network, UnionControlNet):
                unions.setdefault(network, []).append((condition, steps))
            else:
                networks.append(NetworkControls(network, (condition,), (steps,)))
        for union, pairs in unions.items():
            networks.append(NetworkControls(union, *map(tuple, zip(*pairs, strict=True))))
        if not (networks or features):
            return None
        return ImageControls(tuple(networks), tuple(features))

    def _encode(
        self,
        network: ControlNetwork,
        control: Control,
        size: tuple[int, int],
        images: Mapping[str, Image.Image],
    ) -> tuple[torch.Tensor, ...]:
        """What a network makes of a control image once: its embedding, or its features."""
        key = control.kind, control.image, control.preprocessor, size
        with self._lock:
            encoded = self._encoded.get(key)
        if encoded is None:
            image = _control_image(control, size, images[control.image])
            encoded = _encoded(network, control.kind, image, self._device)
            with self._lock:
                self._encoded[key] = encoded
                if len(self._encoded) > MAX_ENCODED:
                    self._encoded.popitem(last=False)
        return encoded


def _encoded(
    network: ControlNetwork, kind: str, image: Image.Image, device: Device
) -> tuple[torch.Tensor, ...]:
    if not isinstance(network, FeatureAdapter):
        return (network.embedding(image_tensor(image, device)),)
    multiple = network.size_multiple
    if image.width % multiple or image.height % multiple:
        raise InvalidJob(
            f"The control {kind} needs widths and heights that are multiples of {multiple}; this "
            f"picture has {image.width} x {image.height} pixels."
        )
    return network.features(image_tensor(image.convert("L") if network.is_grey else image, device))


def _control_image(control: Control, size: tuple[int, int], image: Image.Image) -> Image.Image:
    has_lines = shows_lines(control.kind)
    try:
        return control_image(image, *size, control.preprocessor, has_lines=has_lines)
    except ValueError as error:
        raise InvalidJob(str(error)) from error
