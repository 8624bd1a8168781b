"""The estimated cost of jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import cost_model
from bot.domain.cost_model import Sample
from engine.contract import (
    Adapter,
    Backend,
    Capture,
    Change,
    Control,
    Edit,
    Img2Img,
    Inpaint,
    Recipe,
    Reference,
    Sampler,
)
from tests.samples import recipe


def test_work_is_pixels_times_rows_times_evaluations() -> None:
    """Guidance doubles the rows, second-order samplers the evaluations; a sketch saves steps."""
    plain = cost_model.work([recipe()])
    assert plain == 64 * 64 * 2 * 4
    assert cost_model.work([recipe()] * 3) == 3 * plain
    assert cost_model.work([recipe(guidance=1.0)]) == plain / 2
    assert cost_model.work([recipe(sampler=Sampler.HEUN)]) == 2 * plain
    assert cost_model.work([recipe(source=Img2Img("a" * 64, 0.5))]) == plain / 2
    assert cost_model.work([recipe(width=128, steps=8)]) == 4 * plain


def test_estimates_use_samples_of_the_same_size() -> None:
    """They grow with the work; without samples of that size, all samples are used."""
    work = cost_model.work([recipe()])
    samples = [Sample(64 * 64, work, 3.0), Sample(64 * 64, work, 5.0), Sample(999, work, 100.0)]
    assert cost_model.estimate([recipe()], samples) == pytest.approx(4.0)
    assert cost_model.estimate([recipe(steps=8)], samples) == pytest.approx(8.0)
    assert cost_model.estimate([recipe(width=128)], samples[:2]) == pytest.approx(8.0)


def test_estimates_use_samples_of_the_same_model() -> None:
    """A job of two models costs what its pictures cost with each of them."""
    work = cost_model.work([recipe()])
    slow, fast = recipe(revision="slow"), recipe(revision="fast")
    samples = [
        Sample(64 * 64, work, 9.0, "slow"),
        Sample(64 * 64, work, 1.0, "fast"),
        Sample(999, work, 7.0, "fast"),
    ]
    assert cost_model.estimate([slow], samples) == pytest.approx(9.0)
    assert cost_model.estimate([slow, fast, fast], samples) == pytest.approx(11.0)
    wide = recipe(revision="fast", width=128)
    assert cost_model.estimate([wide], samples) == pytest.approx(8.0), "all of its model"
    unknown = recipe(revision="new")
    assert cost_model.estimate([unknown], samples) == pytest.approx(5.0), "all of its size"


def test_a_job_of_several_models_or_sizes_is_no_sample() -> None:
    """Its cost says nothing about one of them."""
    assert cost_model.is_sample([recipe(), recipe(seed=8, steps=9)])
    assert not cost_model.is_sample([recipe(), recipe(revision="other")])
    assert not cost_model.is_sample([recipe(), recipe(width=128)])


def test_films_and_strips_cost_their_frames() -> None:
    """Each frame is decoded; those of a film are encoded too."""
    work = cost_model.work([recipe(steps=20)])
    samples = [Sample(64 * 64, work, 4.0)]
    decoding = 4.0 / 40 * cost_model.FRAME_ROWS
    encoding = 21 * 256 * 256 * cost_model.ENCODING_SECONDS_PER_PIXEL
    for capture, expected in (
        (Capture(), 4.0),
        (Capture(film=True), 4.0 + 20 * decoding + encoding),
        (Capture(strip=9), 4.0 + 9 * decoding),
        (Capture(strip=25), 4.0 + 19 * decoding),
    ):
        seconds = cost_model.estimate([recipe(steps=20)], samples, capture)
        assert seconds == pytest.approx(expected)


@given(st.floats(0, 100), st.integers(1, 150))
def test_estimates_are_positive(seconds: float, steps: int) -> None:
    """This holds with samples and without."""
    for samples in ([], [Sample(64 * 64, 1000.0, seconds)]):
        assert cost_model.estimate([recipe(steps=steps)], samples) >= cost_model.LEAST


def test_a_change_of_the_sampler_costs_what_the_new_one_costs() -> None:
    """Heun evaluates the model twice in each step; other changes cost nothing."""
    plain = recipe(steps=10)
    longer = recipe(steps=10, changes=(Change(step=6, sampler=Sampler.HEUN),))
    other_words = recipe(steps=10, changes=(Change(step=6, prompt="a boat"),))
    assert cost_model.work([longer]) == pytest.approx(1.4 * cost_model.work([plain]))
    assert cost_model.work([other_words]) == cost_model.work([plain])


CONTROL = Control(kind="scribble", revision="1" * 40, image="c" * 64)
EARLY = Control(kind="scribble", revision="1" * 40, image="c" * 64, end=0.5)
ADAPTERS = tuple(Adapter(name=name, revision="2" * 64) for name in ("ink", "neon"))
REFERENCE = Reference(image="d" * 64, adapter="plus", revision="3" * 40)


@pytest.mark.parametrize(
    ("steered", "factor"),
    [
        (recipe(controls=(CONTROL,)), 1.4),
        (recipe(controls=(CONTROL, EARLY)), 1.6),
        (recipe(adapters=ADAPTERS), 1.4),
        (recipe(references=(REFERENCE, REFERENCE)), 1.05),
        (recipe(references=(Reference(image="d" * 64),)), 1.0),
        (recipe(controls=(EARLY,), adapters=ADAPTERS[:1], references=(REFERENCE,)), 1.45),
        (recipe(source=Edit("a" * 64, 1.5)), 1.5),
        (recipe(source=Inpaint("a" * 64, "b" * 64, 0.75)), 0.75),
    ],
)
def test_steered_pictures_are_more_work(steered: Recipe, factor: float) -> None:
    """Controls by the share of the steps in which they act, LoRAs by their number, references
    together; an edit has three rows in place of two, and inpainting costs nothing but its steps. A
    prompt that is an image is no more work than words."""
    assert cost_model.work([steered]) == pytest.approx(factor * cost_model.work([recipe()]))


def test_samples_of_steered_pictures_predict_plain_ones() -> None:
    """And the other way round: both have one rate, in which the extra work is no part."""
    plain, controlled = recipe(), recipe(controls=(CONTROL,))
    samples = [Sample(64 * 64, cost_model.work([controlled]), 7.0, plain.revision)]
    assert cost_model.estimate([plain], samples) == pytest.approx(5.0)
    assert cost_model.estimate([controlled, plain], samples) == pytest.approx(12.0)


def test_pictures_that_torch_runs_beside_openvino_cost_more() -> None:
    """On a CPU, OpenVINO paints plain pictures and torch steered ones."""
    plain, controlled = recipe(backend=Backend.OPENVINO), recipe(controls=(CONTROL,))
    samples = [Sample(64 * 64, cost_model.work([plain]), 5.0, plain.revision)]
    assert cost_model.estimate([controlled], samples) == pytest.approx(14.0)
    strip = Capture(strip=9)
    assert cost_model.estimate([plain], samples, strip) == cost_model.estimate(
        [recipe()], [Sample(64 * 64, cost_model.work([recipe()]), 5.0)], strip
    )
