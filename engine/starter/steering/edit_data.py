"""Render the pairs of pictures that edits are learned from."""

import random
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from engine.starter.scenes import random_scene
from engine.starter.steering.data import CHUNK, COUNTS, WEIGHTS, Arrays, stack_rows, tokens_array
from engine.starter.steering.edits import EditPair, draw_side, instruction, random_pair
from engine.starter.steering.instruction_labels import instruction_labels

WORDINGS: Final = 6
"""Instructions for each direction of a pair."""
PAIR_PICTURES: Final = ("before", "after")
TRAINED_CHANGES: Final = (7, 7, 26, 30, 30)
"""Instead of CHANGE_WEIGHTS: edits of things are more difficult than those of time and place."""


def pairs_file(folder: Path, size: tuple[int, int]) -> Path:
    """The file of the pairs of this size.

    It has `before` and `after`: latents, fp16; `instructions`: tokens, (n, 2, WORDINGS,
    MAX_TOKENS), that lead from the first picture to the second and back; and their `labels`,
    (n, 2, len(LABEL_SIZES)).
    """
    return folder / f"pairs-{size[0]}x{size[1]}.pt"


def render_pairs(chunk: int, *, size: tuple[int, int], seed: int) -> Arrays:
    """The arrays of CHUNK pairs; `before` and `after` are uint8, (n, height, width, 3)."""
    rng = random.Random(f"pairs/{seed}/{size}/{chunk}")  # noqa: S311 - a seed, not a secret
    rows = []
    for nth in range(CHUNK):
        scene = random_scene(rng, unsafe=0.0, counts=COUNTS, weights=WEIGHTS)
        drawing = f"pairs/{seed}/{size}/{chunk}/{nth}"
        pair = random_pair(scene, size, drawing, TRAINED_CHANGES)
        rows.append(_row(pair, size, drawing, rng))
    return stack_rows(rows)


def _row(pair: EditPair, size: tuple[int, int], drawing: str, rng: random.Random) -> Arrays:
    ways = (pair, pair.reversed())
    before, after = (_picture(way, size, drawing) for way in ways)
    words = [[instruction(way, rng) for _ in range(WORDINGS)] for way in ways]
    return {
        "before": np.asarray(before),
        "after": np.asarray(after),
        "instructions": np.stack([tokens_array(texts) for texts in words]),
        "labels": np.stack([instruction_labels(way) for way in ways]),
    }


def _picture(pair: EditPair, size: tuple[int, int], drawing: str) -> Image.Image:
    return draw_side(pair.before, pair.before_places, size, drawing)
