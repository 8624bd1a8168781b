"""The estimated cost of jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import cost_model
from bot.domain.cost_model import Sample
from engine.contract import Sampler
from tests.samples import recipe


def test_work_is_pixels_times_rows_times_evaluations() -> None:
    """Guidance doubles the rows, second-order samplers the evaluations; a sketch saves steps."""
    plain = cost_model.work([recipe()])
    assert plain == 64 * 64 * 2 * 4
    assert cost_model.work([recipe()] * 3) == 3 * plain
    assert cost_model.work([recipe(guidance=1.0)]) == plain / 2
    assert cost_model.work([recipe(sampler=Sampler.HEUN)]) == 2 * plain
    assert cost_model.work([recipe(source="a" * 64, strength=0.5)]) == plain / 2
    assert cost_model.work([recipe(width=128, steps=8)]) == 4 * plain


def test_estimates_use_samples_of_the_same_size() -> None:
    """They grow with the work; without samples of that size, all samples are used."""
    work = cost_model.work([recipe()])
    samples = [Sample(64 * 64, work, 3.0), Sample(64 * 64, work, 5.0), Sample(999, work, 100.0)]
    assert cost_model.estimate([recipe()], samples) == pytest.approx(4.0)
    assert cost_model.estimate([recipe(steps=8)], samples) == pytest.approx(8.0)
    assert cost_model.estimate([recipe(width=128)], samples[:2]) == pytest.approx(8.0)


@given(st.floats(0, 100), st.integers(1, 150))
def test_estimates_are_positive(seconds: float, steps: int) -> None:
    """This holds with samples and without."""
    for samples in ([], [Sample(64 * 64, 1000.0, seconds)]):
        assert cost_model.estimate([recipe(steps=steps)], samples) >= cost_model.LEAST
