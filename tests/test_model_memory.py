"""The memory that models take on a CPU."""

import gc
import json
import weakref
from pathlib import Path

import pytest
import torch

from engine.bench.backends import pipeline_of
from engine.device import select_device
from engine.errors import EngineError
from engine.models import registry
from tests import tiny_model
from tests.engine_parts import job, load_engine_core, painted_images, recipe


def test_weights_that_do_not_fit_into_memory_are_one_sentence(tmp_path: Path) -> None:
    """Nothing is loaded; here a file has a hole of 4 TB."""
    folder = tiny_model.save(tmp_path / "tiny")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    size = 4 * 10**12
    tensor = {"dtype": "F32", "shape": [10**12], "data_offsets": [0, size]}
    header = json.dumps({"x": tensor}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        try:
            file.truncate(8 + len(header) + size)
        except OSError:
            pytest.skip("the file system has no files of this size")
    with pytest.raises(EngineError, match=r"too little memory .*: its weights take 4000\.0 GB"):
        registry.load(str(folder), select_device())


def test_a_model_that_is_dropped_frees_its_weights(tmp_path: Path) -> None:
    """Also after it has painted a picture."""
    core = load_engine_core(str(tiny_model.save(tmp_path / "tiny")))
    painted_images(job(recipe(core, steps=1)), core)
    networks = [
        weakref.ref(part)
        for part in pipeline_of(core.model).components.values()
        if isinstance(part, torch.nn.Module)
    ]
    assert len(networks) == 3
    core.postprocessor.close()
    del core
    gc.collect()
    assert [network() for network in networks] == [None] * 3
