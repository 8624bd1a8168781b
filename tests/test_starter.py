"""The starter model's pictures match their prompts."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from engine.models.defaults import STARTER_GUIDANCE
from engine.starter.evaluate import HERE, flags
from engine.starter.sampling import Painter, as_tensor, load_painter, paint
from engine.starter.scene_classifier import classify, detect_colours, load_classifier
from engine.starter.scenes import Scene, Thing
from engine.weights.model_files import find_model_files
from engine.weights.model_folder import (
    EDIT_STARTER_FILE,
    FEW_STEP_STARTER,
    FEW_STEP_STARTER_FILE,
    STARTER,
    STARTER_FOLDER,
)
from tests.engine_parts import job, load_engine_core, recipe, rendered_images

PROMPTS = ("a red house at night", "a green tree", "a blue car left of a pink bird")

MAX_MODEL_BYTES = 30 * 1000 * 1000


@pytest.fixture(scope="module")
def pipeline() -> Iterator[StableDiffusionPipeline]:
    """diffusers' own pipeline with the shipped weights and no safety checker."""
    pipeline = StableDiffusionPipeline.from_pretrained(STARTER_FOLDER)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.safety_checker = None
    yield pipeline


@pytest.fixture(scope="module")
def painter() -> Painter:
    """diffusers' own pipeline with the few-step model, sampled as its name says."""
    return load_painter(FEW_STEP_STARTER)


def shares(painter: Painter, prompt: str, scene: Scene) -> tuple[float, float]:
    """For eight pictures, the shares with the scene's colours and with its things."""
    pictures = paint(painter.pipeline, [prompt] * 8, 4_000, painter.steps, painter.guidance)
    colours = [detect_colours(p, scene) == tuple(t.colour for t in scene.things) for p in pictures]
    predictions = classify(load_classifier(HERE), as_tensor(pictures))
    kinds = tuple(thing.kind for thing in scene.things)
    things = [prediction.kinds == kinds for prediction in predictions]
    return sum(colours) / 8, sum(things) / 8


def sky(pictures: NDArray[np.uint8]) -> float:
    """Mean level of the top of the pictures."""
    return float(pictures[:, :16].mean())


def test_weights_are_small_and_safe() -> None:
    """Those of both models together have less than 30 MB, those of all else too, and none is a
    pickle."""
    files = [path for path in HERE.rglob("*") if path.suffix in {".safetensors", ".bin", ".pt"}]
    assert {path.suffix for path in files} == {".safetensors"}
    in_model = {path for path in files if path.is_relative_to(STARTER_FOLDER)} - {EDIT_STARTER_FILE}
    assert sum(path.stat().st_size for path in in_model) < MAX_MODEL_BYTES
    steering = set(files) - in_model
    assert sum(path.stat().st_size for path in steering) < MAX_MODEL_BYTES


@pytest.mark.parametrize(("colour", "kind"), [("red", "house"), ("blue", "car"), ("green", "tree")])
def test_a_thing_has_the_colour_of_the_prompt(
    pipeline: StableDiffusionPipeline, colour: str, kind: str
) -> None:
    """Nearly all pictures of a coloured thing show that thing in that colour."""
    scene = Scene((Thing(kind, colour),), "grass", "day")
    prompt = f"a {colour} {kind} on the grass by day"
    coloured, right = shares(Painter(pipeline, 20, STARTER_GUIDANCE), prompt, scene)
    assert coloured >= 0.875
    assert right >= 0.875


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("a blue car on the grass by day", Scene((Thing("car", "blue"),), "grass", "day")),
        (
            "a red mushroom to the left of a green tree in the snow at sunset",
            Scene((Thing("mushroom", "red"), Thing("tree", "green")), "snow", "sunset"),
        ),
    ],
)
def test_a_few_steps_are_enough(painter: Painter, prompt: str, scene: Scene) -> None:
    """Without guidance, nearly all pictures show the things of the prompt in their colours."""
    assert (painter.steps, painter.guidance) == (8, 1.0)
    coloured, right = shares(painter, prompt, scene)
    assert coloured >= 0.875
    assert right >= 0.875


def test_the_engine_paints_the_few_step_model_as_diffusers_does(painter: Painter) -> None:
    """With the defaults of its card, alone and in company, no level differs by more than 2."""
    core = load_engine_core(FEW_STEP_STARTER)
    card = core.model.card
    recipes = [
        recipe(
            core,
            prompt=prompt,
            seed=50 + n,
            steps=card.steps,
            guidance=card.guidance,
            sampler=card.sampler,
            width=128,
            height=128,
        )
        for n, prompt in enumerate(PROMPTS)
    ]
    together = rendered_images(job(*recipes), core)
    alone = rendered_images(job(recipes[0]), core)
    assert alone[0].tobytes() == together[0].tobytes()
    expected = paint(painter.pipeline, list(PROMPTS), 50, painter.steps, painter.guidance)
    difference = np.stack([np.asarray(image) for image in together]).astype(int) - expected
    assert np.abs(difference).max() <= 2


def test_the_models_have_different_revisions() -> None:
    """The one with all steps does not load the weights of the other."""
    starter, few_steps = find_model_files(STARTER), find_model_files(FEW_STEP_STARTER)
    assert starter.revision != few_steps.revision
    assert FEW_STEP_STARTER_FILE in few_steps.weight_files
    assert FEW_STEP_STARTER_FILE not in starter.weight_files


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
    pipeline: StableDiffusionPipeline, painter: Painter
) -> None:
    """The checker flags painted skulls, but not painted houses; so it does with a few steps."""
    complete_pipeline = StableDiffusionPipeline.from_pretrained(STARTER_FOLDER)
    for one in (Painter(pipeline, 20, STARTER_GUIDANCE), painter):
        unsafe, safe = (
            paint(one.pipeline, [f"a white {kind} on the sand by day"] * 8, 5, *one[1:])
            for kind in ("skull", "house")
        )
        results = [
            flags(complete_pipeline, complete_pipeline.safety_checker, as_tensor(p))
            for p in (unsafe, safe)
        ]
        assert sum(results[0]) >= 7
        assert sum(results[1]) == 0
