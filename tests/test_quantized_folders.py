"""Folders with quantised weights, for which a package may be missing."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.device import select_device
from engine.errors import EngineError, MissingDependency, ModelCorrupt
from engine.models import registry
from engine.models.quantization import check_weights
from engine.weights.model_files import find_model_files
from tests import tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model."""
    return tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize("component", ["unet", "text_encoder"])
@pytest.mark.parametrize(
    ("quantization", "error", "sentence"),
    [
        ({"quant_method": "bitsandbytes"}, MissingDependency, "the package bitsandbytes is needed"),
        ({"quant_method": "sdnq"}, MissingDependency, "the package sdnq is needed"),
        ({"quant_method": "gguf"}, ModelCorrupt, "in an unknown way"),
        ({"quant_method": "own"}, ModelCorrupt, "quantised in an unknown way; these are supported"),
        (4, ModelCorrupt, "quantised in an unknown way"),
    ],
)
def test_what_cannot_be_loaded_is_named(
    component: str,
    quantization: Any,  # noqa: ANN401 - what a config may have
    error: type[EngineError],
    sentence: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sentence names the component, and the package or what is supported."""
    for package in ("bitsandbytes", "sdnq"):
        monkeypatch.setitem(sys.modules, package, None)
    path = folder / component / "config.json"
    config = path.read_text()
    path.write_text(json.dumps(json.loads(config) | {"quantization_config": quantization}))
    try:
        with pytest.raises(error, match=f"The {component} of the model .*{sentence}"):
            registry.load(str(folder), select_device())
    finally:
        path.write_text(config)


def test_a_package_that_registers_itself_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else transformers takes packed weights of a text encoder for numbers."""
    (tmp_path / "sdnq.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sdnq", raising=False)
    files = find_model_files(str(tiny_model.save(tmp_path / "tiny")))
    check_weights(files, "text_encoder", {"quantization_config": {"quant_method": "sdnq"}})
    assert sys.modules.pop("sdnq").__file__ == str(tmp_path / "sdnq.py")
