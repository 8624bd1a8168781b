"""The structure of a transformer, by the names of its tensors and by its config.

Transformers of one family and width may still differ: those of Stable Diffusion 3 and 3.5 medium
in the norms of queries and keys and in their dual attention, others in the number of blocks.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from engine.weights.checkpoint_names import Kind

_RMS_NORM: Final = "rms_norm"
"""The norm of Stable Diffusion 3.5."""
_DEFAULTS: Final[Mapping[str, object]] = {"qk_norm": None, "dual_attention_layers": []}
"""Of diffusers, for keys that configs of Stable Diffusion 3 may lack."""
_BLOCKS: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.SD3: {"num_layers": r"(?:joint|transformer)_blocks"},
    Kind.FLUX_2_KLEIN: {
        "num_layers": r"(?:double|transformer)_blocks",
        "num_single_layers": r"single_(?:transformer_)?blocks",
    },
    Kind.Z_IMAGE: {"n_layers": r"layers", "n_refiner_layers": r"(?:noise|context)_refiner"},
}
"""For each key of the config that is a number of blocks, what is before the number of a block in
the names of the authors or of diffusers."""


def structure(kind: Kind, names: Iterable[str]) -> dict[str, object]:
    """What tensors with these names say about keys of a config; `kind` has a transformer."""
    names = list(names)
    result: dict[str, object] = {
        key: 1 + max(_numbers(rf"{prefix}\.(\d{{1,9}})\.", names), default=-1)
        for key, prefix in _BLOCKS[kind].items()
    }
    if kind is Kind.SD3:
        has_norms = any(".ln_q." in name or ".attn.norm_q." in name for name in names)
        result["qk_norm"] = _RMS_NORM if has_norms else None
        attention = r"(?:joint|transformer)_blocks\.(\d{1,9})\.(?:x_block\.)?attn2\."
        dual = set(_numbers(attention, names))
        result["dual_attention_layers"] = sorted(dual)
    return result


def has_structure(config: Mapping[str, object], values: Mapping[str, object]) -> bool:
    """Whether a transformer's config has these values."""
    return all(config.get(key, _DEFAULTS.get(key)) == value for key, value in values.items())


def _numbers(pattern: str, names: Iterable[str]) -> Iterable[int]:
    return (int(match[1]) for match in map(re.compile(pattern).match, names) if match)
