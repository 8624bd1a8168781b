"""Quantised weights in diffusers folders, which diffusers and transformers load with packages of
their own."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from engine.errors import MissingDependency, ModelCorrupt
from engine.weights.header import read_header
from engine.weights.model_files import ModelFiles
from engine.weights.variants import variant_of
from engine.weights.weight_types import quantised_tensor

_PACKAGES: Final[Mapping[str, str]] = {
    "bitsandbytes": "bitsandbytes",
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "modelopt": "modelopt",
    "sdnq": "sdnq",
    "torchao": "torchao",
}
"""The module that each `quant_method` needs."""
_REGISTERED_BY_IMPORT: Final = frozenset({"sdnq"})
"""Those without whose import transformers takes packed weights of a text encoder for numbers."""


def check_weights(files: ModelFiles, component: str, config: Mapping[str, Any]) -> None:
    """Raise MissingDependency or ModelCorrupt, with a sentence for the operator, if the weights in
    the folder of a component with this config are quantised in a way that cannot be loaded here, or
    that the config does not say."""
    check_quantization(files.name, component, config)
    if config.get("quantization_config") is not None:
        return
    folder = files.folder / component
    for path in files.weight_files:
        if path.parent == folder and variant_of(path.name) is not None:
            header = read_header(path, f"{component}/{path.name} of the model {files.name}")
            if fault := quantised_tensor(header.tensors):
                raise ModelCorrupt(
                    f"The {component} of the model {files.name} is {fault}, or its config.json "
                    "must have a quantization_config."
                )


def check_quantization(model: str, component: str, config: Mapping[str, Any]) -> None:
    """Raise MissingDependency or ModelCorrupt, with a sentence for the operator, if the weights of
    a component with this config are quantised in a way that cannot be loaded here."""
    quantization = config.get("quantization_config")
    if quantization is None:
        return
    method = quantization.get("quant_method") if isinstance(quantization, dict) else None
    if not isinstance(method, str) or method not in _PACKAGES:
        raise ModelCorrupt(
            f"The {component} of the model {model} is quantised in an unknown way; these are "
            f"supported: {', '.join(_PACKAGES)}."
        )
    if find_spec(_PACKAGES[method]) is None:
        raise MissingDependency(
            f"The {component} of the model {model} is quantised ({method}), for which the package "
            f"{_PACKAGES[method]} is needed: install it."
        )
    if method in _REGISTERED_BY_IMPORT:
        import_module(_PACKAGES[method])
