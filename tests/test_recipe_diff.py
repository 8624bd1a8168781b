"""What differs between two recipes."""

from typing import Any

import msgspec
import pytest

from bot.domain.recipe_diff import recipe_changes
from engine.contract import (
    Adapter,
    Backend,
    Change,
    Control,
    Detail,
    Edit,
    Embedding,
    Img2Img,
    Inpaint,
    Outpaint,
    Preprocessor,
    PromptFormat,
    Reference,
    ReferenceRole,
    Sampler,
    StepRounding,
    Subseed,
    Upscale,
    Work,
)
from tests.samples import recipe

SKETCH = Img2Img("b" * 64, 0.5)
EDIT = Edit("b" * 64, 1.5)
AROUND = Outpaint(image="b" * 64, left=8, top=8, width=48, height=48)
FIRST, SECOND = Subseed(1, 0.15), Subseed(2, 0.1)
FORK = Change(step=2, prompt="a dog", guidance=3.0)
BAD = Embedding("bad", "a" * 64)
NEON = Adapter(name="neon", revision="1", scale=0.8)
PENCIL = Adapter(name="pencil", revision="2")
LINES = Control(
    kind="scribble", revision="1", image="b" * 64, preprocessor=Preprocessor.SCRIBBLE, scale=0.5
)
STYLE = Reference(image="b" * 64, role=ReferenceRole.STYLE)
BLENDED = Reference(image="b" * 64, role=ReferenceRole.BLEND, scale=0.5)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({}, {}, []),
        ({}, {"row_class": 2}, []),
        ({}, {"steps": 8, "guidance": 7.5}, ["steps 4 -> 8", "guidance 5 -> 7.5"]),
        ({}, {"sampler": Sampler.DDIM}, ["euler -> ddim"]),
        ({}, {"width": 128, "height": 96}, ["64x64 -> 128x96"]),
        ({}, {"model": "/srv/m/dream"}, ["model flat -> dream"]),
        ({}, {"revision": "1" * 40}, ["revision 0000000 -> 1111111"]),
        (
            {"revision": f"{'1' * 64}-{'2' * 16}"},
            {"revision": f"{'1' * 64}-{'3' * 16}"},
            ["revision 1111111-2222222 -> 1111111-3333333"],
        ),
        ({}, {"backend": Backend.OPENVINO}, ["backend torch -> openvino"]),
        ({}, {"embeddings": (BAD,)}, ["embeddings none -> bad"]),
        ({}, {"adapters": (NEON,)}, ["LoRA neon (0.8)"]),
        ({"adapters": (NEON,)}, {}, ["not LoRA neon (0.8)"]),
        ({"adapters": (NEON,)}, {"adapters": (PENCIL,)}, ["LoRA neon (0.8) -> LoRA pencil"]),
        ({}, {"controls": (LINES,)}, ["follows the lines of a sketch (0.5)"]),
        (
            {"controls": (LINES,)},
            {"controls": (msgspec.structs.replace(LINES, image="c" * 64),)},
            ["follows the lines of a sketch (0.5), another one"],
        ),
        ({}, {"references": (STYLE,)}, ["in the style of a picture"]),
        ({}, {"references": (BLENDED, BLENDED)}, ["a mix of 2 pictures"]),
        ({}, {"seed": 9}, ["seed 9"]),
        ({}, {"subseeds": (FIRST,)}, ["noise 0.15"]),
        ({"subseeds": (FIRST,)}, {"subseeds": (FIRST, SECOND)}, ["noise 0.1"]),
        ({"subseeds": (FIRST,)}, {"subseeds": (SECOND,)}, ["other noise"]),
        ({}, {"prompt": "a blue house"}, ["prompt a blue house"]),
        ({}, {"negative": "rain"}, ["negative rain"]),
        ({}, {"prompt_format": PromptFormat.A1111}, ["brackets as weights"]),
        ({"prompt_format": PromptFormat.A1111}, {}, ["brackets as words"]),
        ({"negative": "rain"}, {}, ["negative removed"]),
        ({}, {"source": SKETCH}, ["with a sketch"]),
        ({"source": SKETCH}, {}, ["without the sketch"]),
        ({"source": SKETCH}, {"source": Img2Img("c" * 64, 0.5)}, ["another sketch"]),
        ({"source": SKETCH}, {"source": Img2Img("b" * 64, 0.75)}, ["strength 0.5 -> 0.75"]),
        (
            {"source": Img2Img("b" * 64, 0.6)},
            {"source": Img2Img("b" * 64, 0.6, StepRounding.UP)},
            ["2 -> 3 steps on the sketch"],
        ),
        ({}, {"source": EDIT}, ["image guidance 1.5"]),
        ({"source": EDIT}, {"source": Edit("b" * 64, 2.0)}, ["image guidance 2"]),
        ({"source": EDIT}, {}, ["without an input image"]),
        ({"source": EDIT}, {"source": SKETCH}, ["with a sketch"]),
        ({}, {"source": Inpaint("b" * 64, "c" * 64, 1.0)}, ["a part painted again"]),
        ({"source": SKETCH}, {"source": AROUND}, ["another canvas"]),
        ({"source": AROUND}, {"source": AROUND}, []),
        ({}, {"changes": (FORK,)}, ["from step 2: guidance 3, prompt"]),
        ({"changes": (FORK,)}, {}, ["without 1 change"]),
        (
            {"changes": (FORK,)},
            {"changes": (FORK, Change(step=3, sampler=Sampler.LMS, negative=""))},
            ["from step 3: lms, negative"],
        ),
    ],
)
def test_each_difference_is_named(
    old: dict[str, object], new: dict[str, object], changes: list[str]
) -> None:
    """And nothing else."""
    assert recipe_changes(recipe(**old), recipe(**new)) == changes


