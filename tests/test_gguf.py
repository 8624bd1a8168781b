"""GGUF files with a transformer paint what their folders paint."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import torch
from diffusers import Flux2Transformer2DModel, GGUFQuantizationConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.device import select_device
from engine.errors import MissingDependency, ModelCorrupt
from engine.models import registry
from engine.models.description import describe
from engine.models.gguf_weights import numbers_of
from engine.weights.checkpoints import read_checkpoint
from engine.weights.gguf import TYPES, GgufTensor, read_gguf
from engine.weights.model_files import find_model_files
from engine.weights.sizes import loaded_bytes
from tests import test_flux_2_klein
from tests.checkpoint_writer import Tensors, write
from tests.diffusers_pipeline import assert_alike, diffusers_image
from tests.engine_parts import job, load_engine_core, painted_images, recipe, rendered_images
from tests.gguf_writer import dequantized, write_gguf
from tests.test_transformer_checkpoints import CONFIG, klein, sd3_alone, z_image

SMALL: Final = {"a.weight": torch.ones(2, 64), "b": torch.zeros(3)}


@pytest.mark.parametrize("save", [sd3_alone, klein, z_image])
def test_a_transformer_paints_the_bits_of_its_folder(
    save: Callable[[Path], Tensors], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With whole numbers, which need no package."""
    folder = tmp_path / "turbo"
    path = write_gguf(tmp_path / "turbo.gguf", save(folder))
    ours = load_engine_core(str(folder))
    [expected] = painted_images(job(recipe(ours, guidance=1.0)), ours)
    monkeypatch.setenv(CONFIG, str(folder))
    monkeypatch.setitem(sys.modules, "gguf", None)
    files = find_model_files(str(path))
    assert describe(files).native_size == ours.model.card.native_size
    assert loaded_bytes(files, 4) == loaded_bytes(find_model_files(str(folder)), 4)
    core = load_engine_core(str(path))
    [image] = painted_images(job(recipe(core, guidance=1.0)), core)
    assert image.sha256 == expected.sha256


def test_quantised_weights_need_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names it."""
    path = write_gguf(tmp_path / "klein.gguf", klein(tmp_path / "klein"), "Q8_0")
    monkeypatch.setenv(CONFIG, str(tmp_path / "klein"))
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingDependency, match="for which the package gguf is needed: install it"):
        registry.load(str(path), select_device())


def test_quantised_weights_are_the_numbers_of_diffusers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with these numbers as they are paints the same bits."""
    pytest.importorskip("gguf")
    tensors = klein(tmp_path / "klein")
    packed = write_gguf(tmp_path / "packed.gguf", tensors, "Q8_0")
    plain = {name: dequantized(tensor) for name, tensor in tensors.items()}
    assert any((plain[name] != tensor).any() for name, tensor in tensors.items())
    monkeypatch.setenv(CONFIG, str(tmp_path / "klein"))
    plain_core = load_engine_core(str(write(tmp_path / "plain.safetensors", plain)))
    core = load_engine_core(str(packed))
    run = recipe(core, guidance=1.0)
    [expected] = painted_images(job(recipe(plain_core, guidance=1.0)), plain_core)
    assert painted_images(job(run), core)[0].sha256 == expected.sha256
    pipeline = plain_core.model.pipeline  # type: ignore[attr-defined] # of LatentDiffusion
    pipeline.transformer = Flux2Transformer2DModel.from_single_file(
        str(packed),
        quantization_config=GGUFQuantizationConfig(compute_dtype=torch.float32),
        config=str(tmp_path / "klein"),
        subfolder="transformer",
    )
    theirs = diffusers_image(run, None, plain_core, test_flux_2_klein.scheduler())
    assert_alike(rendered_images(job(run), core)[0], theirs)


