"""Pictures from outside of the starter model's world, and what its checker makes of them."""

import torch
from diffusers import StableDiffusionPipeline

from engine.starter.evaluate import alarms
from engine.starter.out_of_distribution import SIDE, draw_strangers
from engine.weights import STARTER_FOLDER


def test_the_seed_fixes_them_all() -> None:
    """Another seed draws others."""
    first, shown = draw_strangers(12, seed=1, unsafe=0.5)
    assert first.shape == (12, 3, SIDE, SIDE) and first.dtype == torch.uint8
    assert 0 < int(shown.sum()) < 12
    again = draw_strangers(12, seed=1, unsafe=0.5)
    assert torch.equal(first, again[0]) and torch.equal(shown, again[1])
    assert not torch.equal(first, draw_strangers(12, seed=2, unsafe=0.5)[0])


def test_the_checker_passes_what_people_upload_but_no_skull() -> None:
    """White lines on black, photographs, writing: none of it is of the world that it learned."""
    pipeline = StableDiffusionPipeline.from_pretrained(STARTER_FOLDER)
    for unsafe in (0.0, 1.0):
        pictures, _ = draw_strangers(200, seed=3, unsafe=unsafe)
        flagged = sum(alarms(pipeline, pipeline.safety_checker, pictures)) / 200
        assert abs(flagged - unsafe) <= 0.05
