"""A picture has equal pixels alone and beside pictures of other models, whatever these are."""

import random
from functools import cache
from typing import Any, Final

import pytest

from engine.contract import (
    MAX_PROMPT_CHARS,
    Change,
    Img2Img,
    PromptFormat,
    Recipe,
    Subseed,
    Txt2Img,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.models.base import DiffusionModel
from tests import (
    test_flux_2_klein,
    test_stable_diffusion_3,
    test_stable_diffusion_xl,
    test_z_image,
)
from tests.engine_parts import (
    Painted,
    engine_core,
    job,
    new_engine_core,
    painted_images,
    run_together,
    sketch,
)

SKETCH: Final = encode_png(sketch(80, 64))
WORDS: Final = (
    "a red house",
    "(two:1.3) trees",
    "[fog]",
    "BREAK",
    "by the sea,",
    "42",
    "\N{CAT FACE}",
)
PER_MODEL: Final = 4


@cache
def core() -> EngineCore:
    """An engine core with a tiny model of each family."""
    cores = (
        engine_core(),
        test_stable_diffusion_xl.xl_core(),
        test_stable_diffusion_3.core(),
        test_flux_2_klein.core(is_distilled=False),
        test_z_image.core(),
    )
    return new_engine_core(*(single.model for single in cores))


def random_prompt(rng: random.Random) -> str:
    """Of one word, or as long as is allowed, or something between."""
    length = rng.choice((1, 30, 90, 200, 500, MAX_PROMPT_CHARS))
    return "a " + " ".join(rng.choices(WORDS, k=length))[: length - 2]


def random_recipe(rng: random.Random, model: DiffusionModel) -> Recipe:
    """One of few steps, with anything that the model's card allows."""
    card = model.card
    steps = rng.randint(2, 5)
    size = rng.choice(((64, 64), (64, 96)))
    source: Any = Txt2Img()
    if rng.random() < 0.4:
        source = Img2Img(sha256(SKETCH), rng.choice((0.5, 0.8, 1.0)), card.rounding)
    changes: tuple[Change, ...] = ()
    if source.executed_steps(steps) > 1 and rng.random() < 0.3:
        changes = (Change(step=1, prompt=random_prompt(rng), sampler=rng.choice(card.samplers)),)
    return Recipe(
        model=card.name,
        revision=card.revision,
        prompt=random_prompt(rng),
        negative=rng.choice(("", random_prompt(rng))),
        prompt_format=rng.choice(list(PromptFormat)),
        seed=rng.randrange(2**32),
        subseeds=rng.choice(((), (Subseed(rng.randrange(2**32), 0.3),))),
        steps=steps,
        guidance=rng.choice((1.0, 4.0)),
        sampler=rng.choice(card.samplers),
        width=size[0],
        height=size[1],
        source=source,
        changes=changes,
        row_class=rng.choice(sorted(card.row_classes(*size) & {2, 4, 8})),
    )


@pytest.mark.parametrize("seed", range(3))
def test_pictures_of_all_families_are_the_same_alone_and_together(seed: int) -> None:
    """Three jobs have pictures of all models, samplers, prompts and sketches, in any order."""
    rng = random.Random(seed)
    recipes = [random_recipe(rng, model) for model in core().models for _ in range(PER_MODEL)]
    rng.shuffle(recipes)
    alone = [painted_images(job(run, source=SKETCH), core())[0].sha256 for run in recipes]
    jobs = [job(*recipes[nth::3], job=f"{nth}", source=SKETCH) for nth in range(3)]
    together = [""] * len(recipes)
    for nth, painted in enumerate(run_together(core(), *jobs)):
        assert isinstance(painted, Painted), painted
        together[nth::3] = [picture.sha256 for picture in painted.pictures]
    for run, one, other in zip(recipes, alone, together, strict=True):
        assert one == other, run
    assert len(set(alone)) == len(alone)
