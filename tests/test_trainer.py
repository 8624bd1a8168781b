"""The training loop: seeded, resumable."""

from pathlib import Path

import torch
from torch import Tensor, nn

from engine.starter.trainer import Plan, train

PLAN = Plan(steps=12, rate=0.05, warmup=2, average=0.9)


def fitted(folder: Path, stop_at: int | None = None) -> nn.Linear:
    """A line fitted to noisy points, interrupted before step `stop_at` and then taken up again."""
    torch.manual_seed(1)
    line = nn.Linear(1, 1)

    def loss_at(step: int, generator: torch.Generator) -> Tensor:
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(16, 1, generator=generator)
        loss: Tensor = (line(x) - 3 * x).square().mean()
        return loss

    try:
        train("line", line, loss_at, PLAN, folder, save_every=0.0)
    except KeyboardInterrupt:
        return fitted(folder)
    return line


def test_training_learns(tmp_path: Path) -> None:
    """The loss falls: the line turns towards the points."""
    torch.manual_seed(1)
    before = nn.Linear(1, 1).weight.item()
    after = fitted(tmp_path).weight.item()
    assert abs(after - 3) < abs(before - 3)


def test_a_resumed_training_ends_at_the_same_weights(tmp_path: Path) -> None:
    """Stopped in the middle and started again, it learns what it would have learned in one go."""
    whole = fitted(tmp_path / "whole")
    resumed = fitted(tmp_path / "resumed", stop_at=7)
    assert torch.equal(whole.weight, resumed.weight)
    assert torch.equal(whole.bias, resumed.bias)


def test_the_rate_warms_up_and_then_falls() -> None:
    """The learning rate rises to its top and ends at a fiftieth of it."""
    rates = [PLAN.rate_at(step) for step in range(PLAN.steps + 1)]
    assert rates[0] < rates[1] == max(rates)
    assert abs(rates[-1] - PLAN.rate / 50) < 1e-9
