"""Measure pictures with a LoRA, with a control and with none: in one batch and in batches of their
own, beside each other, and while LoRAs are added."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from PIL import Image, ImageDraw

from engine.bench import added_loras, steered_company
from engine.bench.added_loras import AddedLora
from engine.bench.backends import exit_bench, pipeline_of
from engine.bench.steered_company import CompanyTimes
from engine.bench.steered_files import CONTROL, write_control, write_lora
from engine.bench.timed_job import TimedJob
from engine.contract import Backend, Recipe, sha256
from engine.contract.images.encode import encode_png
from engine.core.worker import Worker, start_worker
from engine.errors import EngineError
from engine.models.base import DiffusionModel, dummy_recipe
from engine.models.unet_diffusion import UnetDiffusion
from engine.weights.controls import CONTROLS_VARIABLE, configured_controls
from engine.weights.loras import find_loras

STEPS: Final = 20
_GUIDANCE: Final = 7.5
_ROUNDS: Final = 7
_MIXES: Final = (
    ("plain", "LoRA"),
    ("plain", "control"),
    ("plain", "LoRA", "control"),
    ("plain", "plain", "LoRA", "control"),
)


@dataclass(frozen=True)
class SteeredTimes:
    """The least of some rounds; in each, the pictures are painted in all of these ways in turn."""

    pictures: str
    """How many of which kinds."""
    separate_seconds: float
    """One kind after the other, each in batches of its own, with the row class of such a job."""
    together_seconds: float
    """In one batch."""
    ratio: float
    """Of the pictures per second, together and separate."""
    is_equal: bool
    """Whether each picture has the pixels that it has alone in the larger row class."""


HEAD: Final = "in one batch                  separate, s  together, s  ratio  equal\n"


def line(result: SteeredTimes | CompanyTimes | AddedLora) -> str:
    """One line of the table, or two lines of text below it."""
    if isinstance(result, AddedLora):
        return added_loras.line(result)
    if isinstance(result, CompanyTimes):
        return steered_company.line(result)
    return (
        f"{result.pictures:<30}{result.separate_seconds:<13.3f}{result.together_seconds:<13.3f}"
        f"{result.ratio:<7.2f}{'yes' if result.is_equal else 'NO'}\n"
    )


def run(model: DiffusionModel) -> Iterator[SteeredTimes | CompanyTimes | AddedLora]:
    """Measure pictures of the native size. Raises EngineError if the model cannot be steered, or a
    picture is not painted."""
    if not isinstance(model, UnetDiffusion):
        raise EngineError(f"The model {model.card.name} takes no LoRAs and controls.")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_lora(folder / "bench.safetensors", pipeline_of(model).unet)
        model.offer_adapters(find_loras([folder]))
        _add_control(model, folder / "control")
        kinds, files = _recipes(model)
        worker = start_worker([model], exit_bench)
        try:
            for names in _MIXES:
                yield _measure(worker, model, [kinds[name] for name in names], names, files)
            yield from steered_company.run(worker, model, kinds["plain"], kinds["control"], files)
            (folder / "added").mkdir()
            yield added_loras.run(worker, model, kinds["plain"], folder / "added")
        finally:
            worker.close()


def _add_control(model: UnetDiffusion, folder: Path) -> None:
    """Let the model have a control with random weights, if it has none."""
    if model.card.controls:
        return
    write_control(folder, pipeline_of(model).unet)
    os.environ[CONTROLS_VARIABLE] = f"{CONTROL}={folder}"
    model.add_controls(configured_controls(model.card.name, prefer_fp16=False))


def _recipes(model: UnetDiffusion) -> tuple[dict[str, Recipe], Mapping[str, bytes]]:
    """A recipe of each kind, and the control image."""
    side = model.card.native_size
    plain = msgspec.structs.replace(
        dummy_recipe(model.card, side, side),
        steps=STEPS,
        guidance=_GUIDANCE,
        backend=Backend.TORCH,
    )
    image = Image.new("RGB", (side, side))
    ImageDraw.Draw(image).ellipse((side // 4, side // 4, side // 2, side // 2), outline="white")
    data = encode_png(image)
    control = model.card.control(model.card.controls[0].kind, sha256(data))
    adapter = model.card.adapters[0]
    recipes = {
        "plain": plain,
        "LoRA": msgspec.structs.replace(
            plain, seed=1, adapters=(model.card.adapter(adapter.name, 0.8),)
        ),
        "control": msgspec.structs.replace(plain, seed=2, controls=(control,)),
    }
    return recipes, {sha256(data): data}


def _measure(
    worker: Worker,
    model: DiffusionModel,
    recipes: Sequence[Recipe],
    names: Sequence[str],
    files: Mapping[str, bytes],
) -> SteeredTimes:
    recipes = [msgspec.structs.replace(recipe, seed=seed) for seed, recipe in enumerate(recipes)]
    together = model.card.with_row_class(recipes)
    kinds = Counter(names)
    separate = [
        model.card.with_row_class(
            [recipe for recipe, kind in zip(recipes, names, strict=True) if kind == name]
        )
        for name in kinds
    ]
    alone = [_paint(worker, [recipe], files)[1][0] for recipe in together]  # warms up, too
    seconds: list[tuple[float, float]] = []
    is_equal = True
    for _ in range(_ROUNDS):
        one_by_one = sum(_paint(worker, job, files)[0] for job in separate)
        mixed, digests = _paint(worker, together, files)
        seconds.append((one_by_one, mixed))
        is_equal &= digests == alone
    best, best_mixed = (min(times) for times in zip(*seconds, strict=True))
    pictures = " + ".join(f"{count} {name}" for name, count in kinds.items())
    return SteeredTimes(pictures, best, best_mixed, best / best_mixed, is_equal)


def _paint(
    worker: Worker, recipes: Sequence[Recipe], files: Mapping[str, bytes]
) -> tuple[float, list[str]]:
    """The seconds that a job takes, and the digests of its pictures. Raises EngineError."""
    job = TimedJob(worker, recipes, files)
    return job.wait(), job.digests
