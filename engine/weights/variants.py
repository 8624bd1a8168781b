"""Variants of weights, such as `model.fp16.safetensors` beside or instead of `model.safetensors`.

The names are those of diffusers and transformers, for one file or several shards.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

_WEIGHTS: Final = re.compile(
    r"(?:model|diffusion_pytorch_model)"
    r"(?:\.(?P<variant>\w+))?(?:-\d{5}-of-\d{5})?(?:\.(?P<older>\w+))?\.safetensors"
)
_INDEX: Final = re.compile(
    r"(?:model|diffusion_pytorch_model)\.safetensors\.index(?:\.(?P<variant>\w+))?(?P<older>)\.json"
)


def variant_of(file: str) -> str | None:
    """The variant of a file of weights, "" for the full weights; None for other files."""
    match = _WEIGHTS.fullmatch(file) or _INDEX.fullmatch(file)
    return (match["variant"] or match["older"] or "") if match else None


def choose_variant(files: Iterable[str], *, prefer_fp16: bool) -> str | None:
    """The variant to load from a folder with these files; None if there are no weights.

    The order of preference is the full weights, `fp16` (with `prefer_fp16` the reverse), others.
    """
    variants = {variant for variant in map(variant_of, files) if variant is not None}
    preferred = ("fp16", "") if prefer_fp16 else ("", "fp16")
    return next((name for name in (*preferred, *sorted(variants)) if name in variants), None)


def with_one_variant(paths: Iterable[str], *, prefer_fp16: bool) -> list[str]:
    """The paths without weights of other variants than the chosen one of each folder."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folders[str(PurePosixPath(path).parent)].append(path)
    return [
        path
        for inside in folders.values()
        for path in _of_one_variant(inside, prefer_fp16=prefer_fp16)
    ]


def _of_one_variant(paths: list[str], *, prefer_fp16: bool) -> list[str]:
    files = [PurePosixPath(path).name for path in paths]
    chosen = choose_variant(files, prefer_fp16=prefer_fp16)
    return [
        path for path, file in zip(paths, files, strict=True) if variant_of(file) in (chosen, None)
    ]
