"""The jobs that the benchmark paints."""

import random
from collections.abc import Callable
from typing import Final

import msgspec
from PIL import Image

from engine.contract import Capture, Img2Img, ModelCard, Paint, Recipe, Sampler, Txt2Img, sha256
from engine.contract.images.encode import encode_png
from engine.core.job_files import JobWithFiles

PROMPTS: Final = ("a red house on the grass", "a blue boat at night", "a cat in the snow")
MIXED_STEPS: Final = (4, 20, 30, 50)
MIXED_SAMPLERS: Final = (
    Sampler.EULER,
    Sampler.EULER_A,
    Sampler.DDIM,
    Sampler.DPMPP_2M,
    Sampler.UNIPC,
    Sampler.PNDM,
)
SKETCH_SHARE: Final = 0.3
UNGUIDED_SHARE: Final = 0.2


def uniform(model: ModelCard, pictures: int, nth: int) -> JobWithFiles:
    """Workload A: 20 steps with guidance, one sampler and one size."""
    return _job(model, pictures, nth, steps=20, sampler=Sampler.EULER)


def mixed(model: ModelCard, pictures: int, nth: int) -> JobWithFiles:
    """Workload B: mixed sizes, steps and samplers; some jobs with sketches or without guidance."""
    rng = random.Random(nth)  # noqa: S311 # a seed, not a secret
    side, long = model.native_size, model.native_size * 3 // 2
    has_sketch = rng.random() < SKETCH_SHARE
    return _job(
        model,
        pictures,
        nth,
        steps=MIXED_STEPS[nth % len(MIXED_STEPS)],
        sampler=rng.choice(MIXED_SAMPLERS),
        size=rng.choice([(side, side), (side, long), (long, side)]),
        guidance=1.0 if rng.random() < UNGUIDED_SHARE else model.guidance,
        sketch=_sketch(model.native_size) if has_sketch else None,
    )


Workload = Callable[[ModelCard, int, int], JobWithFiles]
"""Called with the model card, the pictures in each job, and the job's index."""


def _job(
    model: ModelCard,
    pictures: int,
    nth: int,
    *,
    steps: int,
    sampler: Sampler,
    size: tuple[int, int] | None = None,
    guidance: float | None = None,
    sketch: bytes | None = None,
) -> JobWithFiles:
    files = {sha256(sketch): sketch} if sketch else {}
    width, height = size or (model.native_size, model.native_size)
    first = Recipe(
        model=model.name,
        revision=model.revision,
        prompt=PROMPTS[nth % len(PROMPTS)],
        seed=1000 * nth,
        steps=steps,
        guidance=model.guidance if guidance is None else guidance,
        guidance_embedding=model.guidance_embedding,
        sampler=sampler,
        width=width,
        height=height,
        source=Img2Img(next(iter(files)), 0.75, model.rounding) if files else Txt2Img(),
        backend=model.backend,
        row_class=2,
    )
    recipes = [msgspec.structs.replace(first, seed=first.seed + n) for n in range(pictures)]
    paint = Paint(
        job=str(nth),
        attempt=1,
        recipes=model.with_row_class(recipes),
        inputs=tuple(files),
        capture=Capture(previews=False),
    )
    return JobWithFiles(paint, files)


def _sketch(side: int) -> bytes:
    return encode_png(Image.linear_gradient("L").resize((side, side)).convert("RGB"))


WORKLOADS: Final[dict[str, Workload]] = {"A": uniform, "B": mixed, "C": uniform}
"""C is for SDXL, whose native size is 1024 x 1024."""
