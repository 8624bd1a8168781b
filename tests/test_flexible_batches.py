"""Batches of any row class, for images whose bits are the same in all of them."""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import ROW_CLASSES, Backend, Paint, PaintedImage, Recipe
from engine.core import flexible_batches
from engine.core.batch_timing import batch_seconds
from engine.core.batching import BatchKey, DrrState, batch_key, select_batch
from engine.core.engine_core import EngineCore
from engine.core.flexible_batches import (
    FlexibleBatches,
    FlexibleSizes,
    fastest_row_class,
    flexible_batches_of,
)
from engine.core.postprocess import Postprocessor
from engine.device import select_device
from engine.models.base import DiffusionModel
from engine.models.latent_diffusion import LatentDiffusion
from engine.models.registry import load
from tests import tiny_model
from tests.engine_parts import Painted, before_each_pass, job, recipe, run_together

OPENVINO = Backend.OPENVINO
GROUP = BatchKey("tiny", 64, 64, 0, backend=OPENVINO)
SECONDS = st.lists(st.floats(0.001, 10.0), min_size=1, max_size=4).map(
    lambda seconds: dict(zip(ROW_CLASSES, seconds, strict=False))
)


def seconds_of(rows: int, seconds: Mapping[int, float]) -> float:
    """The seconds of batches of these classes, chosen one after another, for so many rows."""
    total = 0.0
    while rows > 0:
        row_class = fastest_row_class(seconds, rows)
        total += seconds[row_class]
        rows -= row_class
    return total


@given(SECONDS, st.integers(1, 7), st.integers(1, 7))
def test_the_chosen_batches_take_the_least_time(
    seconds: dict[int, float], rows: int, other_rows: int
) -> None:
    """Neither batches of one class nor a division of the rows is faster."""
    rows = min(rows, max(seconds))
    chosen = seconds_of(rows, seconds)
    assert chosen <= min(-(-rows // size) * each for size, each in seconds.items()) * 1.000001
    if 0 < other_rows < rows:
        parts = seconds_of(other_rows, seconds) + seconds_of(rows - other_rows, seconds)
        assert chosen <= parts * 1.000001


@pytest.mark.parametrize(
    ("seconds", "rows", "expected"),
    [
        ({2: 1.0, 4: 1.5, 8: 2.8}, 8, 8),
        ({2: 1.0, 4: 1.5, 8: 2.8}, 6, 4),
        ({2: 1.0, 4: 1.5, 8: 2.2}, 6, 8),
        ({2: 1.0, 4: 1.5, 8: 2.2}, 3, 4),
        ({2: 1.0, 4: 1.5, 8: 2.2}, 1, 2),
        ({2: 1.0, 4: 1.5, 8: 2.2}, 50, 8),
    ],
)
def test_padding_is_taken_where_it_is_faster(
    seconds: dict[int, float], rows: int, expected: int
) -> None:
    """Six rows are one padded batch of eight, or batches of four and two."""
    assert fastest_row_class(seconds, rows) == expected


@dataclass
class Image:
    """An image between two evaluations."""

    batch_key: BatchKey
    rows: int
    sequence: int
    last_tick: int = 0
    owner: str = ""


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 2, 4]), st.sampled_from([1, 2]), st.sampled_from("ab")),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 40),
)
def test_flexible_images_do_not_starve(
    kinds: Sequence[tuple[int, int, str]], max_rows: int
) -> None:
    """Beside images with a row class of their own; and no batch has more rows than its class."""
    images = [
        Image(GROUP._replace(rows=row_class), rows, sequence, owner=owner)
        for sequence, (row_class, rows, owner) in enumerate(kinds)
    ]
    sizes = FlexibleSizes({GROUP: {2: 1.0, 4: 1.5, 8: 2.8}}, {GROUP: max_rows})
    state: DrrState = ()
    for tick in range(1, 3 * len(images) + 10):
        selection = select_batch(images, state, lambda key: key.rows / 8, sizes=sizes)
        state = selection.state
        chosen = [images[index] for index in selection.indices]
        assert selection.key.rows in {2, 4, 8}
        assert 0 < sum(image.rows for image in chosen) <= selection.key.rows
        assert len({image.batch_key for image in chosen}) == 1
        for index in selection.indices:
            images[index] = replace(images[index], last_tick=tick)
    assert all(image.last_tick for image in images)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LatentDiffusion:
    """A tiny model that OpenVINO runs."""
    path = tiny_model.save(tmp_path_factory.mktemp("model") / "tiny")
    loaded = load(str(path), select_device())
    assert isinstance(loaded, LatentDiffusion)
    with torch.inference_mode():
        loaded.prove_backends()
        for rows in (2, 4, 8):  # so that no test counts the passes of this proof
            assert loaded.is_batch_invariant(64, 64, rows, backend=OPENVINO)
    assert loaded.card.backend is OPENVINO
    return loaded


