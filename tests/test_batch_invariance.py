"""Whether slots and company change bits: found out before it matters."""

import pytest
import torch

from engine.contract import Painted
from engine.device import Device
from engine.models import batch_invariance
from engine.models.base import Words
from tests.engine_parts import at_work, ending, job, painter, paintings, recipe
from tests.tiny_model import TOKENS, WIDTH

SHAPE = (1, 4, 8, 8)


class Formula:
    """Predicts whatever the test says."""

    device = Device(torch.device("cpu"), torch.float32, 1)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def predict(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        """Each row by itself, or not."""
        latents = latents * timesteps[:, None, None, None]
        if self.kind == "mixes rows":
            return latents + 1e-3 * latents.mean(dim=0)
        if self.kind == "knows slots":
            slots = torch.arange(len(latents))[:, None, None, None]
            return torch.where(slots == 5, latents * (1 + 2**-20), latents)
        if self.kind == "knows neighbours":
            return latents + 1e-3 * words["encoder_hidden_states"].roll(1, 0).mean()
        return latents + words["encoder_hidden_states"].sum(dim=(1, 2))[:, None, None, None]


@pytest.mark.parametrize("rows", [2, 8, 16])
@pytest.mark.parametrize(
    ("kind", "held"),
    [("honest", True), ("mixes rows", False), ("knows neighbours", False)],
)
def test_whoever_looks_at_others_is_found_out(kind: str, held: bool, rows: int) -> None:
    """By the smallest difference."""
    words = {"encoder_hidden_states": torch.ones(1, TOKENS, WIDTH)}
    assert batch_invariance.holds(Formula(kind), SHAPE, words, rows) is held


def test_one_slot_of_many_is_found_out() -> None:
    """Where the last bit of a row depends on its place."""
    words = {"encoder_hidden_states": torch.ones(1, TOKENS, WIDTH)}
    assert batch_invariance.holds(Formula("knows slots"), SHAPE, words, 4)
    assert not batch_invariance.holds(Formula("knows slots"), SHAPE, words, 8)


def test_what_is_not_exact_is_painted_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the smallest batches, and the record and the fingerprint say so."""
    by = painter()
    monkeypatch.setattr(by.model, "exact", lambda width, height, rows: rows == 2)
    asked = [recipe(row_class=8, seed=seed, guidance=1.0) for seed in range(3)]
    found = paintings(job(*asked), by)
    assert {each.row_class for each in found} == {2}
    assert all(each.fingerprint.endswith("alone in its batches") for each in found)
    monkeypatch.undo()
    one = recipe(row_class=2, seed=1, guidance=1.0)
    [alone] = paintings(job(one), by)
    assert alone.sha256 == found[1].sha256
    assert alone.fingerprint == by.model.card.fingerprint


def test_alone_means_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures of one row each do not share a batch of two."""
    by = at_work()
    monkeypatch.setattr(by.model, "exact", lambda width, height, rows: False)
    assert isinstance(ending(job(*(recipe(guidance=1.0, seed=n) for n in range(2))), by), Painted)
    given, used = by.meter.rows
    assert given == 2 * used


def test_large_models_paint_alone_on_a_cpu() -> None:
    """Nothing is tried there, which would take minutes; small ones get a thread for each pass."""
    before = torch.get_num_threads()
    try:
        machine = Device(torch.device("cpu"), torch.float32, 4)
        large = machine.for_model(860e6 * 64 * 64)
        assert (large.can_batch, large.threads, large.max_concurrent_batches) == (False, 4, 1)
        small = machine.for_model(5.6e6 * 16 * 16)
        assert (small.can_batch, small.threads, small.max_concurrent_batches) == (True, 1, 3)
        assert torch.get_num_threads() == 1
        two = Device(torch.device("cpu"), torch.float32, 2).for_model(1.0)
        assert two.max_concurrent_batches == 2
        one = Device(torch.device("cpu"), torch.float32, 1).for_model(860e6 * 64 * 64)
        assert not one.can_batch
    finally:
        torch.set_num_threads(before)
