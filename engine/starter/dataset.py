"""Render random scenes in parallel, into memory."""

import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from engine.starter.scenes import Scene, draw_scene, random_scene

CHUNK = 250


@dataclass(frozen=True)
class RenderedScenes:
    """Scenes of one size, and their pictures: uint8, (n, 3, height, width)."""

    scenes: list[Scene]
    pictures: Tensor


def render_scenes(
    count: int,
    size: tuple[int, int],
    seed: int,
    sample: Callable[[random.Random], Scene] = random_scene,
) -> RenderedScenes:
    """`count` scenes from `sample`, rendered at `size` pixels; the seed determines all of them."""
    chunks = range(-(-count // CHUNK))
    work = partial(_render_chunk, size=size, seed=seed, sample=sample)
    with ProcessPoolExecutor() as pool:
        rendered = list(tqdm(pool.map(work, chunks), f"scenes {size}", len(chunks), mininterval=2))
    scenes = list(chain.from_iterable(scenes for scenes, _ in rendered))[:count]
    pictures = np.concatenate([pictures for _, pictures in rendered])[:count]
    return RenderedScenes(scenes, torch.from_numpy(pictures).permute(0, 3, 1, 2))


def sample_scenes(
    count: int,
    size: tuple[int, int],
    seed: int,
    sample: Callable[[random.Random], Scene] = random_scene,
) -> list[Scene]:
    """The scenes that `render_scenes` renders, without their pictures."""
    chunks = range(-(-count // CHUNK))
    return [s for chunk in chunks for s in _sample_chunk(chunk, size, seed, sample)[1]][:count]


def _sample_chunk(
    chunk: int, size: tuple[int, int], seed: int, sample: Callable[[random.Random], Scene]
) -> tuple[random.Random, list[Scene]]:
    rng = random.Random(f"{seed}/{size}/{chunk}")  # noqa: S311 - a seed, not a secret
    return rng, [sample(rng) for _ in range(CHUNK)]


def _render_chunk(
    chunk: int, *, size: tuple[int, int], seed: int, sample: Callable[[random.Random], Scene]
) -> tuple[list[Scene], NDArray[np.uint8]]:
    rng, scenes = _sample_chunk(chunk, size, seed, sample)
    pictures = [np.asarray(draw_scene(scene, size, rng)) for scene in scenes]
    return scenes, np.stack(pictures)


def to_range(pictures: Tensor) -> Tensor:
    """uint8 pictures as floats from -1 to 1, the input of the autoencoder."""
    return pictures.float() / 127.5 - 1.0
