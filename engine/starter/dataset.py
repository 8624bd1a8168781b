"""Scenes by the thousand, drawn by all cores and kept in memory."""

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
class Drawn:
    """Scenes of one size, and their pictures: uint8, (n, 3, height, width)."""

    scenes: list[Scene]
    pictures: Tensor


def draw_many(
    count: int,
    size: tuple[int, int],
    seed: int,
    think: Callable[[random.Random], Scene] = random_scene,
) -> Drawn:
    """`count` scenes thought up by `think`, drawn at `size` pixels; the seed fixes them all."""
    chunks = range(-(-count // CHUNK))
    work = partial(_draw_chunk, size=size, seed=seed, think=think)
    with ProcessPoolExecutor() as pool:
        done = list(tqdm(pool.map(work, chunks), f"scenes {size}", len(chunks), mininterval=2))
    scenes = list(chain.from_iterable(scenes for scenes, _ in done))[:count]
    pictures = np.concatenate([pictures for _, pictures in done])[:count]
    return Drawn(scenes, torch.from_numpy(pictures).permute(0, 3, 1, 2))


def think_many(
    count: int,
    size: tuple[int, int],
    seed: int,
    think: Callable[[random.Random], Scene] = random_scene,
) -> list[Scene]:
    """The scenes that `draw_many` draws, without their pictures."""
    chunks = range(-(-count // CHUNK))
    return [s for chunk in chunks for s in _think_chunk(chunk, size, seed, think)[1]][:count]


def _think_chunk(
    chunk: int, size: tuple[int, int], seed: int, think: Callable[[random.Random], Scene]
) -> tuple[random.Random, list[Scene]]:
    rng = random.Random(f"{seed}/{size}/{chunk}")  # noqa: S311 - a seed, not a secret
    return rng, [think(rng) for _ in range(CHUNK)]


def _draw_chunk(
    chunk: int, *, size: tuple[int, int], seed: int, think: Callable[[random.Random], Scene]
) -> tuple[list[Scene], NDArray[np.uint8]]:
    rng, scenes = _think_chunk(chunk, size, seed, think)
    pictures = [np.asarray(draw_scene(scene, size, rng)) for scene in scenes]
    return scenes, np.stack(pictures)


def to_range(pictures: Tensor) -> Tensor:
    """uint8 pictures as floats from -1 to 1, as the autoencoder wants them."""
    return pictures.float() / 127.5 - 1.0
