"""The words of long prompts that a model for flow matching does not read."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
import torch

from engine.contract import Omission
from engine.core.engine_core import EngineCore
from engine.models.latent_diffusion import LatentDiffusion
from tests import tiny_flow_models
from tests.engine_parts import job, load_engine_core, painted_images, recipe

SAVES: Final = {
    "sd3": tiny_flow_models.save_sd3,
    "sd3 without t5": partial(tiny_flow_models.save_sd3, has_t5=False),
    "klein": tiny_flow_models.save_klein,
    "z-image": tiny_flow_models.save_z_image,
}


@cache
def core(save: Callable[[Path], Path]) -> EngineCore:
    """An engine core with a tiny model."""
    with TemporaryDirectory() as folder:
        return load_engine_core(str(save(Path(folder) / "tiny")))


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
def test_just_the_words_that_are_not_read_are_counted(save: Callable[[Path], Path]) -> None:
    """The others change what the text encoders say."""
    model = core(save).model
    assert isinstance(model, LatentDiffusion)
    words = ["ab"] * 320
    run = recipe(core(save), prompt=" ".join(words), guidance=1.0, steps=1)
    omission = model.omission(run)
    assert omission is not None and omission.negative == 0
    read = len(words) - omission.prompt
    assert 0 < read < len(words)

    def encoded(changed: int) -> list[torch.Tensor]:
        texts = [*words[:changed], "cd", *words[changed + 1 :]]
        other = recipe(core(save), prompt=" ".join(texts), guidance=1.0, steps=1)
        return list(model.encode_prompt(other, model.text_chunks(other)).values())

    before = list(model.encode_prompt(run, model.text_chunks(run)).values())
    assert all(map(torch.equal, encoded(read + 1), before))
    assert not all(map(torch.equal, encoded(read - 1), before))
    [image] = painted_images(job(run), core(save))
    assert image.omission == omission
    short = recipe(core(save), prompt="a red house", guidance=1.0)
    assert model.omission(short) is None


def test_the_negative_prompt_is_counted_too() -> None:
    """If there is guidance; CLIP reads 22 letters of each."""
    model = core(SAVES["sd3 without t5"]).model
    assert isinstance(model, LatentDiffusion)
    words = " ".join("a" * 30)
    run = recipe(core(SAVES["sd3 without t5"]), prompt=words, negative=f"{words} a", guidance=5.0)
    assert model.omission(run) == Omission(8, 9)