@pytest.mark.parametrize("number", TYPES)
def test_each_type_is_unpacked_as_by_its_package(number: int) -> None:
    """Up to the 16 bits in which diffusers computes."""
    gguf = pytest.importorskip("gguf")
    type, kind = TYPES[number], gguf.GGMLQuantizationType(number)
    assert (type.name, gguf.GGML_QUANT_SIZES[kind]) == (kind.name, (type.block, type.block_bytes))
    columns, rows = 2 * max(type.block, 16), 3
    size = rows * columns // type.block * type.block_bytes
    generator = torch.Generator().manual_seed(number)
    data = torch.randint(1, 50, (size,), generator=generator, dtype=torch.uint8)
    tensor = GgufTensor(number, (rows, columns), (columns, rows), 0, size)
    ours = numbers_of(data, tensor).float().reshape(rows, columns)
    theirs = torch.from_numpy(gguf.dequantize(data.numpy().reshape(rows, -1), kind))
    assert theirs.abs().max() > 0
    assert torch.allclose(ours, theirs, rtol=2e-3, atol=2e-3 * float(theirs.abs().max()))


@pytest.mark.parametrize("type", ["F16", "BF16"])
def test_numbers_of_16_bits_need_no_package(
    type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They paint what the same numbers in a safetensors file paint."""
    tensors = klein(tmp_path / "klein")
    dtype = torch.float16 if type == "F16" else torch.bfloat16
    halves = {
        name: tensor.to(dtype).float() if tensor.dim() > 1 else tensor
        for name, tensor in tensors.items()
    }
    monkeypatch.setenv(CONFIG, str(tmp_path / "klein"))
    monkeypatch.setitem(sys.modules, "gguf", None)
    digests = set()
    for path in (
        write_gguf(tmp_path / "x.gguf", tensors, type),
        write(tmp_path / "x.safetensors", halves),
    ):
        core = load_engine_core(str(path))
        digests.add(painted_images(job(recipe(core, guidance=1.0)), core)[0].sha256)
    assert len(digests) == 1


def test_a_tensor_has_its_original_shape(tmp_path: Path) -> None:
    """Some tools write tensors of many dimensions as rows, and note the shape."""
    values: dict[str, str | tuple[int, ...]] = {
        "comfy.gguf.orig_shape.a.weight": (2, 4, 4, 4),
        "general.license": "mit",
        "other": (1, 2),
    }
    path = write_gguf(tmp_path / "x.gguf", SMALL, values=values)
    assert read_gguf(path, "x")["a.weight"].shape == (2, 4, 4, 4)
    wrong = {"comfy.gguf.orig_shape.a.weight": (2, 4)}
    with pytest.raises(ModelCorrupt, match=r"tensor a\.weight has two shapes"):
        read_gguf(write_gguf(path, SMALL, values=wrong), "x")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """By its name."""
    path = write_gguf(tmp_path / "llm.gguf", SMALL)
    with pytest.raises(ModelCorrupt, match=r"The file x is .*; give a whole checkpoint"):
        read_checkpoint(path, "x")
    path.write_bytes(b"")
    with pytest.raises(ModelCorrupt, match="is empty"):
        read_checkpoint(path, "x")
    path.write_bytes(b"PK\3\4")
    with pytest.raises(ModelCorrupt, match="is not a GGUF file"):
        read_checkpoint(path, "x")


def test_weights_of_unknown_types_are_named(tmp_path: Path) -> None:
    """With those that are supported."""
    path = write_gguf(tmp_path / "x.gguf", {"a": torch.ones(2, 64)})
    data = path.read_bytes()
    at = data.index(b"\1" + bytes(7) + b"a" + b"\2") + 9 + 4 + 16
    path.write_bytes(data[:at] + b"\x17" + data[at + 1 :])
    with pytest.raises(ModelCorrupt, match=r"the GGUF type 23, which is not supported; these are"):
        read_gguf(path, "x")


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is cut off or changed in it."""
    path = write_gguf(tmp_path / "x.gguf", SMALL, "F16", {"a": "b", "c": (1, 2, 3)})
    whole = bytearray(path.read_bytes())
    length = data.draw(st.integers(0, len(whole)))
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[:length])
    try:
        tensors = read_gguf(path, "x")
    except ModelCorrupt as error:
        assert str(error).startswith("The file x ")
    else:
        assert all(tensor.start + tensor.bytes <= length for tensor in tensors.values())
