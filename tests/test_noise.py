"""Seeded noise and its mixtures."""

from typing import Any

import numpy
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import Sampler
from engine.pipeline.noise import Noise, slerp
from tests.engine_parts import job, pictures, recipe

SHAPE = (1, 4, 8, 8)
SEEDS = st.integers(0, 2**32 - 1)


def normal(seed: int) -> torch.Tensor:
    """Noise of one seed, as a pipeline draws it."""
    return torch.randn(SHAPE, generator=torch.Generator("cpu").manual_seed(seed))


def noise(**changes: Any) -> Noise:  # noqa: ANN401 - any of a recipe's fields
    """The noise of a recipe with these changes."""
    return Noise(recipe(**changes))


@given(seed=SEEDS)
def test_a_seed_is_its_noise(seed: int) -> None:
    """The first draw of a picture is that of a pipeline with this seed."""
    assert torch.equal(noise(seed=seed).draw(SHAPE, torch.float32), normal(seed))


@given(seed=SEEDS, subseed=SEEDS, strength=st.floats(0, 1))
def test_a_mixture_is_as_long_as_what_it_is_mixed_from(
    seed: int, subseed: int, strength: float
) -> None:
    """A straight mixture would be shorter, and paint mud; one on the arc is not."""
    low, high = normal(seed), normal(subseed)
    mixed = slerp(low, high, strength).norm()
    assert min(low.norm(), high.norm()) * 0.98 <= mixed <= max(low.norm(), high.norm()) * 1.02


def test_the_ends_of_a_mixture_are_exact() -> None:
    """Strength 0 is the seed and 1 the subseed, to the bit."""
    low, high = normal(1), normal(2)
    assert torch.equal(slerp(low, high, 0.0), low)
    assert torch.equal(slerp(low, high, 1.0), high)
    assert torch.equal(
        noise(seed=1, subseed=2, subseed_strength=1.0).draw(SHAPE, torch.float32), high
    )


def test_nearly_parallel_noises_are_mixed_straight() -> None:
    """There the arc's formula divides nothing by nothing."""
    low = normal(1)
    for high in (low, low * 2, low * 1.0001 + 1e-4, -low):
        assert torch.isfinite(slerp(low, high, 0.5)).all()
    assert torch.allclose(slerp(low, low, 0.3), low)


def test_no_length_is_no_trouble() -> None:
    """Noise of length zero has no angle."""
    assert torch.isfinite(slerp(torch.zeros(SHAPE), normal(1), 0.5)).all()


def test_later_draws_go_on() -> None:
    """Two draws of a picture are two draws of its generator."""
    drawn = noise(seed=5)
    generator = torch.Generator("cpu").manual_seed(5)
    for _ in range(2):
        assert torch.equal(
            drawn.draw(SHAPE, torch.float32), torch.randn(SHAPE, generator=generator)
        )


def test_a_subseed_of_full_strength_is_the_picture_of_that_seed() -> None:
    """All of the subseed's noise and none of the seed's."""
    varied = recipe(seed=1, subseed=2, subseed_strength=1.0, sampler=Sampler.DDIM)
    assert pictures(job(varied)) == pictures(job(recipe(seed=2, sampler=Sampler.DDIM)))


def test_a_variation_looks_like_its_parent() -> None:
    """A little of another noise makes a picture nearer to its parent than to its parent's
    siblings, and the more of it, the further away."""
    parents = pictures(job(*[recipe(seed=seed, row_class=8) for seed in range(4)]))
    strengths = (0.05, 0.15, 0.4)
    varied = [recipe(seed=2, subseed=99, subseed_strength=strength) for strength in strengths]
    ways = [
        [float(numpy.abs(numpy.asarray(one, float) - parent).mean()) for parent in parents]
        for one in pictures(job(*varied))
    ]
    assert all(min(way) == way[2] for way in ways)
    assert 0 < ways[0][2] < ways[1][2] < ways[2][2]
