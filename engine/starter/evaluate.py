"""Measure the starter model on fresh prompts and scenes: `python -m engine.starter.evaluate`.

Prints the table that `engine/starter/README.md` shows. The judges are measured too, on drawn
scenes: where a judge errs there, the model cannot score higher.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from engine.starter.autoencoder import signal_to_noise
from engine.starter.captions import full_caption
from engine.starter.dataset import draw_many
from engine.starter.evaluator import Judge, Sight, colours_seen, look, share
from engine.starter.export import MODEL_FOLDER, load_judge
from engine.starter.objects import UNSAFE
from engine.starter.out_of_distribution import draw_strangers
from engine.starter.sampling import Pictures, as_tensor, paint
from engine.starter.scenes import Scene, Thing, random_scene

HERE: Final = Path(__file__).parent
Table = dict[str, float]


def likeness(judge: Judge, scenes: list[Scene], pictures: Pictures) -> Table:
    """Shares of pictures that show what was asked for."""
    sights = look(judge, as_tensor(pictures))
    pairs = list(zip(scenes, sights, strict=True))
    seen = [colours_seen(p, s) for p, s in zip(pictures, scenes, strict=True)]
    return {
        "colour": share(list(_colours(scenes, seen))),
        "background": share([(s.place, s.time) == (v.place, v.time) for s, v in pairs]),
        "object": share(list(_objects(pairs))),
        "order of two": share([_kinds(s) == v.kinds for s, v in pairs if len(s.things) == 2]),
    }


def _kinds(scene: Scene) -> tuple[str, ...]:
    return tuple(thing.kind for thing in scene.things)


def _colours(scenes: list[Scene], seen: list[tuple[str, ...]]) -> Iterator[bool]:
    for scene, colours in zip(scenes, seen, strict=True):
        for thing, colour in zip(scene.things, colours, strict=True):
            yield thing.colour == colour


def _objects(pairs: list[tuple[Scene, Sight]]) -> Iterator[bool]:
    for scene, sight in pairs:
        for nth, kind in enumerate(_kinds(scene)):
            yield sight.kinds[nth : nth + 1] == (kind,)


def alarms(
    pipeline: StableDiffusionPipeline, checker: StableDiffusionSafetyChecker, pictures: Tensor
) -> list[bool]:
    """Does the safety checker flag each of these uint8 pictures, (n, 3, h, w)?"""
    flags: list[bool] = []
    for part in tqdm(pictures.split(64), "checking", mininterval=2):
        arrays = part.permute(0, 2, 3, 1).numpy()
        images = [Image.fromarray(array) for array in arrays]
        inputs = pipeline.feature_extractor(images, return_tensors="pt").pixel_values
        with torch.no_grad():
            _, flagged = checker(images=arrays.astype(np.float32) / 255, clip_input=inputs)
        flags += [bool(flag) for flag in flagged]
    return flags


def safety(
    pipeline: StableDiffusionPipeline,
    checker: StableDiffusionSafetyChecker,
    count: int,
    safe_paintings: Pictures,
) -> Table:
    """Error rates of the safety checker, on drawn scenes, on painted ones and on strangers."""
    safe = draw_many(count * 5, (128, 128), 901, _safe_scene).pictures
    unsafe = draw_many(count * 5, (128, 128), 902, _unsafe_scene).pictures
    rng = random.Random(903)  # noqa: S311 - a seed, not a secret
    prompts = [full_caption(_unsafe_scene(rng), rng) for _ in range(count // 4)]
    unsafe_paintings = paint(pipeline, prompts, seed=70_000)
    return {
        "false positives, drawn": share(alarms(pipeline, checker, safe)),
        "false negatives, drawn": 1 - share(alarms(pipeline, checker, unsafe)),
        "false positives, painted": share(alarms(pipeline, checker, as_tensor(safe_paintings))),
        "false negatives, painted": 1
        - share(alarms(pipeline, checker, as_tensor(unsafe_paintings))),
        "false positives, strangers": share(alarms(pipeline, checker, _strangers(count, 905, 0.0))),
        "false negatives, strangers": 1
        - share(alarms(pipeline, checker, _strangers(count, 906, 1.0))),
    }


def _strangers(count: int, seed: int, unsafe: float) -> Tensor:
    return draw_strangers(count * 5, seed, unsafe)[0]


def _safe_scene(rng: random.Random) -> Scene:
    return random_scene(rng, unsafe=0.0)


def _unsafe_scene(rng: random.Random) -> Scene:
    scene = random_scene(rng, unsafe=0.0)
    nth = rng.randrange(len(scene.things))
    things = list(scene.things)
    things[nth] = Thing(UNSAFE, things[nth].colour)
    return Scene(tuple(things), scene.place, scene.time)


def main() -> None:
    """Paint, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m engine.starter.evaluate", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="pictures to paint and to draw")
    parser.add_argument("--model", type=Path, default=HERE / MODEL_FOLDER)
    parser.add_argument("--sheet", type=Path, help="write the first 40 pictures here, as a PNG")
    asked = parser.parse_args()
    pipeline = StableDiffusionPipeline.from_pretrained(asked.model, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    judge = load_judge(HERE)
    rng = random.Random(900)  # noqa: S311 - a seed, not a secret
    scenes = [_safe_scene(rng) for _ in range(asked.count)]
    prompts = [full_caption(scene, rng) for scene in scenes]
    checker, pipeline.safety_checker = pipeline.safety_checker, None
    painted = paint(pipeline, prompts, seed=50_000)
    if asked.sheet:
        _sheet(painted[:40]).save(asked.sheet)
    drawn = draw_many(asked.count, (128, 128), 904, _safe_scene)
    ceiling = likeness(judge, drawn.scenes, drawn.pictures.permute(0, 2, 3, 1).numpy())
    clear = signal_to_noise(pipeline.vae, drawn.pictures, torch.device("cpu"))
    _say(f"{'autoencoder':26}{clear:5.1f} dB")
    for what, value in likeness(judge, scenes, painted).items():
        _say(f"{what:26}{value:6.1%}   (drawn scenes: {ceiling[what]:.1%})")
    for what, value in safety(pipeline, checker, asked.count, painted).items():
        _say(f"{what:26}{value:6.2%}")


def _sheet(pictures: Pictures) -> Image.Image:
    """Pictures in rows of eight."""
    rows = -(-len(pictures) // 8)
    sheet = Image.new("RGB", (8 * 132, rows * 132))
    for i, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (i % 8 * 132, i // 8 * 132))
    return sheet


def _say(line: str) -> None:
    print(line)  # noqa: T201 - it is the command's answer


if __name__ == "__main__":
    main()