@pytest.fixture(autouse=True)
def _seconds_of_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes take as long as on a quiet machine, whatever else is running."""

    def quiet_seconds(*args: Any, **_: int) -> dict[int, list[float]]:  # noqa: ANN401 - as the original
        return {rows: [0.001 + 0.001 * rows] for rows in args[2]}

    monkeypatch.setattr(flexible_batches, "batch_seconds", quiet_seconds)


@pytest.fixture
def rows_of_passes(model: LatentDiffusion) -> Iterator[list[int]]:
    """The rows of the forward passes since the start of the test."""
    rows: list[int] = []
    with before_each_pass(EngineCore([model], Postprocessor(1.0)), lambda e: rows.append(len(e))):
        yield rows


def of(model: DiffusionModel, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A recipe for this model, painted by OpenVINO."""
    card = model.card
    fields = {"model": card.name, "revision": card.revision, "backend": OPENVINO}
    return recipe(**(fields | changes))


def core_of(model: DiffusionModel) -> tuple[EngineCore, FlexibleBatches]:
    """An engine core with one batch at a time, which prepares all jobs before the first one, and
    its flexible batches."""
    flexible = FlexibleBatches(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "device", replace(model.device, max_concurrent_batches=1))
        return EngineCore([model], Postprocessor(1.0), flexible=flexible), flexible


def pictures(core: EngineCore, *jobs: Paint) -> list[PaintedImage]:
    """The pictures of these jobs, run at the same time."""
    endings = run_together(core, *jobs)
    return [image for end in endings if isinstance(end, Painted) for image in end.pictures]


def mixed_jobs(model: DiffusionModel) -> list[Paint]:
    """Jobs of one or two pictures of one size, with different row classes, steps and guidance."""
    settings: list[dict[str, Any]] = [
        {"steps": 6},
        {"steps": 9, "guidance": 1.0},
        {"steps": 4, "row_class": 4},
        {"steps": 7, "row_class": 8, "prompt": "a blue boat"},
        {"steps": 8},
    ]
    return [job(of(model, seed=seed, **each)) for seed, each in enumerate(settings)] + [
        job(*(of(model, seed=seed, row_class=4) for seed in (20, 21)))
    ]


def test_pictures_have_the_same_bits_in_flexible_batches(
    model: LatentDiffusion, rows_of_passes: list[int]
) -> None:
    """Pictures of several row classes share batches, and each has the pixels that it has alone, in
    batches of its own row class."""
    jobs = mixed_jobs(model)
    alone = [picture for each in jobs for picture in pictures(core_of(model)[0], each)]
    core, flexible = core_of(model)
    flexible.prove(batch_key(jobs[0].recipes[0])._replace(rows=0), model)  # type: ignore[arg-type] # all are recipes
    rows_of_passes.clear()
    together = pictures(core, *jobs)
    assert [picture.sha256 for picture in together] == [picture.sha256 for picture in alone]
    assert [picture.row_class for picture in together] == [picture.row_class for picture in alone]
    assert max(rows_of_passes) > 4
    assert len(rows_of_passes) < sum(each.recipes[0].steps for each in jobs)


