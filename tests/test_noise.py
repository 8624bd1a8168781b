"""Seeded noise and its interpolation."""

from typing import Any

import numpy
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import Sampler, Subseed
from engine.pipeline.noise import Noise
from engine.steering.interpolation import slerp
from tests.engine_parts import digests, job, recipe, rendered_images

SHAPE = (1, 4, 8, 8)
SEEDS = st.integers(0, 2**32 - 1)


def pipeline_noise(seed: int) -> torch.Tensor:
    """The noise that a diffusers pipeline draws with this seed."""
    return torch.randn(SHAPE, generator=torch.Generator("cpu").manual_seed(seed))


def noise(**changes: Any) -> Noise:  # noqa: ANN401 - any of a recipe's fields
    """The noise of a recipe with these fields."""
    return Noise(recipe(**changes))


@given(seed=SEEDS)
def test_the_first_noise_is_that_of_a_pipeline(seed: int) -> None:
    """The same seed gives the same noise as in diffusers."""
    assert torch.equal(noise(seed=seed).mixed_noise(SHAPE, torch.float32), pipeline_noise(seed))


@given(seed=SEEDS, subseed=SEEDS, t=st.floats(0, 1))
def test_slerp_keeps_the_length(seed: int, subseed: int, t: float) -> None:
    """Linear interpolation would give shorter noise, and so washed-out images."""
    a, b = pipeline_noise(seed), pipeline_noise(subseed)
    length = slerp(a, b, t).norm()
    assert min(a.norm(), b.norm()) * 0.98 <= length <= max(a.norm(), b.norm()) * 1.02


def test_the_ends_of_slerp_are_exact() -> None:
    """Strength 0 gives the bits of the seed's noise, strength 1 those of the subseed's."""
    a, b = pipeline_noise(1), pipeline_noise(2)
    assert torch.equal(slerp(a, b, 0.0), a)
    assert torch.equal(slerp(a, b, 1.0), b)
    mixed = noise(seed=1, subseeds=(Subseed(2, 1.0),)).mixed_noise(SHAPE, torch.float32)
    assert torch.equal(mixed, b)


def test_nearly_parallel_noise_is_interpolated_linearly() -> None:
    """The spherical formula would divide by nearly zero."""
    a = pipeline_noise(1)
    for b in (a, a * 2, a * 1.0001 + 1e-4, -a):
        assert torch.isfinite(slerp(a, b, 0.5)).all()
    assert torch.allclose(slerp(a, a, 0.3), a)


def test_noise_of_length_zero_is_interpolated() -> None:
    """The result is finite, although the angle to other noise is undefined."""
    assert torch.isfinite(slerp(torch.zeros(SHAPE), pipeline_noise(1), 0.5)).all()


def test_repeated_calls_continue_the_generator() -> None:
    """Two calls return the first two draws of one generator."""
    seed_5 = noise(seed=5)
    generator = torch.Generator("cpu").manual_seed(5)
    for _ in range(2):
        expected = torch.randn(SHAPE, generator=generator)
        assert torch.equal(seed_5.mixed_noise(SHAPE, torch.float32), expected)


def test_a_subseed_of_strength_1_gives_the_image_of_that_seed() -> None:
    """The noise of the recipe's seed has no effect."""
    varied = recipe(seed=1, subseeds=(Subseed(2, 1.0),), sampler=Sampler.DDIM)
    plain = recipe(seed=2, sampler=Sampler.DDIM)
    assert digests(varied) == digests(plain)


def test_a_variation_looks_like_its_parent() -> None:
    """It is closer to its parent than to the parent's siblings, and a weaker subseed makes it
    closer."""
    parents = rendered_images(job(*[recipe(seed=seed, row_class=8) for seed in range(4)]))
    strengths = (0.05, 0.15, 0.4)
    varied = [recipe(seed=2, subseeds=(Subseed(99, strength),)) for strength in strengths]
    distances = [
        [float(numpy.abs(numpy.asarray(image, float) - parent).mean()) for parent in parents]
        for image in rendered_images(job(*varied))
    ]
    assert all(min(to_parents) == to_parents[2] for to_parents in distances)
    assert 0 < distances[0][2] < distances[1][2] < distances[2][2]
