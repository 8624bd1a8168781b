"""The starter model's pictures match their prompts."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from engine.starter.evaluate import HERE, flags
from engine.starter.evaluator import classify, detect_colours
from engine.starter.export import load_classifier
from engine.starter.sampling import as_tensor, paint
from engine.starter.scenes import Scene, Thing
from engine.weights.model_folder import STARTER_FOLDER

MAX_WEIGHT_BYTES = 25 * 1000 * 1000


@pytest.fixture(scope="module")
def pipeline() -> Iterator[StableDiffusionPipeline]:
    """diffusers' own pipeline with the shipped weights and no safety checker."""
    pipeline = StableDiffusionPipeline.from_pretrained(STARTER_FOLDER)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.safety_checker = None
    yield pipeline


def shares(pipeline: StableDiffusionPipeline, prompt: str, scene: Scene) -> tuple[float, float]:
    """For eight pictures, the shares with the scene's colours and with its things."""
    pictures = paint(pipeline, [prompt] * 8, seed=4_000, steps=20)
    colours = [detect_colours(p, scene) == tuple(t.colour for t in scene.things) for p in pictures]
    predictions = classify(load_classifier(HERE), as_tensor(pictures))
    kinds = tuple(thing.kind for thing in scene.things)
    things = [prediction.kinds == kinds for prediction in predictions]
    return sum(colours) / 8, sum(things) / 8


def sky(pictures: NDArray[np.uint8]) -> float:
    """Mean level of the top of the pictures."""
    return float(pictures[:, :16].mean())


def test_weights_are_small_and_safe() -> None:
    """All weights together have less than 25 MB, and none is a pickle."""
    files = [path for path in HERE.rglob("*") if path.suffix in {".safetensors", ".bin", ".pt"}]
    assert {path.suffix for path in files} == {".safetensors"}
    assert sum(path.stat().st_size for path in files) < MAX_WEIGHT_BYTES


@pytest.mark.parametrize(("colour", "kind"), [("red", "house"), ("blue", "car"), ("green", "tree")])
def test_a_thing_has_the_colour_of_the_prompt(
    pipeline: StableDiffusionPipeline, colour: str, kind: str
) -> None:
    """Nearly all pictures of a coloured thing show that thing in that colour."""
    scene = Scene((Thing(kind, colour),), "grass", "day")
    coloured, right = shares(pipeline, f"a {colour} {kind} on the grass by day", scene)
    assert coloured >= 0.875
    assert right >= 0.875


def test_the_time_of_day_shows_in_the_sky(pipeline: StableDiffusionPipeline) -> None:
    """The sky at night is far darker than by day."""
    night = paint(pipeline, ["a red house at night"] * 4, seed=1, steps=20)
    day = paint(pipeline, ["a red house by day"] * 4, seed=1, steps=20)
    assert sky(night) < sky(day) / 2


def test_a_negative_prompt_is_avoided(pipeline: StableDiffusionPipeline) -> None:
    """With `night` as negative prompt, skies are brighter than with `day` as negative prompt."""
    skies = []
    for negative in ("night", "day"):
        generators = [torch.Generator().manual_seed(n) for n in range(6)]
        images = pipeline(
            ["a red house"] * 6,
            negative_prompt=[negative] * 6,
            num_inference_steps=20,
            guidance_scale=5.0,
            generator=generators,
        ).images
        skies.append(sky(np.stack([np.asarray(image) for image in images])))
    assert skies[0] > skies[1] + 20


def test_the_checker_flags_unsafe_pictures_only(
    pipeline: StableDiffusionPipeline,
) -> None:
    """The checker flags painted skulls, but not painted houses."""
    complete_pipeline = StableDiffusionPipeline.from_pretrained(STARTER_FOLDER)
    unsafe = paint(pipeline, ["a white skull on the sand by day"] * 8, seed=5, steps=20)
    safe = paint(pipeline, ["a white house on the sand by day"] * 8, seed=5, steps=20)
    results = [
        flags(complete_pipeline, complete_pipeline.safety_checker, as_tensor(p))
        for p in (unsafe, safe)
    ]
    assert sum(results[0]) >= 7
    assert sum(results[1]) == 0
