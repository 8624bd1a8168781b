"""The length of a chunk of a prompt, by the configs of its tokenizer and its text encoder."""

from collections.abc import Mapping
from typing import Any, Final

_CLIP_TOKENS: Final = 77
"""transformers' default of CLIP text encoders whose configs do not say it."""
_LEAST: Final = 3
"""The tokens that begin and end a chunk, and one between them."""


def prompt_length(model_max_length: object, text_encoder: Mapping[str, Any]) -> int:
    """The tokens of a chunk with those that begin and end it.

    It is `model_max_length` in the config of the tokenizer, if the text encoder with this config
    has a position for each of them, else the number of its positions: some tokenizers have no
    length, or transformers' very large number in place of it.
    """
    positions = text_encoder.get("max_position_embeddings", _CLIP_TOKENS)
    if type(positions) is not int or positions < _LEAST:
        positions = _CLIP_TOKENS
    if type(model_max_length) is int and _LEAST <= model_max_length <= positions:
        return model_max_length
    return positions
