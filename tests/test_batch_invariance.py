"""Tests of the batch invariance check, and of images that it keeps out of shared batches."""

from itertools import pairwise

import pytest
import torch

from engine.contract import ROW_CLASSES, Backend
from engine.device import Device
from engine.models.base import Conditioning
from engine.models.batch_invariance import probe_output
from tests.engine_parts import (
    Painted,
    engine_core,
    job,
    new_engine_core,
    painted_images,
    recipe,
    run_job,
)
from tests.tiny_model import TOKENS, WIDTH

SHAPE = (1, 4, 8, 8)


class FormulaModel:
    """A model that breaks batch invariance in one of several ways, or not at all."""

    device = Device(torch.device("cpu"), torch.float32, 1)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        """The model output for all rows."""
        embeds = conditioning["encoder_hidden_states"]
        latents = latents * timesteps[:, None, None, None]
        if self.kind == "mixes rows":
            return latents + 1e-3 * latents.mean(dim=0)
        if self.kind == "depends on the slot":
            slots = torch.arange(len(latents))[:, None, None, None]
            return torch.where(slots == 5, latents * (1 + 2**-20), latents)
        if self.kind == "mixes conditioning":
            return latents + 1e-3 * embeds.roll(1, 0).mean()
        return latents + embeds.sum(dim=(1, 2))[:, None, None, None]


@pytest.mark.parametrize("rows", [2, 8, 16])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("invariant", True), ("mixes rows", False), ("mixes conditioning", False)],
)
def test_a_model_that_mixes_rows_is_not_invariant(kind: str, expected: bool, rows: int) -> None:
    """A difference in the last bit is enough."""
    conditioning = {"encoder_hidden_states": torch.ones(1, TOKENS, WIDTH)}
    output = probe_output(FormulaModel(kind), SHAPE, conditioning, rows)
    assert (output is not None) is expected


def test_one_slot_is_enough_to_break_invariance() -> None:
    """If one slot rounds differently, only batches without that slot are invariant."""
    conditioning = {"encoder_hidden_states": torch.ones(1, TOKENS, WIDTH)}
    model = FormulaModel("depends on the slot")
    assert probe_output(model, SHAPE, conditioning, 4) is not None
    assert probe_output(model, SHAPE, conditioning, 8) is None


class DependsOnTheSize(FormulaModel):
    """A model whose rows have other bits in batches of more than 4 rows."""

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        """The model output for all rows."""
        output = super().predict(latents, timesteps, conditioning, backend)
        return output * (1 + 2**-20) if len(latents) > 4 else output


def test_outputs_are_compared_between_batch_sizes() -> None:
    """The probe row is the same in all of them; a difference in the last bit shows."""
    conditioning = {"encoder_hidden_states": torch.ones(1, TOKENS, WIDTH)}
    for model, equal_up_to in ((FormulaModel("invariant"), 32), (DependsOnTheSize("x"), 4)):
        outputs = [probe_output(model, SHAPE, conditioning, rows) for rows in ROW_CLASSES]
        for rows, (output, larger) in zip(ROW_CLASSES[1:], pairwise(outputs), strict=True):
            assert output is not None
            assert larger is not None
            assert torch.equal(output, larger) == (rows <= equal_up_to or rows > 8)


def test_images_of_a_shape_that_is_not_invariant_share_no_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such images use the smallest row class; the row class and the fingerprint in the result say
    so."""
    core = engine_core()
    monkeypatch.setattr(core.model, "is_batch_invariant", lambda *shape: shape[2] == 2)
    recipes = [recipe(row_class=8, seed=seed, guidance=1.0) for seed in range(3)]
    images = painted_images(job(*recipes), core)
    assert {image.row_class for image in images} == {2}
    assert all(image.fingerprint.endswith("alone in its batches") for image in images)
    monkeypatch.undo()
    [single] = painted_images(job(recipe(row_class=2, seed=1, guidance=1.0)), core)
    assert single.sha256 == images[1].sha256
    assert single.fingerprint == core.model.card.fingerprint


def test_unbatchable_images_are_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images of one row each do not share a batch of two rows."""
    core = new_engine_core()
    monkeypatch.setattr(core.model, "is_batch_invariant", lambda *shape: False)
    recipes = [recipe(guidance=1.0, seed=seed) for seed in range(2)]
    assert isinstance(run_job(job(*recipes), core), Painted)
    assert core.meter.rows.total == 2 * core.meter.rows.used


def test_large_models_do_not_batch_on_a_cpu() -> None:
    """A large model is not tested, which would take minutes; a small model gets one thread per
    pass."""
    threads_before = torch.get_num_threads()
    try:
        four_cores = Device(torch.device("cpu"), torch.float32, 4)
        large = four_cores.for_model(860e6 * 64 * 64)
        assert (large.can_batch, large.threads, large.max_concurrent_batches) == (False, 4, 1)
        small = four_cores.for_model(5.6e6 * 16 * 16)
        assert (small.can_batch, small.threads, small.max_concurrent_batches) == (True, 1, 3)
        assert torch.get_num_threads() == 1
        two_cores = Device(torch.device("cpu"), torch.float32, 2)
        assert two_cores.for_model(1.0).max_concurrent_batches == 2
        one_core = Device(torch.device("cpu"), torch.float32, 1)
        assert not one_core.for_model(860e6 * 64 * 64).can_batch
    finally:
        torch.set_num_threads(threads_before)
