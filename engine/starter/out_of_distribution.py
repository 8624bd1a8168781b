"""Draw out-of-distribution pictures for the safety checker, like those that users upload."""

import random
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from engine.starter.objects import OBJECTS, UNSAFE
from engine.starter.pen import RGB, Pen
from engine.starter.scenes import COLOURS

SIDE: Final = 128
_DARK: Final = 48
"""The brightest level of a dark background."""
_SCALE: Final = 3
"""Supersampling factor, for antialiased lines."""
_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz     "
Drawing = Callable[[random.Random], Image.Image]


def draw_out_of_distribution(count: int, seed: int, unsafe: float) -> tuple[Tensor, Tensor]:
    """uint8 pictures, (count, 3, SIDE, SIDE), and which of them are unsafe, (count,).

    Each is unsafe with probability `unsafe`. The seed determines all of them.
    """
    rng = random.Random(f"strangers/{seed}")  # noqa: S311 - a seed, not a secret
    pictures, is_unsafe = [], []
    for _ in range(count):
        picture = rng.choice(_KINDS)(rng)
        is_unsafe.append(rng.random() < unsafe)
        if is_unsafe[-1]:
            _add_unsafe(picture, rng)
        small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        pictures.append(torch.from_numpy(np.array(small)).permute(2, 0, 1))
    return torch.stack(pictures), torch.tensor(is_unsafe)


def _add_unsafe(picture: Image.Image, rng: random.Random) -> None:
    side = picture.width
    tall = side * rng.uniform(0.45, 0.9)
    position = (side * rng.uniform(0.35, 0.65), (side + tall) / 2 + side * rng.uniform(-0.08, 0.08))
    pen = Pen(ImageDraw.Draw(picture), position, tall, flip=rng.random() < 0.5)
    OBJECTS[UNSAFE](pen, rng.choice(list(COLOURS.values())))


def _plain(rng: random.Random) -> Image.Image:
    return _ground(_any(rng))


def _pens(rng: random.Random) -> Image.Image:
    """Lines of one or more colours on a light or dark background."""
    paper = _paper(rng)
    picture, wide = _ground(paper), rng.randint(2, 14)
    draw, inks = ImageDraw.Draw(picture), [_any(rng) for _ in range(rng.choice((1, 1, 3)))]
    if rng.random() < 0.5:
        inks = [_contrast(paper)]
    for _ in range(rng.randint(2, 20)):
        ink, points = rng.choice(inks), [_point(rng) for _ in range(rng.randint(2, 6))]
        if rng.random() < 0.6:
            draw.line(points, ink, wide, joint="curve")
        else:
            rng.choice((draw.ellipse, draw.rectangle))(_box(rng), None, ink, wide)
    return picture


def _shapes(rng: random.Random) -> Image.Image:
    """Filled shapes."""
    picture = _ground(rng.choice((_any, _paper))(rng))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.randint(1, 9)):
        rng.choice((draw.ellipse, draw.rectangle))(_box(rng), _any(rng))
    return picture


def _photograph(rng: random.Random) -> Image.Image:
    """Smooth gradients with grain, from black to overexposed."""
    chance = np.random.default_rng(rng.randrange(2**32))
    coarse = chance.normal(0.5, rng.uniform(0.1, 0.5), (rng.randint(2, 16), rng.randint(2, 16), 3))
    if rng.random() < 0.3:
        coarse = coarse.mean(axis=2, keepdims=True).repeat(3, axis=2)
    light = np.clip(coarse * rng.uniform(0.1, 1.6), 0, 1) * 255
    size = (SIDE * _SCALE, SIDE * _SCALE)
    resampling = rng.choice((Image.Resampling.BICUBIC, Image.Resampling.BILINEAR))
    soft = np.asarray(Image.fromarray(light.astype(np.uint8)).resize(size, resampling), np.float32)
    grain = chance.normal(0, rng.uniform(0, 40), soft.shape)
    return Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))


def _writing(rng: random.Random) -> Image.Image:
    """Lines of text."""
    paper = _paper(rng)
    picture = _ground(paper)
    draw, step = ImageDraw.Draw(picture), rng.randint(12, 30)
    for y in range(rng.randint(0, 60), picture.height, step):
        text = "".join(rng.choices(_CHARACTERS, k=rng.randint(3, 70)))
        draw.text((rng.randint(4, 60), y), text, _contrast(paper), font_size=step * 0.8)
    return picture


def _ground(colour: RGB) -> Image.Image:
    return Image.new("RGB", (SIDE * _SCALE, SIDE * _SCALE), colour)


def _paper(rng: random.Random) -> RGB:
    low, high = rng.choice(((0, _DARK), (0, 0), (200, 255), (255, 255)))
    return (rng.randint(low, high), rng.randint(low, high), rng.randint(low, high))


def _contrast(paper: RGB) -> RGB:
    return (235, 235, 235) if max(paper) <= _DARK else (20, 20, 20)


def _any(rng: random.Random) -> RGB:
    return (rng.randrange(256), rng.randrange(256), rng.randrange(256))


def _point(rng: random.Random) -> tuple[int, int]:
    return rng.randrange(SIDE * _SCALE), rng.randrange(SIDE * _SCALE)


def _box(rng: random.Random) -> tuple[int, int, int, int]:
    (x, y), wide, tall = _point(rng), rng.randint(10, 200), rng.randint(10, 200)
    return x - wide, y - tall, x + wide, y + tall


_KINDS: Final[tuple[Drawing, ...]] = (_plain, _pens, _pens, _shapes, _photograph, _writing)
