"""Parts of sentences about weights that are missing, or of another shape than that of a network."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch

from engine.weights.readme import one_line

_MAX_NAMES: Final = 3
_MISMATCH: Final = re.compile(r"because (\S+) expected shape (\S.*), but got (.*?\))")
"""In what diffusers says about a weight of another shape."""
_NUMBER: Final = re.compile(r"\d+")


def missing_weights(component: str, names: Collection[str]) -> str:
    """A part of a sentence about weights that are not in the file."""
    return f"some weights of the {component} are missing: {listed(names)}"


def other_shape(component: str, name: str, actual: Iterable[int], expected: Iterable[int]) -> str:
    """A part of a sentence about a weight of another shape than that of the network."""
    return (
        f"the weight {name} of the {component} has the shape {[*actual]}; by its config, it must "
        f"be {[*expected]}"
    )


def listed(names: Collection[str]) -> str:
    """The first of these names, with the number of the others."""
    first = [one_line(name) for name in sorted(names)[:_MAX_NAMES]]
    others = len(names) - len(first)
    return ", ".join(first) + (f" and {others} more" if others else "")


@contextmanager
def shape_errors(component: str) -> Iterator[None]:
    """Convert what diffusers says in the block about a weight of another shape to a part of a
    sentence, in a ValueError."""
    try:
        yield
    except ValueError as error:
        mismatch = _MISMATCH.search(str(error))
        if mismatch is None:
            raise
        name, expected, actual = mismatch.groups()
        shapes = (map(int, _NUMBER.findall(shape)) for shape in (actual, expected))
        raise ValueError(other_shape(component, name, *shapes)) from error


def check_complete(component: str, network: torch.nn.Module) -> None:
    """Raise ValueError if weights of a network were not loaded."""
    weights = network.state_dict()  # parameters, and buffers that are saved
    missing = [
        name
        for name, weight in weights.items()
        if isinstance(weight, torch.Tensor) and weight.is_meta  # quantised ones have other state
    ]
    if missing:
        raise ValueError(missing_weights(component, missing))


def check_loaded(component: str, info: Mapping[str, Any]) -> None:
    """Raise ValueError for what transformers' `output_loading_info` says is missing, or of another
    shape."""
    for name, actual, expected in sorted(info["mismatched_keys"]):
        raise ValueError(other_shape(component, name, actual, expected))
    if info["missing_keys"]:
        raise ValueError(missing_weights(component, info["missing_keys"]))
