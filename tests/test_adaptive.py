"""Adaptive jobs: the engine chooses row classes with which the present load takes least time."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import Paint, Recipe
from engine.core.batch_cost import BatchCostModel
from engine.core.batching import BatchKey, batch_key
from engine.core.engine_core import EngineCore
from engine.core.load_cost import Cost, LoadImage, choose_row_class, load_seconds
from engine.core.postprocess import Postprocessor
from tests.engine_parts import (
    Painted,
    before_each_pass,
    digests,
    engine_core,
    job,
    recipe,
    run_together,
)

SIDES, ROW_CLASSES = (64, 96), (2, 4, 8, 16)
KEYS = [BatchKey("tiny", side, 64, rows) for side, rows in product(SIDES, ROW_CLASSES)]
COSTS = st.lists(st.floats(0.001, 10.0), min_size=len(KEYS), max_size=len(KEYS)).map(
    lambda seconds: dict(zip(KEYS, seconds, strict=True)).__getitem__
)
EVALUATIONS, ROWS = st.integers(1, 50), st.sampled_from([1, 2])
OWN = st.lists(
    st.builds(LoadImage, st.sampled_from(KEYS[:4]), ROWS, EVALUATIONS), min_size=1, max_size=4
)
PEERS = st.lists(OWN, max_size=6)
OTHERS = st.lists(st.builds(LoadImage, st.sampled_from(KEYS), ROWS, EVALUATIONS), max_size=8)
SMALLEST = st.lists(st.builds(LoadImage, st.just(KEYS[0]), ROWS, EVALUATIONS), max_size=8)
WORKERS = st.integers(1, 4)
TOLERANCE = 1 + 1e-9


def changed(images: list[LoadImage], row_class: int | None) -> list[LoadImage]:
    """The images in this row class, or in their own if that is larger."""
    return [image.with_row_class(row_class) if row_class else image for image in images]


@given(COSTS, OWN, PEERS, OTHERS, WORKERS)
def test_a_choice_never_takes_longer_than_the_given_classes(
    cost: Cost,
    own: list[LoadImage],
    peers: list[list[LoadImage]],
    others: list[LoadImage],
    workers: int,
) -> None:
    """If it chooses a class, the load takes less time with it, the peers in theirs or in the same;
    and the same load gives the same choice."""
    company = list(chain(*peers))
    chosen = choose_row_class(own, company, others, ROW_CLASSES, cost, workers)
    assert chosen == choose_row_class(own, company, others, ROW_CLASSES, cost, workers)
    if chosen is not None:
        assert changed(own, chosen) != own
        kept = load_seconds([*own, *company, *others], cost, workers)
        assert kept > min(
            load_seconds([*changed(own, chosen), *rest, *others], cost, workers)
            for rest in (company, changed(company, chosen))
        )


@given(COSTS, st.lists(OWN, min_size=1, max_size=6), OTHERS, WORKERS)
def test_jobs_that_choose_in_turn_never_take_longer(
    cost: Cost, jobs: list[list[LoadImage]], others: list[LoadImage], workers: int
) -> None:
    """When all waiting jobs have chosen, the load takes no longer than if none had."""
    prepared = list(others)
    for nth, own in enumerate(jobs):
        peers = list(chain(*jobs[nth + 1 :]))
        chosen = choose_row_class(own, peers, prepared, ROW_CLASSES, cost, workers)
        prepared += changed(own, chosen)
    exact = load_seconds([*chain(*jobs), *others], cost, workers)
    assert load_seconds(prepared, cost, workers) <= exact * TOLERANCE


@given(SMALLEST, SMALLEST, WORKERS)
def test_classes_that_save_nothing_are_not_chosen(
    peers: list[LoadImage], others: list[LoadImage], workers: int
) -> None:
    """With costs in proportion to the rows, a larger class only adds padding."""

    def cost(key: BatchKey) -> float:
        return key.width * key.rows * 0.01

    own = [LoadImage(KEYS[0], 2, 20)]
    assert choose_row_class(own, peers, others, ROW_CLASSES, cost, workers) is None


@pytest.mark.parametrize(
    ("images", "workers", "seconds"),
    [
        ([], 1, 0.0),
        ([(2, 10)], 1, 10.0),
        ([(2, 10), (2, 4)], 1, 14.0),
        ([(2, 10), (2, 4)], 2, 10.0),
        ([(1, 10), (1, 4)], 1, 10.0),
        ([(2, 10)] * 3, 2, 15.0),
    ],
)
def test_the_seconds_of_a_load(images: list[tuple[int, int]], workers: int, seconds: float) -> None:
    """Batches of two rows take one second; images are rows and evaluations."""
    load = [LoadImage(KEYS[0], rows, evaluations) for rows, evaluations in images]
    assert load_seconds(load, lambda _: 1.0, workers) == pytest.approx(seconds)


def core_with_costs(seconds: Mapping[int, float]) -> EngineCore:
    """An engine core with these costs of row classes, in seconds of a batch of 64 x 64.

    It has one worker, so that all waiting jobs are prepared before the first forward pass.
    """
    costs = BatchCostModel()
    for rows, each in seconds.items():
        costs.learn(batch_key(recipe(row_class=rows))._replace(rows=rows), each)
    model = engine_core().model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "device", replace(model.device, max_concurrent_batches=1))
        return EngineCore([model], Postprocessor(1.0), row_class_costs=costs)


def row_classes_used(core: EngineCore, *jobs: Paint) -> list[int]:
    """Those of jobs of one picture, which has the bits that it has alone in that class."""
    used = []
    for paint, ending in zip(jobs, run_together(core, *jobs), strict=True):
        assert isinstance(ending, Painted)
        [image], [work] = ending.pictures, paint.recipes
        assert isinstance(work, Recipe)
        again = msgspec.structs.replace(work, row_class=image.row_class)
        assert image.sha256 == digests(again)[0]
        used.append(image.row_class)
    return used


CHEAP, DEAR = {2: 1.0, 4: 1.1, 8: 1.2}, {2: 1.0, 4: 2.0, 8: 4.0}


@pytest.mark.parametrize(("seconds", "expected"), [(CHEAP, 8), (DEAR, 2)])
def test_jobs_get_larger_batches_if_these_are_faster(
    seconds: Mapping[int, float], expected: int
) -> None:
    """The row class depends on the costs and on the other jobs; alone it is the given one."""
    core = core_with_costs(seconds)
    jobs = [job(recipe(seed=seed), adaptive=True) for seed in range(8)]
    assert row_classes_used(core, *jobs) == [expected] * 8
    assert row_classes_used(core, jobs[0]) == [2]


def test_only_adaptive_jobs_are_changed() -> None:
    """Exact jobs keep their row class in any company."""
    core = core_with_costs(CHEAP)
    jobs = [job(recipe(seed=seed), adaptive=seed > 0) for seed in range(4)]
    assert row_classes_used(core, *jobs) == [2, 8, 8, 8]


def test_other_sizes_and_models_are_no_company() -> None:
    """A job whose size nobody else has keeps its row class."""
    core = core_with_costs(CHEAP)
    jobs = [job(recipe(seed=seed), adaptive=True) for seed in range(4)]
    wide = job(recipe(width=72), adaptive=True)
    assert row_classes_used(core, *jobs, wide) == [8, 8, 8, 8, 2]


def test_the_costs_of_row_classes_are_measured_once() -> None:
    """In the first company of a size; a job alone measures nothing."""
    core = core_with_costs({})
    shapes: list[int] = []
    with before_each_pass(core, lambda embeds: shapes.append(len(embeds))):
        row_classes_used(core, job(recipe(), adaptive=True))
        assert set(shapes) == {2}
        jobs = [job(recipe(seed=seed), adaptive=True) for seed in range(2)]
        row_classes_used(core, *jobs)
        assert set(shapes) == {2, 4, 8}


def test_a_class_that_does_not_fit_in_memory_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other classes are measured and may be chosen."""
    core = core_with_costs({2: 10.0, 4: 11.0})
    fits = core.model.fits_in_memory
    monkeypatch.setattr(core.model, "fits_in_memory", lambda *shape: shape[2] < 8 and fits(*shape))
    jobs = [job(recipe(seed=seed), adaptive=True) for seed in range(4)]
    assert set(row_classes_used(core, *jobs)) <= {2, 4}
