"""The training loop that every part of the model shares: seeded, resumable, with a progress bar."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm


@dataclass(frozen=True)
class Plan:
    """How long and how fast a part learns."""

    steps: int
    rate: float
    """Highest learning rate; reached after `warmup` steps, then a cosine down to a fiftieth."""
    warmup: int = 200
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.0
    """Decay of the exponential average of the weights that is kept; 0 keeps the last weights."""

    def rate_at(self, step: int) -> float:
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def train(
    name: str,
    module: nn.Module,
    loss_at: Callable[[int, torch.Generator], Tensor],
    plan: Plan,
    folder: Path,
    *,
    parameters: Iterable[nn.Parameter] | None = None,
    seed: int = 0,
    save_every: float = 120.0,
) -> None:
    """Train `module` in place, to the end of the plan; go on from the checkpoint if there is one.

    `loss_at(step, generator)` gives the loss of one step; all chance must come from its CPU
    generator, which depends on `seed` and the step alone, so that a resumed run does not repeat
    itself. Started by `torchrun`, each worker takes its own share of chance, and they learn from
    the mean of their gradients. A checkpoint is written to `folder/name.pt` every `save_every`
    seconds. At the end the module holds the averaged weights, where the plan asks for an average.
    """
    chosen = list(module.parameters() if parameters is None else parameters)
    optimiser = torch.optim.AdamW(chosen, plan.rate, betas=(0.9, 0.98), weight_decay=0.0)
    averages = [p.detach().clone() for p in chosen]
    checkpoint = folder / f"{name}.pt"
    start = _load(checkpoint, module, optimiser, averages)
    rank, workers = worker()
    steps = range(start, plan.steps)
    bar = tqdm(steps, name, initial=start, total=plan.steps, mininterval=2, disable=rank > 0)
    smooth, saved = None, time.monotonic()
    for step in bar:
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) * workers + rank)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate_at(step)
        with sdpa_kernel(SDPBackend.MATH):  # flash attention learns at less than half this speed
            loss = loss_at(step, generator)
        loss.backward()
        if workers > 1:
            _share_gradients(chosen, workers)
        nn.utils.clip_grad_norm_(chosen, plan.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        _average(averages, chosen, min(plan.average, (step + 1) / (step + 10)))
        if step % 20 == 0:
            smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
            bar.set_postfix(loss=f"{smooth:.4f}", refresh=False)
        due = time.monotonic() - saved > save_every or step + 1 == plan.steps
        if due and rank == 0:
            _save(checkpoint, module, optimiser, averages, step + 1)
            saved = time.monotonic()
    if plan.average:
        adopt(chosen, averages)


def worker() -> tuple[int, int]:
    """Which worker this process is, from 0, and how many there are."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def is_first() -> bool:
    """Is this the worker that writes files?"""
    return worker()[0] == 0


def _share_gradients(parameters: list[nn.Parameter], workers: int) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= workers
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def adopt(parameters: Iterable[nn.Parameter], values: Iterable[Tensor]) -> None:
    """Overwrite the parameters with these values."""
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _average(averages: list[Tensor], parameters: list[nn.Parameter], decay: float) -> None:
    with torch.no_grad():
        torch._foreach_lerp_(averages, [p.detach() for p in parameters], 1 - decay)


def _load(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, averages: list[Tensor]
) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    module.load_state_dict(state["module"])
    optimiser.load_state_dict(state["optimiser"])
    for average, value in zip(averages, state["averages"], strict=True):
        average.copy_(value)
    return int(state["step"])


def _save(
    path: Path,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    averages: list[Tensor],
    step: int,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    torch.save(
        {
            "module": module.state_dict(),
            "optimiser": optimiser.state_dict(),
            "averages": averages,
            "step": step,
        },
        draft,
    )
    draft.replace(path)
