"""Check that the bits of a picture depend on nothing but its recipe."""

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import torch

from engine.bench.suite.painting import (
    JobResult,
    Predict,
    intercepted,
    job,
    paint,
    paint_alone,
    recipe,
    used_recipe,
)
from engine.bench.suite.report import Check
from engine.contract import MIN_SIZE, Backend, Paint, Recipe, pixels_sha256
from engine.errors import EngineError
from engine.models.base import Conditioning, DiffusionModel, dummy_recipe
from engine.models.latent_diffusion import LatentDiffusion

COLOURS: Final = ("red", "blue", "green")
OWNERS: Final = 5
MAX_PICTURES: Final = 4
"""Of a job of the mixed load."""
_SEED: Final = 22
_TIMED_PASSES: Final = 5
_DECODINGS: Final = 3


def check_row_classes(model: DiffusionModel) -> Iterator[Check]:
    """Each size and row class in use: a row has the same bits in every slot."""
    for width, height in sizes(model):
        for rows in sorted(model.card.row_classes(width, height)):
            passed = model.is_batch_invariant(width, height, rows, backend=model.card.backend)
            yield Check(subject=_shape(width, height, rows), passed=passed)


@torch.inference_mode()
def check_graphs(model: DiffusionModel) -> Iterator[Check]:
    """Each size and row class in use: a captured pass has the bits of an eager one.

    Shapes that run in eager mode are only listed.
    """
    if not isinstance(model, LatentDiffusion):
        raise EngineError(f"The model {model.card.name} has no forward pass in eager mode.")
    for width, height in sizes(model):
        for rows in sorted(model.card.row_classes(width, height)):
            subject, inputs = _shape(width, height, rows), _inputs(model, width, height, rows)
            replay = model.predict(*inputs).clone()
            if not model.graphs.is_captured(inputs[0], inputs[2]):
                yield Check(subject=subject, values={"captured": False})
                continue
            eager = model.forward(*inputs).clone()
            outputs = replay, model.forward(*inputs), model.predict(*inputs)
            values = {
                "captured": True,
                "finite": bool(torch.isfinite(eager).all()),
                "eager ms": _milliseconds(model, partial(model.forward, *inputs)),
                "graph ms": _milliseconds(model, partial(model.predict, *inputs)),
            }
            passed = all(torch.equal(eager, output) for output in outputs)
            yield Check(subject=subject, passed=passed, values=values)


@torch.inference_mode()
def check_decoder(model: DiffusionModel) -> Iterator[Check]:
    """Equal latents are decoded to equal pixels, also in another thread beside forward passes, as
    the engine does it."""
    rows = min(model.card.row_classes(model.card.native_size, model.card.native_size))
    for width, height in sizes(model)[-2:]:
        inputs = _inputs(model, width, height, rows)
        latents = inputs[0][:1].float()
        alone = [pixels_sha256(model.decode_latents(latents)) for _ in range(_DECODINGS)]
        with ThreadPoolExecutor(1) as executor:
            event = model.device.record_event()
            decoding = executor.submit(_decode_repeatedly, model, latents, event)
            passes = 0
            while not decoding.done():
                model.predict(*inputs)
                model.device.synchronize()
                passes += 1
            beside = decoding.result()
        values = {"alone": len(set(alone)), "beside": len(set(beside)), "forward passes": passes}
        passed = len({*alone, *beside}) == 1
        yield Check(subject=f"{width} x {height}", passed=passed, values=values)


@torch.inference_mode()
def _decode_repeatedly(
    model: DiffusionModel, latents: torch.Tensor, event: "torch.cuda.Event | None"
) -> list[str]:
    with model.device.side_stream(event):
        return [pixels_sha256(model.decode_latents(latents)) for _ in range(_DECODINGS)]


def check_company(
    model: DiffusionModel, jobs: int, steps: Sequence[int], rounds: int = 1
) -> Iterator[Check]:
    """Each picture of a mixed load has the pixels that it has alone.

    A picture that differs is examined: whether it repeats, and where the difference begins.
    """
    load = mixed_load(model, jobs, steps)
    alone: dict[Recipe, str] = {}
    for nth in range(rounds):
        for result in paint([model], load):
            for index, digest in enumerate(result.digests):
                used = used_recipe(_recipes(result)[index], result.images[index])
                if used not in alone:
                    alone[used] = paint_alone(model, used)
                passed = alone[used] == digest and not digest.startswith("failed")
                values = _about(used)
                if not passed:
                    values |= examine(model, load, used, (digest, alone[used]))
                subject = f"round {nth + 1}, job {result.job.job}, picture {index + 1}"
                yield Check(subject=subject, passed=passed, values=values)


