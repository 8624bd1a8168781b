"""Safety checkers that are image classifiers, loaded with transformers from safetensors."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image

from engine.contract import Verdict
from engine.device import Device
from engine.device.errors import load_failure
from engine.errors import MissingDependency, ModelCorrupt, ModelNotFound
from engine.safety.labels import LabelRule, rule_for
from engine.weights.hub import download_snapshot
from engine.weights.model_folder import (
    LOAD_ERRORS,
    find_folder,
    may_be_hub_id,
    require_safetensors,
    variant_in,
)

_CONFIG: Final = "config.json"
_FILES: Final = (_CONFIG, "preprocessor_config.json", "*.safetensors", "*.safetensors.index*.json")
"""The files of a classifier; pickles and code are neither read nor downloaded."""


class Classifier:
    """An image classifier that flags an image by the summed probability of its unsafe labels."""

    def __init__(
        self,
        name: str,
        network: Any,  # noqa: ANN401 - transformers has no types here
        processor: Any,  # noqa: ANN401 - likewise
        rule: LabelRule,
        device: Device,
    ) -> None:
        self.name = name
        self._network = network
        self._processor = processor
        self._rule = rule
        self._device = device

    @torch.inference_mode()
    def check(self, image: Image.Image) -> Verdict:
        """The score is the sum of the unsafe labels' probabilities.

        Raises ValueError if a probability is not finite or there are more of them than labels.
        """
        pixel_values = self._processor(image, return_tensors="pt")["pixel_values"]
        pixel_values = pixel_values.to(self._device.torch_device, torch.float32)
        logits = self._network(pixel_values=pixel_values).logits[0]
        probabilities = logits.float().softmax(-1).tolist()
        labels = [label.casefold() for label in _labels(self._network.config.id2label)]
        unsafe = [
            probability
            for probability, label in zip(probabilities, labels, strict=True)
            if label not in self._rule.safe
        ]
        is_finite = all(map(math.isfinite, probabilities))
        score = min(1.0, math.fsum(unsafe)) if is_finite else math.nan
        return Verdict(checker=self.name, score=score, flagged=score >= self._rule.threshold)


def load(name: str, device: Device) -> Classifier:
    """Load the classifier of this hub id or folder; its files are downloaded if they are missing.

    Raises ModelNotFound, ModelGated, ModelCorrupt, NoSafetyChecker or MissingDependency, with a
    sentence for the operator.
    """
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    folder = _folder(name)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        network, info = AutoModelForImageClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            variant=variant_in(folder),
            output_loading_info=True,
            **options,
        )
        processor = AutoImageProcessor.from_pretrained(folder, **options)
    except ImportError as error:
        raise MissingDependency(
            f"The checker {name} cannot be loaded with transformers alone: it needs the packages "
            "timm and torchvision as well. Install them with `pip install imagine-bot[timm]`."
        ) from error
    except LOAD_ERRORS as error:
        raise load_failure(error, f"the checker {name}", partial(_corrupt_error, name)) from error
    if gaps := [*info["missing_keys"], *info["mismatched_keys"]]:
        raise _corrupt_error(name, f"{len(gaps)} of its weights are missing or damaged")
    rule = rule_for(name, _labels(network.config.id2label))
    return Classifier(name, network.eval().to(device.torch_device), processor, rule, device)


def _labels(id2label: Mapping[int, str]) -> list[str]:
    """The labels in the order of the network's outputs."""
    return [id2label[index] for index in sorted(id2label)]


def _folder(name: str) -> Path:
    folder = find_folder(name, f"the checker {name}")
    if folder is None:
        if not may_be_hub_id(name):
            raise ModelNotFound(
                f"There is no checker {name}: give `model`, a folder, or a hub id such as "
                "Falconsai/nsfw_image_detection."
            )
        folder = download_snapshot(name, _FILES)
    if not (folder / _CONFIG).is_file():
        raise _corrupt_error(name, f"it has no {_CONFIG}")
    require_safetensors(f"The checker {name}", folder)
    return folder


def _corrupt_error(name: str, cause: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"The checker {name} cannot be loaded; it is damaged, incomplete, or not an image "
        f"classifier of transformers: {cause}"
    )
