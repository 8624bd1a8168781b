"""Render what the trainings of this package learn from, in parallel, and encode it."""

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from engine.starter.caption_tokens import CAPTIONS, tokens_of
from engine.starter.captions import caption
from engine.starter.dataset import to_range
from engine.starter.safety import SIDE
from engine.starter.scenes import Generators, Scene, draw_scene_with, random_scene
from engine.starter.steering.examples import Example, labels, random_example
from engine.starter.steering.scribbles import scribble
from engine.starter.steering.styles import STYLES, TRIGGERS
from engine.starter.text_encoder import new_tokenizer

CHUNK: Final = 50
"""Scenes that a process renders at once."""
STYLED: Final = 10
"""One in so many scenes is rendered in each style too."""
COUNTS: Final = (1, 2)
"""Numbers of things in a scene."""
WEIGHTS: Final = {"robot": 2, "cat": 2}
"""Of kinds that are more difficult than others, as in `random_scene`."""
Arrays = dict[str, NDArray[np.generic]]
RenderChunk = Callable[..., Arrays]
"""Renders the chunk of a number, with `size` and `seed`."""
Part = dict[str, Tensor]
"""Tensors of scenes of one size, (n, ...) each, by name:

- `latents`, fp16, and `counts` of things; `tokens`, (n, CAPTIONS, MAX_TOKENS), of its captions;
- `scribbles`: uint8, (n, height, width);
- `examples`: uint8, (n, 2, 3, SIDE, SIDE), and their `labels`; `prompts`: tokens, (n, 2, CAPTIONS,
  MAX_TOKENS), of prompts that lead from each example to the scene;
- for one in STYLED of the scenes, for example in the style `pencil`: `pencil_pictures`, uint8,
  (n, 3, height, width), `pencil_tokens` of their captions, and their `pencil_counts` of things.
"""
_tokenizer = cache(new_tokenizer)


@dataclass(frozen=True)
class Rendering:
    """How many scenes of which size to render, and their seed."""

    count: int
    size: tuple[int, int]
    seed: int


def render_part(
    rendering: Rendering,
    vae: AutoencoderKL,
    device: torch.device,
    file: Path | None = None,
    *,
    render: RenderChunk | None = None,
    pictures: tuple[str, ...] = ("latents",),
) -> Part:
    """The rendered and encoded scenes, determined by the seed, which are also written to `file`.

    `render` renders a chunk; it is `render_chunk` if not given. The arrays named in `pictures` are
    encoded.
    """
    chunks = range(-(-rendering.count // CHUNK))
    work = partial(render or render_chunk, size=rendering.size, seed=rendering.seed)
    with ProcessPoolExecutor() as pool:
        results = pool.map(work, chunks)  # the processes start before the device is used
        vae = vae.to(device).eval()
        bar = tqdm(results, f"scenes {rendering.size}", len(chunks), mininterval=2)
        parts = [encoded(chunk, vae, device, pictures) for chunk in bar]
    part = {name: torch.cat([chunk[name] for chunk in parts]) for name in parts[0]}
    if file is not None:
        draft = file.with_suffix(".tmp")
        torch.save(part, draft)
        draft.replace(file)
    return part


def part_file(folder: Path, size: tuple[int, int]) -> Path:
    """The file of the part of this size."""
    return folder / f"steering-{size[0]}x{size[1]}.pt"


def load_parts(folder: Path) -> list[Part]:
    """The parts that `render_part` wrote into the folder."""
    return [torch.load(file, weights_only=True) for file in sorted(folder.glob("steering-*.pt"))]


@torch.inference_mode()
def encoded(
    arrays: Arrays, vae: AutoencoderKL, device: torch.device, pictures: tuple[str, ...]
) -> Part:
    """The arrays of a chunk as tensors, with latents instead of the named pictures."""
    part = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for name in pictures:
        pixels = part[name].to(device).permute(0, 3, 1, 2)
        part[name] = vae.encode(to_range(pixels)).latent_dist.mode().half().cpu()
    return part


def render_chunk(chunk: int, *, size: tuple[int, int], seed: int) -> Arrays:
    """The arrays of CHUNK scenes; `latents` are uint8 pictures still, (n, height, width, 3)."""
    rng = random.Random(f"steering/{seed}/{size}/{chunk}")  # noqa: S311 - a seed, not a secret
    rows = []
    for nth in range(CHUNK):
        scene = random_scene(rng, unsafe=0.0, counts=COUNTS, weights=WEIGHTS)
        rows.append(dict(_row(scene, size, f"{seed}/{size}/{chunk}/{nth}", rng, nth)))
    return stack_rows(rows)


def stack_rows(rows: Iterable[Arrays]) -> Arrays:
    """The arrays of all rows by name; a row may lack some of them."""
    stacked: dict[str, list[NDArray[np.generic]]] = {}
    for row in rows:
        for name, array in row.items():
            stacked.setdefault(name, []).append(array)
    return {name: np.stack(arrays) for name, arrays in stacked.items()}


def _row(
    scene: Scene, size: tuple[int, int], seed: str, rng: random.Random, nth: int
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    picture = draw_scene_with(scene, size, Generators.separate(seed))
    yield "latents", np.asarray(picture)
    yield "counts", np.array(len(scene.things))
    yield "tokens", tokens_array([caption(scene, rng) for _ in range(CAPTIONS)])
    yield "scribbles", scribble(scene, picture, Generators.separate(seed), rng)
    examples = [random_example(scene, rng, changed=changed) for changed in (False, True)]
    yield "examples", np.stack([_example_picture(example, rng) for example in examples])
    yield "labels", np.stack([labels(example.scene) for example in examples])
    yield "prompts", np.stack([tokens_array(example.prompts) for example in examples])
    if nth % STYLED == 0:
        yield from _styled(scene, picture, rng)


def _styled(
    scene: Scene, picture: Image.Image, rng: random.Random
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    for style, restyle in STYLES.items():
        yield f"{style}_pictures", np.asarray(restyle(picture)).transpose(2, 0, 1)
        texts = [styled_caption(scene, TRIGGERS[style], rng) for _ in range(CAPTIONS)]
        yield f"{style}_tokens", tokens_array(texts)
        yield f"{style}_counts", np.array(len(scene.things))


def styled_caption(scene: Scene, trigger: str, rng: random.Random) -> str:
    """A caption of the scene, mostly with the words that name the style."""
    text = caption(scene, rng)
    return rng.choice((f"{text}, {trigger}", f"{trigger}, {text}", f"{trigger} of {text}", text))


def _example_picture(example: Example, rng: random.Random) -> NDArray[np.uint8]:
    """The example's picture, drawn anew, (3, SIDE, SIDE)."""
    size = rng.choice(((SIDE, SIDE), (SIDE, SIDE), (80, 48), (48, 80)))
    seed = str(rng.random())
    picture = draw_scene_with(example.scene, size, Generators.separate(seed))
    if picture.size != (SIDE, SIDE):
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(picture).transpose(2, 0, 1)


def tokens_array(texts: list[str]) -> NDArray[np.int16]:
    """The tokens, (n, MAX_TOKENS), of the texts."""
    return tokens_of(_tokenizer(), texts).numpy().astype(np.int16)
