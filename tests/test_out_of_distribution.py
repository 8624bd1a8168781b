"""Out-of-distribution pictures, and the starter model's checker on them."""

import torch
from diffusers import StableDiffusionPipeline

from engine.starter.evaluate import flags
from engine.starter.out_of_distribution import SIDE, draw_out_of_distribution
from engine.weights.model_folder import STARTER_FOLDER


def test_the_seed_determines_the_pictures() -> None:
    """Equal seeds give equal pictures, other seeds others."""
    first, is_unsafe = draw_out_of_distribution(12, seed=1, unsafe=0.5)
    assert first.shape == (12, 3, SIDE, SIDE) and first.dtype == torch.uint8
    assert 0 < int(is_unsafe.sum()) < 12
    repeated = draw_out_of_distribution(12, seed=1, unsafe=0.5)
    assert torch.equal(first, repeated[0]) and torch.equal(is_unsafe, repeated[1])
    assert not torch.equal(first, draw_out_of_distribution(12, seed=2, unsafe=0.5)[0])


def test_the_checker_works_out_of_distribution() -> None:
    """The checker flags pictures with a skull and no others."""
    pipeline = StableDiffusionPipeline.from_pretrained(STARTER_FOLDER)
    for unsafe in (0.0, 1.0):
        pictures, _ = draw_out_of_distribution(200, seed=3, unsafe=unsafe)
        share = sum(flags(pipeline, pipeline.safety_checker, pictures)) / 200
        assert abs(share - unsafe) <= 0.05
