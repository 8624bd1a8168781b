"""Evaluate the starter model on new prompts and scenes: `python -m engine.starter.evaluate`.

It prints the numbers of `engine/starter/README.md`. The classifiers are also evaluated on rendered
scenes, where their accuracy is an upper bound for that of the model.
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
from engine.starter.dataset import render_scenes
from engine.starter.evaluator import share
from engine.starter.export import MODEL_FOLDER
from engine.starter.objects import UNSAFE
from engine.starter.out_of_distribution import draw_out_of_distribution
from engine.starter.sampling import Painter, Pictures, as_tensor, load_painter, paint
from engine.starter.scene_classifier import (
    Prediction,
    SceneClassifier,
    classify,
    detect_colours,
    load_classifier,
)
from engine.starter.scenes import Scene, Thing, random_scene
from engine.weights.model_folder import STARTER

HERE: Final = Path(__file__).parent
Table = dict[str, float]


def scene_accuracy(classifier: SceneClassifier, scenes: list[Scene], pictures: Pictures) -> Table:
    """Shares of the pictures that match their scenes."""
    predictions = classify(classifier, as_tensor(pictures))
    pairs = list(zip(scenes, predictions, strict=True))
    colours = [detect_colours(p, s) for p, s in zip(pictures, scenes, strict=True)]
    return {
        "colour": share(list(_colours(scenes, colours))),
        "background": share([(s.place, s.time) == (v.place, v.time) for s, v in pairs]),
        "object": share(list(_objects(pairs))),
        "order of two": share([_kinds(s) == v.kinds for s, v in pairs if len(s.things) == 2]),
    }


def _kinds(scene: Scene) -> tuple[str, ...]:
    return tuple(thing.kind for thing in scene.things)


def _colours(scenes: list[Scene], detected: list[tuple[str, ...]]) -> Iterator[bool]:
    for scene, colours in zip(scenes, detected, strict=True):
        for thing, colour in zip(scene.things, colours, strict=True):
            yield thing.colour == colour


def _objects(pairs: list[tuple[Scene, Prediction]]) -> Iterator[bool]:
    for scene, prediction in pairs:
        for nth, kind in enumerate(_kinds(scene)):
            yield prediction.kinds[nth : nth + 1] == (kind,)


def flags(
    pipeline: StableDiffusionPipeline, checker: StableDiffusionSafetyChecker, pictures: Tensor
) -> list[bool]:
    """Whether the safety checker flags each of these uint8 pictures, (n, 3, h, w)."""
    has_concept: list[bool] = []
    for part in tqdm(pictures.split(64), "checking", mininterval=2):
        arrays = part.permute(0, 2, 3, 1).numpy()
        images = [Image.fromarray(array) for array in arrays]
        inputs = pipeline.feature_extractor(images, return_tensors="pt").pixel_values
        with torch.no_grad():
            _, flagged = checker(images=arrays.astype(np.float32) / 255, clip_input=inputs)
        has_concept += [bool(flag) for flag in flagged]
    return has_concept


def safety(
    painter: Painter,
    checker: StableDiffusionSafetyChecker,
    count: int,
    safe_paintings: Pictures,
) -> Table:
    """Error rates of the safety checker on rendered, painted and out-of-distribution pictures."""
    safe = render_scenes(count * 5, (128, 128), 901, _safe_scene).pictures
    unsafe = render_scenes(count * 5, (128, 128), 902, _unsafe_scene).pictures
    rng = random.Random(903)  # noqa: S311 - a seed, not a secret
    prompts = [full_caption(_unsafe_scene(rng), rng) for _ in range(count // 4)]
    pipeline = painter.pipeline
    unsafe_paintings = paint(pipeline, prompts, 70_000, painter.steps, painter.guidance)
    return {
        "false positives, rendered": share(flags(pipeline, checker, safe)),
        "false negatives, rendered": 1 - share(flags(pipeline, checker, unsafe)),
        "false positives, painted": share(flags(pipeline, checker, as_tensor(safe_paintings))),
        "false negatives, painted": 1
        - share(flags(pipeline, checker, as_tensor(unsafe_paintings))),
        "false positives, other": share(
            flags(pipeline, checker, _out_of_distribution(count, 905, 0.0))
        ),
        "false negatives, other": 1
        - share(flags(pipeline, checker, _out_of_distribution(count, 906, 1.0))),
    }


def _out_of_distribution(count: int, seed: int, unsafe: float) -> Tensor:
    return draw_out_of_distribution(count * 5, seed, unsafe)[0]


def _safe_scene(rng: random.Random) -> Scene:
    return random_scene(rng, unsafe=0.0)


def _unsafe_scene(rng: random.Random) -> Scene:
    scene = random_scene(rng, unsafe=0.0)
    nth = rng.randrange(len(scene.things))
    things = list(scene.things)
    things[nth] = Thing(UNSAFE, things[nth].colour)
    return Scene(tuple(things), scene.place, scene.time)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.starter.evaluate", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="pictures to paint and to render")
    parser.add_argument("--model", default=STARTER, help="as in IMAGINE_MODEL")
    parser.add_argument("--sheet", type=Path, help="write the first 40 pictures here, as a PNG")
    options = parser.parse_args()
    painter = load_painter(options.model)
    classifier = load_classifier(HERE)
    rng = random.Random(900)  # noqa: S311 - a seed, not a secret
    scenes = [_safe_scene(rng) for _ in range(options.count)]
    prompts = [full_caption(scene, rng) for scene in scenes]
    checker = StableDiffusionSafetyChecker.from_pretrained(
        HERE / MODEL_FOLDER / "safety_checker", use_safetensors=True
    )
    painted = paint(painter.pipeline, prompts, 50_000, painter.steps, painter.guidance)
    if options.sheet:
        _sheet(painted[:40]).save(options.sheet)
    rendered = render_scenes(options.count, (128, 128), 904, _safe_scene)
    ceiling = scene_accuracy(
        classifier, rendered.scenes, rendered.pictures.permute(0, 2, 3, 1).numpy()
    )
    psnr = signal_to_noise(painter.pipeline.vae, rendered.pictures, torch.device("cpu"))
    _print(f"{'autoencoder':26}{psnr:5.1f} dB")
    for name, value in scene_accuracy(classifier, scenes, painted).items():
        _print(f"{name:26}{value:6.1%}   (rendered scenes: {ceiling[name]:.1%})")
    for name, value in safety(painter, checker, options.count, painted).items():
        _print(f"{name:26}{value:6.2%}")


def _sheet(pictures: Pictures) -> Image.Image:
    """Pictures in rows of eight."""
    rows = -(-len(pictures) // 8)
    sheet = Image.new("RGB", (8 * 132, rows * 132))
    for i, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (i % 8 * 132, i // 8 * 132))
    return sheet


def _print(line: str) -> None:
    print(line)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