def test_a_load_makes_its_batches_flexible(
    model: LatentDiffusion, rows_of_passes: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """The first load starts a proof in the background, and the next one uses it."""
    caplog.set_level(logging.INFO)
    core, flexible = core_of(model)
    jobs = [job(of(model, seed=seed)) for seed in range(4)]
    pictures(core, jobs[0])
    assert not flexible._proofs, "one picture alone needs none"
    first = pictures(core, *jobs)
    wait(flexible._proofs.values())
    rows_of_passes.clear()
    assert [picture.sha256 for picture in pictures(core, *jobs)] == [
        picture.sha256 for picture in first
    ]
    assert rows_of_passes == [8] * 4
    assert "pictures of 64 x 64 share batches of 2 or 4 or 8" in caplog.text


def test_the_native_size_is_proved_at_the_start(
    model: LatentDiffusion, rows_of_passes: list[int]
) -> None:
    """So the first load has large batches, and no proof runs beside it."""
    side = model.card.native_size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "device", replace(model.device, max_concurrent_batches=1))
        flexible = flexible_batches_of([model])
        core = EngineCore([model], Postprocessor(1.0), flexible=flexible)
    rows_of_passes.clear()
    jobs = [job(of(model, seed=seed, width=side, height=side)) for seed in range(8)]
    assert len(pictures(core, *jobs)) == 8
    assert set(rows_of_passes) == {8}
    assert not flexible._proofs


def test_other_bits_keep_row_classes_apart(
    model: LatentDiffusion, rows_of_passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if they differ only in a larger class."""
    monkeypatch.setattr(model, "has_equal_rows", lambda *shape: shape[3] <= 4)
    core, flexible = core_of(model)
    jobs = [job(of(model, seed=seed)) for seed in range(4)]
    flexible.prove(GROUP._replace(model=f"{model.card.name} {model.card.revision}"), model)
    rows_of_passes.clear()
    assert len(pictures(core, *jobs)) == 4
    assert set(rows_of_passes) == {4}


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("no such kernel"), ValueError("a fault of ours")]
)
def test_a_failed_proof_costs_nothing(
    model: LatentDiffusion, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The pictures keep their row class, and what might be chosen by load is chosen again."""

    def fail(*_: object) -> bool:
        raise error

    monkeypatch.setattr(model, "has_equal_rows", fail)
    core, flexible = core_of(model)
    group = GROUP._replace(model=f"{model.card.name} {model.card.revision}")
    assert flexible.may_have(group)
    assert len(pictures(core, *(job(of(model, seed=seed)) for seed in range(4)))) == 4
    wait(flexible._proofs.values())
    assert len(pictures(core, *(job(of(model, seed=seed)) for seed in range(4)))) == 4
    assert not flexible.may_have(group)


def test_too_little_memory_for_a_flexible_batch_costs_no_picture(
    model: LatentDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures are painted in batches of their own row class, also the next ones."""
    core, flexible = core_of(model)
    jobs = [job(of(model, seed=seed)) for seed in range(4)]
    alone = [picture.sha256 for each in jobs for picture in pictures(core, each)]
    group = GROUP._replace(model=f"{model.card.name} {model.card.revision}")
    flexible.prove(group, model)
    predict, refused = model.predict, list[int]()

    def predict_few(latents: torch.Tensor, *rest: Any) -> torch.Tensor:  # noqa: ANN401 - as predict
        if len(latents) > 2:
            refused.append(len(latents))
            raise torch.OutOfMemoryError
        return predict(latents, *rest)

    monkeypatch.setattr(model, "predict", predict_few)
    for _ in range(2):
        together = pictures(core, *jobs)
        assert [picture.sha256 for picture in together] == alone
        assert [picture.row_class for picture in together] == [2] * 4
    assert refused == [8]
    assert not flexible.may_have(group)


def test_adaptive_jobs_keep_their_row_class(model: LatentDiffusion) -> None:
    """They share flexible batches as others do, so nothing is measured for them."""
    core, _ = core_of(model)
    jobs = [job(of(model, seed=seed), adaptive=True) for seed in range(4)]
    assert [picture.row_class for picture in pictures(core, *jobs)] == [2] * 4
    assert not core._row_classes._measured


@pytest.mark.parametrize("backend", [Backend.TORCH, Backend.OPENVINO_BF16])
def test_other_backends_have_no_flexible_batches(backend: Backend) -> None:
    """torch's matrix products have other bits in other sizes, and bfloat16 may hide that."""
    flexible = FlexibleBatches(1)
    group = GROUP._replace(backend=backend)
    state = SimpleNamespace(model=None)
    images = [
        SimpleNamespace(batch_key=group._replace(rows=2), rows=2, state=state) for _ in range(9)
    ]
    flexible.sizes(images)
    assert not flexible._proofs
    assert not flexible.may_have(group)
    assert flexible.key_of(images[0]) == images[0].batch_key


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({2: 1e-3, 4: 1.5e-3, 8: 2e-3}, [2, 4, 8]),
        ({2: 1e-3, 4: 1.5e-3, 8: 4e-3}, [2, 4]),
        ({2: 1e-3, 4: 3e-3, 8: 4e-3}, []),
        ({2: 0.04, 4: 0.06, 8: 0.1}, [2, 4]),
        ({2: 1e-3}, []),
    ],
)
def test_larger_batches_are_used_while_they_are_faster(
    model: LatentDiffusion,
    monkeypatch: pytest.MonkeyPatch,
    seconds: dict[int, float],
    expected: list[int],
) -> None:
    """Not those that take long in all, nor those that do not fit in memory."""

    def given_seconds(*args: Any, **_: int) -> dict[int, list[float]]:  # noqa: ANN401 - as the original
        return {rows: [seconds[rows]] for rows in args[2] if rows in seconds}

    monkeypatch.setattr(flexible_batches, "batch_seconds", given_seconds)
    flexible = FlexibleBatches(1)
    flexible.prove(GROUP, model)
    assert sorted(flexible._seconds[GROUP]) == expected
    assert not expected or fastest_row_class(flexible._seconds[GROUP], 8) == expected[-1]


