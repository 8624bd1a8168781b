"""The training loop of all components: seeded, resumable, distributed."""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm


@dataclass(frozen=True)
class TrainingConfig:
    """Number of steps, learning rate schedule and averaging."""

    steps: int
    rate: float
    """Peak learning rate, reached after `warmup` steps; then cosine decay to a fiftieth of it."""
    warmup: int = 200
    clip: float = 1.0
    """Maximum norm of the gradient."""
    average: float = 0.0
    """Decay of the exponential moving average (EMA) of the weights; 0 for the last weights."""
    seconds: float | None = None
    """If given, the training takes so long, instead of `steps`; for a single process."""
    batch: int = 32
    """Pictures of 128 x 128 pixels, or as many pixels, in the batch of one process."""

    def progress_at(self, step: int, seconds: float) -> float:
        """The share that is done after these steps and seconds; at 1 the training ends."""
        return step / self.steps if self.seconds is None else seconds / self.seconds

    def rate_at(self, step: int, progress: float) -> float:
        """The learning rate of a step."""
        decay = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
        return self.rate * decay * min(1.0, (step + 1) / max(1, self.warmup))


def train(
    name: str,
    module: nn.Module,
    loss_at: Callable[[int, torch.Generator], Tensor],
    config: TrainingConfig,
    folder: Path,
    *,
    parameters: Iterable[nn.Parameter] | None = None,
    seed: int = 0,
    save_every: float = 120.0,
) -> None:
    """Train `module` in place to the last step, from the checkpoint if there is one.

    `loss_at(step, generator)` returns the loss of one step; all its randomness must come from the
    CPU generator, which depends only on `seed`, the step and the rank, so that a resumed run equals
    an uninterrupted one. Under `torchrun`, gradients are averaged over all processes. A checkpoint
    is written to `folder/name.pt` every `save_every` seconds. At the end the module has the
    averaged weights, if the config has an average.
    """
    weights = list(module.parameters() if parameters is None else parameters)
    optimiser = torch.optim.AdamW(weights, config.rate, betas=(0.9, 0.98), weight_decay=0.0)
    averages = [p.detach().clone() for p in weights]
    checkpoint = folder / f"{name}.pt"
    start, seconds_before = _load(checkpoint, module, optimiser, averages)
    rank, world_size = rank_and_world_size()
    total = config.steps if config.seconds is None else None
    bar = tqdm(count(start), name, initial=start, total=total, mininterval=2, disable=rank > 0)
    smooth, begin = None, time.monotonic()
    saved_at = begin
    for step in bar:
        seconds = seconds_before + time.monotonic() - begin
        progress = config.progress_at(step, seconds)
        is_due = time.monotonic() - saved_at > save_every or (progress >= 1 and step > start)
        if is_due and rank == 0:
            _save(checkpoint, module, optimiser, averages, step, seconds)
            saved_at = time.monotonic()
        if progress >= 1:
            break
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) * world_size + rank)
        for group in optimiser.param_groups:
            group["lr"] = config.rate_at(step, progress)
        with _attention(weights[0].device):
            loss = loss_at(step, generator)
        loss.backward()
        if world_size > 1:
            _average_gradients(weights, world_size)
        nn.utils.clip_grad_norm_(weights, config.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        _average(averages, weights, min(config.average, (step + 1) / (step + 10)))
        if step % 20 == 0:
            smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
            bar.set_postfix(loss=f"{smooth:.4f}", refresh=False)
    bar.close()
    if config.average:
        load_ema(weights, averages)


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """Multiply in bfloat16, except on a CPU without instructions for it, which takes three times as
    long as in float32."""
    is_fast = device.type != "cpu" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return torch.autocast(device.type, torch.bfloat16, enabled=is_fast)


def _attention(device: torch.device) -> AbstractContextManager[None]:
    """The kernels of attention; on a CPU, flash attention trains less than half as fast."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def rank_and_world_size() -> tuple[int, int]:
    """The rank of this process, from 0, and the number of processes."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def is_main_process() -> bool:
    """Whether this process writes the files."""
    return rank_and_world_size()[0] == 0


def _average_gradients(parameters: list[nn.Parameter], world_size: int) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= world_size
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def load_ema(parameters: Iterable[nn.Parameter], values: Iterable[Tensor]) -> None:
    """Overwrite the parameters with these values."""
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _average(averages: list[Tensor], parameters: list[nn.Parameter], decay: float) -> None:
    with torch.no_grad():
        torch._foreach_lerp_(averages, [p.detach() for p in parameters], 1 - decay)


def _load(
    path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, averages: list[Tensor]
) -> tuple[int, float]:
    """Load the checkpoint, if there is one; its steps and seconds."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, "cpu", weights_only=True)  # it may be of a GPU that is not here
    module.load_state_dict(state["module"])
    optimiser.load_state_dict(state["optimiser"])
    for average, value in zip(averages, state["averages"], strict=True):
        average.copy_(value)
    return int(state["step"]), float(state.get("seconds", 0.0))


def _save(
    path: Path,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    averages: list[Tensor],
    step: int,
    seconds: float,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    torch.save(
        {
            "module": module.state_dict(),
            "optimiser": optimiser.state_dict(),
            "averages": averages,
            "step": step,
            "seconds": seconds,
        },
        draft,
    )
    draft.replace(path)
