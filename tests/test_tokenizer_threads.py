"""Tokenizers whose truncation and padding several threads set."""

import threading
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from transformers import TokenizersBackend

from engine.contract import PromptFormat
from engine.core.engine_core import EngineCore
from engine.models.latent_diffusion import LatentDiffusion
from engine.models.prompt_tokens import Prompt
from tests import tiny_flow_models
from tests.engine_parts import engine_core, load_engine_core, recipe

_WAIT_SECONDS: Final = 0.5


def _stable_diffusion(_: Path) -> EngineCore:
    return engine_core()


def _klein(folder: Path) -> EngineCore:
    return load_engine_core(str(tiny_flow_models.save_klein(folder / "tiny")))


def _z_image(folder: Path) -> EngineCore:
    return load_engine_core(str(tiny_flow_models.save_z_image(folder / "tiny")))


@pytest.mark.parametrize("make", [_stable_diffusion, _klein, _z_image])
def test_a_thread_that_counts_words_leaves_an_encoding_alone(
    make: Any,  # noqa: ANN401 - one of three functions
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits, from when the padding is set until the prompt is encoded by it."""
    core = make(tmp_path)
    model = core.model
    assert isinstance(model, LatentDiffusion)
    run = recipe(core, prompt="a red ball", prompt_format=PromptFormat.PLAIN, guidance=1.0)
    set_padding = TokenizersBackend.set_truncation_and_padding
    encoder, others = threading.current_thread(), list[threading.Thread]()

    def interrupted(tokenizer: TokenizersBackend, *args: Any, **options: Any) -> None:  # noqa: ANN401
        set_padding(tokenizer, *args, **options)
        if threading.current_thread() is encoder:
            others.append(threading.Thread(target=model.omission, args=(run,)))
            others[-1].start()
            others[-1].join(_WAIT_SECONDS)

    with torch.inference_mode():
        expected = model._encode_text(Prompt("a dog"))
        monkeypatch.setattr(TokenizersBackend, "set_truncation_and_padding", interrupted)
        encoding = model._encode_text(Prompt("a dog"))
    for other in others:
        other.join()
    assert others
    assert encoding.shape == expected.shape
    assert torch.equal(encoding, expected)