def mixed_load(model: DiffusionModel, jobs: int, steps: Sequence[int]) -> list[Paint]:
    """Jobs with one to four pictures, of two sizes and all samplers, some without guidance."""
    card = model.card
    side, samplers = card.native_size, card.samplers
    shapes = [(side, side), (side, side), (side * 3 // 2 // 8 * 8, side)]
    load = []
    for nth in range(jobs):
        width, height = shapes[nth % len(shapes)]
        recipes = [
            recipe(
                model,
                prompt=f"a {COLOURS[nth % len(COLOURS)]} house {nth}",
                seed=50 + nth + picture,
                steps=steps[nth % len(steps)],
                sampler=samplers[nth % len(samplers)],
                guidance=1.0 if nth % 4 == 3 else card.guidance,
                width=width,
                height=height,
            )
            for picture in range(1 + nth % MAX_PICTURES)
        ]
        owner = str(nth % OWNERS)
        load.append(job(*card.with_row_class(recipes), name=str(nth), owner=owner))
    return load


@dataclass
class Trace:
    """The digests of all rows that went through a model."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    """Input and output of each row of each forward pass."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wrap(self, predict: Predict) -> Predict:
        """`predict`, which also adds its rows."""

        def traced(
            latents: torch.Tensor,
            timesteps: torch.Tensor,
            conditioning: Conditioning,
            backend: Backend,
        ) -> torch.Tensor:
            output = predict(latents, timesteps, conditioning, backend)
            tensors = [latents, timesteps, *conditioning.values()]
            with self.lock:
                for row in range(len(latents)):
                    inputs = _digest(*(tensor[row] for tensor in tensors))
                    self.rows.append((inputs, _digest(output[row])))
            return output

        return traced


def examine(
    model: DiffusionModel, load: Sequence[Paint], used: Recipe, digests: tuple[str, str]
) -> dict[str, Any]:
    """Where a picture that has other bits in a load than alone begins to differ.

    `digests` are those of the picture in the load and alone.
    """
    in_load, alone = Trace(), Trace()
    with intercepted(model, in_load.wrap):
        results = paint([model], load)
    with intercepted(model, alone.wrap):
        digest_alone = paint_alone(model, used)
    again = {
        used_recipe(_recipes(result)[index], image): image.sha256
        for result in results
        for index, image in result.images.items()
    }
    return {
        "in the load": digests[0][:16],
        "alone": digests[1][:16],
        "in the load, repeated": again.get(used, "")[:16],
        "alone, repeated": digest_alone[:16],
        "differs": first_difference(in_load.rows, alone.rows),
    }


def first_difference(in_load: Sequence[tuple[str, str]], alone: Sequence[tuple[str, str]]) -> str:
    """The first row of a picture alone that is not among the rows of the load."""
    outputs: dict[str, set[str]] = defaultdict(set)
    for inputs, output in in_load:
        outputs[inputs].add(output)
    for nth, (inputs, output) in enumerate(alone):
        if inputs not in outputs:
            return f"before row {nth} of the forward passes"
        if outputs[inputs] != {output}:
            return f"in row {nth} of the forward passes"
    return "after the forward passes, or not in this repetition"


def sizes(model: DiffusionModel) -> list[tuple[int, int]]:
    """Half the native size, the native size, and pictures that are wider by half."""
    side = model.card.native_size
    half = max(MIN_SIZE, side // 2)
    return list(dict.fromkeys([(half, half), (side, side), (side * 3 // 2 // 8 * 8, side)]))


def _inputs(
    model: DiffusionModel, width: int, height: int, rows: int
) -> tuple[torch.Tensor, torch.Tensor, Conditioning]:
    device = model.device
    generator = torch.Generator("cpu").manual_seed(_SEED)
    shape = (rows, *model.latent_shape(width, height)[1:])
    latents = torch.randn(shape, generator=generator).to(device.torch_device, device.dtype)
    timesteps = (torch.rand(rows, generator=generator) * 999).to(device.torch_device)
    one_row = model.encode_prompt(dummy_recipe(model.card, width, height))
    conditioning = {
        name: tensor[:1].expand(rows, *tensor.shape[1:]).contiguous()
        for name, tensor in one_row.items()
    }
    return latents, timesteps, conditioning


def _milliseconds(model: DiffusionModel, run: Any) -> float:  # noqa: ANN401 - any function
    """The mean time of a call."""
    model.device.synchronize()
    start = time.monotonic()
    for _ in range(_TIMED_PASSES):
        run()
    model.device.synchronize()
    return round((time.monotonic() - start) / _TIMED_PASSES * 1000, 3)


def _recipes(result: JobResult) -> list[Recipe]:
    return [work for work in result.job.recipes if isinstance(work, Recipe)]


def _about(used: Recipe) -> dict[str, Any]:
    return {
        "sampler": str(used.sampler),
        "size": f"{used.width} x {used.height}",
        "guidance": used.guidance,
        "steps": used.steps,
        "rows": used.row_class,
    }


def _shape(width: int, height: int, rows: int) -> str:
    return f"{width} x {height}, {rows} rows"


def _digest(*tensors: torch.Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