ENLARGED = Upscale(
    picture=recipe(), image="c" * 64, upscaler="esrgan", upscaler_revision="1", scale=4
)
DETAILED = Detail(
    picture=ENLARGED,
    image="d" * 64,
    upscaler="esrgan",
    upscaler_revision="1",
    scale=2,
    tile=128,
    overlap=16,
    row_class=8,
)


def by_openvino(work: Detail, **changes: Any) -> Detail:  # noqa: ANN401 - any field
    """The Detail with tiles of another backend than its picture."""
    return msgspec.structs.replace(work, backend=Backend.OPENVINO, **changes)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (recipe(), ENLARGED, ["4x esrgan"]),
        (ENLARGED, DETAILED, ["2x with detail 0.3"]),
        (recipe(), DETAILED, ["4x esrgan", "2x with detail 0.3"]),
        (ENLARGED, by_openvino(DETAILED), ["2x with detail 0.3 by openvino"]),
        (
            DETAILED,
            by_openvino(DETAILED, strength=0.5),
            ["2x with detail 0.3 -> 2x with detail 0.5 by openvino"],
        ),
        (DETAILED, msgspec.structs.replace(DETAILED, row_class=2), []),
        (
            DETAILED,
            msgspec.structs.replace(DETAILED, rounding=StepRounding.UP),
            ["1 -> 2 steps on each tile"],
        ),
        (
            DETAILED,
            msgspec.structs.replace(DETAILED, strength=0.5, rounding=StepRounding.UP),
            ["2x with detail 0.3 -> 2x with detail 0.5", "1 -> 2 steps on each tile"],
        ),
        (
            msgspec.structs.replace(DETAILED, strength=0.5),
            msgspec.structs.replace(DETAILED, strength=0.5, rounding=StepRounding.UP),
            [],
        ),
        (
            DETAILED,
            msgspec.structs.replace(DETAILED, tile=256, overlap=32, upscaler="other"),
            ["esrgan -> other", "tiles of 128 pixels with 16 shared -> 256 pixels with 32 shared"],
        ),
        (ENLARGED, ENLARGED, []),
        (ENLARGED, recipe(steps=8), ["steps 4 -> 8"]),
    ],
)
def test_an_enlargement_names_its_scale(old: Work, new: Work, changes: list[str]) -> None:
    """One after another."""
    assert recipe_changes(old, new) == changes
