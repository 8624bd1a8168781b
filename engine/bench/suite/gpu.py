"""The suite `gpu`: correctness, speed and memory, in this order.

On a GPU it uses models of the real sizes with random weights; on a CPU small ones, so that nothing
in it is new when a GPU is there. It needs no network.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from engine.bench.suite import faults, invariance, memory, parity
from engine.bench.suite.models import Models
from engine.bench.suite.report import Check
from engine.bench.suite.runner import Part
from engine.bench.suite.speed import Load, SpeedPlan, measure_speed
from engine.contract import Sampler
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.device import Device
from engine.models.base import DiffusionModel
from engine.weights.model_folder import STARTER

SD15: Final = "sd15"
SDXL: Final = "sdxl"
CheckModel = Callable[[DiffusionModel], Iterator[Check]]


@dataclass(frozen=True)
class Scale:
    """How much is done. The keys are names of models."""

    samplers: Mapping[str, Sequence[Sampler]]
    """Those whose pictures are compared with diffusers'."""
    parity_steps: int
    company: Mapping[str, tuple[int, Sequence[int]]]
    """The number of jobs of the mixed load, and their steps."""
    company_rounds: int
    speed: Mapping[str, SpeedPlan]
    seconds_factor: float
    """Of the estimated seconds of the parts, which are those of a GPU."""


_FEW_SAMPLERS: Final = (
    Sampler.PNDM,
    Sampler.DDIM,
    Sampler.EULER,
    Sampler.DPMPP_2M,
    Sampler.UNIPC,
    Sampler.EULER_A,
)
GPU: Final = Scale(
    samplers={STARTER: DIFFUSION_SAMPLERS, SD15: _FEW_SAMPLERS},
    parity_steps=8,
    company={STARTER: (8, (4, 8, 12)), SD15: (10, (4, 8, 12)), SDXL: (4, (3, 4, 5))},
    company_rounds=2,
    speed={
        SD15: SpeedPlan(
            steps=20,
            serial_jobs=4,
            loads=(
                Load(1, 1, adaptive=False, goal=2.0),
                Load(1, 1, adaptive=True),
                Load(16, 1, adaptive=True, goal=4.0),
                Load(16, 1, adaptive=False),
                Load(16, 4, adaptive=False, goal=2.0),
            ),
        ),
        SDXL: SpeedPlan(
            steps=20,
            serial_jobs=2,
            loads=(
                Load(1, 1, adaptive=False),
                Load(8, 1, adaptive=True, pictures_goal=1.4),
                Load(8, 1, adaptive=False, pictures_goal=1.4),
            ),
        ),
    },
    seconds_factor=1.0,
)
CPU: Final = Scale(
    samplers={STARTER: _FEW_SAMPLERS[1:3], SD15: DIFFUSION_SAMPLERS},
    parity_steps=4,
    company={STARTER: (3, (4, 8, 12)), SD15: (10, (4, 8, 12)), SDXL: (4, (3, 4, 5))},
    company_rounds=1,
    speed={
        SD15: SpeedPlan(
            steps=4,
            serial_jobs=1,
            loads=(
                Load(1, 1, adaptive=False),
                Load(4, 1, adaptive=True),
                Load(4, 4, adaptive=False),
            ),
        ),
        SDXL: SpeedPlan(
            steps=4,
            serial_jobs=1,
            loads=(Load(1, 1, adaptive=False), Load(4, 1, adaptive=True)),
        ),
    },
    seconds_factor=0.2,
)


def scale_for(device: Device) -> Scale:
    """The scale for a GPU or a CPU."""
    return GPU if device.torch_device.type == "cuda" else CPU


def parts(models: Models, scale: Scale) -> list[Part]:
    """The parts in their order."""
    correct = [part for name in models for part in _correctness(models, scale, name)]
    speed = [
        _part(models, scale, name, "speed", 40, "the goal is reached, if the load has one", check)
        for name, plan in scale.speed.items()
        for check in [partial(measure_speed, plan=plan)]
    ]
    peaks = [
        _part(models, scale, name, "memory", 8, "none", memory.measure_memory) for name in models
    ]
    return [*correct, *_failures(models, scale), *speed, *peaks, _lack_of_memory(models, scale)]


def _correctness(models: Models, scale: Scale, name: str) -> Iterator[Part]:
    add = partial(_part, models, scale, name)
    if name in scale.samplers:
        check = partial(
            parity.check_parity, samplers=scale.samplers[name], steps=scale.parity_steps
        )
        yield add("pictures of diffusers", 15, parity.BOUND, check)
    yield add("row classes", 15, "a row has equal bits in all slots", invariance.check_row_classes)
    yield add("graphs", 15, "a captured pass has the bits of an eager one", invariance.check_graphs)
    yield add("decoder", 5, "equal latents give equal pixels", invariance.check_decoder)
    if name in scale.company:
        jobs, steps = scale.company[name]
        yield add(
            "pictures in company",
            30,
            "a picture of a mixed load has the pixels that it has alone",
            partial(invariance.check_company, jobs=jobs, steps=steps, rounds=scale.company_rounds),
        )


def _failures(models: Models, scale: Scale) -> Iterator[Part]:
    """Failures and moves of the second model, which has the size of most models in use."""
    add = partial(_part, models, scale, _second(models))
    yield add("NaN", 5, "the other picture has the pixels that it has alone", faults.check_nan)
    yield add("cancel", 5, "the other job has the pixels that it has alone", faults.check_cancel)
    yield add(
        "simulated lack of memory",
        5,
        "smaller batches, or a sentence; later pictures have the same pixels",
        faults.check_simulated_lack_of_memory,
    )
    yield add("moved weights", 5, "the pixels are the same", faults.check_moves)
    yield Part(
        "several models",
        "the pictures of each have the pixels that they have alone",
        10 * scale.seconds_factor,
        lambda: faults.check_several_models(models.__getitem__, list(models)[:2]),
    )


def _lack_of_memory(models: Models, scale: Scale) -> Part:
    """The last part: if the device is lost in it, nothing else is."""
    return _part(
        models,
        scale,
        _second(models),
        "lack of memory",
        10,
        "smaller batches, or a sentence; later pictures have the same pixels",
        faults.check_lack_of_memory,
    )


def _second(models: Models) -> str:
    """The name of the second model, if there is one."""
    return list(models)[:2][-1]


def _part(
    models: Models,
    scale: Scale,
    model: str,
    subject: str,
    seconds: float,
    bound: str,
    check: CheckModel,
) -> Part:
    """A part that loads its model when it starts."""
    return Part(
        f"{model}: {subject}",
        bound,
        seconds * scale.seconds_factor,
        lambda: check(models[model]),
    )