def test_passes_are_measured(model: LatentDiffusion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row class by its fastest pass, on this machine."""
    monkeypatch.setattr(flexible_batches, "batch_seconds", batch_seconds)
    with torch.inference_mode():
        seconds = flexible_batches._fastest_passes(GROUP, model, (2, 4), threading.Event())
    assert sorted(seconds) == [2, 4]
    assert all(0 < each < 60 for each in seconds.values())


def test_a_group_is_proved_once(model: LatentDiffusion, tmp_path: Path) -> None:
    """While its proof runs, the load goes on."""
    core, flexible = core_of(model)
    jobs = [job(of(model, seed=seed)) for seed in range(3)]
    pictures(core, *jobs)
    proofs = list(flexible._proofs.values())
    pictures(core, *jobs)
    wait(proofs)
    flexible.sizes([])
    assert len(flexible._seconds) == 1
    core.close()


def test_the_end_of_an_engine_core_ends_its_proofs(
    model: LatentDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one forward pass; another engine core that shares what is proved can go on."""
    core, flexible = core_of(model)
    is_measuring, may_end = threading.Event(), threading.Event()

    def slow_seconds(*args: Any, **_: int) -> dict[int, list[float]]:  # noqa: ANN401 - as the original
        is_measuring.set()
        assert may_end.wait(60)
        return {rows: [0.001 + 0.001 * rows] for rows in args[2]}

    monkeypatch.setattr(flexible_batches, "batch_seconds", slow_seconds)
    pictures(core, *(job(of(model, seed=seed)) for seed in range(3)))
    [(group, proof)] = flexible._proofs.items()
    assert is_measuring.wait(60)
    core.close()
    may_end.set()
    assert proof.result(60) == {}
    assert flexible.may_have(group)
    flexible.prove(group, model)
    assert sorted(flexible._seconds[group]) == [2, 4, 8]
