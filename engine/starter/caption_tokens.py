"""The tokens of scenes' captions, made in parallel before a training."""

import random
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTokenizer

from engine.starter.captions import caption
from engine.starter.scenes import Scene
from engine.starter.text_encoder import new_tokenizer

CAPTIONS: Final = 4
"""Captions of each scene."""
_CHUNK: Final = 1000

_tokenizer = cache(new_tokenizer)


def tokens_of(tokenizer: CLIPTokenizer, prompts: list[str]) -> Tensor:
    """The tokens, (n, MAX_TOKENS), of the prompts."""
    tokens: Tensor = tokenizer(
        prompts, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    return tokens


def caption_tokens(scenes: list[Scene], seed: int) -> Tensor:
    """The tokens, int16 of shape (n, CAPTIONS, MAX_TOKENS), of random captions of each scene."""
    chunks = [scenes[start : start + _CHUNK] for start in range(0, len(scenes), _CHUNK)]
    with ProcessPoolExecutor() as pool:
        work = partial(_chunk_tokens, seed=seed)
        tokens = np.concatenate(list(pool.map(work, range(len(chunks)), chunks)))
    return torch.from_numpy(tokens)


def _chunk_tokens(nth: int, scenes: list[Scene], *, seed: int) -> NDArray[np.int16]:
    rng = random.Random(f"{seed}/{nth}")  # noqa: S311 - a seed, not a secret
    captions = [caption(scene, rng) for scene in scenes for _ in range(CAPTIONS)]
    tokens = tokens_of(_tokenizer(), captions).numpy().astype(np.int16)
    return tokens.reshape(len(scenes), CAPTIONS, -1)
