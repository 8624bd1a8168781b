"""Tokenizers whose config has no usable length have that of their text encoder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from safetensors.torch import save_file

from engine.core.engine_core import EngineCore
from engine.models.description import describe
from engine.models.prompt_length import prompt_length
from engine.weights.embeddings import configured_embeddings
from engine.weights.model_files import find_model_files
from tests import tiny_flow_models, tiny_model
from tests.engine_parts import job, load_engine_core, painted_images, recipe

ABSENT: Final = object()
LENGTHS: Final = [ABSENT, 10**30, 1e30, 0, -1, 10_000]


@pytest.mark.parametrize(
    ("length", "positions", "expected"),
    [
        (77, {}, 77),
        (10**30, {}, 77),
        (1e30, {}, 77),
        (None, {}, 77),
        (0, {}, 77),
        (-77, {}, 77),
        (2, {}, 77),
        (True, {}, 77),
        ("77", {}, 77),
        (78, {}, 77),
        (77, {"max_position_embeddings": 248}, 77),
        (10**30, {"max_position_embeddings": 248}, 248),
        (77, {"max_position_embeddings": 24}, 24),
        (24, {"max_position_embeddings": 24}, 24),
        (10**30, {"max_position_embeddings": "many"}, 77),
        (10**30, {"max_position_embeddings": 0}, 77),
    ],
)
def test_a_length_without_positions_is_not_used(
    length: object, positions: dict[str, object], expected: int
) -> None:
    """The positions of the text encoder are, or else those of CLIP."""
    assert prompt_length(length, positions) == expected


@pytest.fixture(scope="module", params=["save", "save_xl", "save_sd3"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of each family with CLIP."""
    save: Callable[[Path], Path]
    save = getattr(tiny_model, request.param, None) or getattr(tiny_flow_models, request.param)
    return save(tmp_path_factory.mktemp("models") / "tiny")


def change_length(folder: Path, length: object) -> None:
    """Write another length into the configs of the tokenizers of CLIP."""
    for tokenizer in ("tokenizer", "tokenizer_2"):
        path = folder / tokenizer / "tokenizer_config.json"
        if path.is_file():
            config = json.loads(path.read_text())
            del config["model_max_length"]
            path.write_text(
                json.dumps(config | ({} if length is ABSENT else {"model_max_length": length}))
            )


def painted(core: EngineCore, prompt: str) -> Any:  # noqa: ANN401 - an optional digest
    """The digest of a picture of this prompt."""
    return painted_images(job(recipe(core, prompt=prompt, steps=2)), core)[0].sha256


@pytest.mark.parametrize("length", LENGTHS)
def test_a_model_paints_the_same_without_a_usable_length(
    length: object, source: Path, tmp_path: Path
) -> None:
    """Also long prompts, and what does not fit is counted as before."""
    folder = Path(shutil.copytree(source, tmp_path / "tiny"))
    change_length(folder, length)
    cores = [load_engine_core(str(path)) for path in (source, folder)]
    for prompt in ("a cat", "a " * 40):
        first, second = (painted(core, prompt) for core in cores)
        assert first is not None
        assert first == second
    omissions = [core.model.omission(recipe(core, prompt="a " * 450)) for core in cores]
    assert omissions[0] is not None
    assert omissions[0] == omissions[1]


@pytest.mark.parametrize("length", LENGTHS)
def test_embeddings_fit_without_a_usable_length(
    length: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are longer than a chunk do not."""
    folder = tiny_model.save(tmp_path / "tiny")
    change_length(folder, length)
    (tmp_path / "embeddings").mkdir()
    for name, size in (("fits", tiny_model.TOKENS - 2), ("long", tiny_model.TOKENS - 1)):
        path = tmp_path / "embeddings" / f"{name}.safetensors"
        save_file({"emb_params": torch.zeros(size, tiny_model.WIDTH)}, path)
    monkeypatch.setenv("IMAGINE_EMBEDDINGS", str(tmp_path / "embeddings"))
    assert len(configured_embeddings()) == 2
    assert describe(find_model_files(str(folder))).embeddings == ("fits",)
