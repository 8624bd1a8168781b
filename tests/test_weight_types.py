"""Packed and quantised weights are refused, by the name of a tensor."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from engine.__main__ import main
from engine.device import select_device
from engine.errors import ExitCode, ModelCorrupt
from engine.models import registry
from engine.weights.checkpoints import read_checkpoint
from tests import tiny_model
from tests.checkpoint_writer import Tensors, sd1_tensors
from tests.engine_parts import job, load_engine_core, painted_images, recipe


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Stable Diffusion."""
    return tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test to change."""
    return Path(shutil.copytree(tiny, tmp_path / "tiny"))


def gptq(weight: torch.Tensor) -> Tensors:
    """A layer as GPTQ stores it: 8 numbers of 4 bits in one of 32."""
    rows, columns = weight.shape
    return {
        "qweight": torch.randint(2**31, (columns // 8, rows), dtype=torch.int32),
        "qzeros": torch.randint(2**31, (1, rows // 8), dtype=torch.int32),
        "scales": torch.rand(1, rows).half(),
        "g_idx": torch.zeros(columns, dtype=torch.int32),
    }


def awq(weight: torch.Tensor) -> Tensors:
    """A layer as AWQ stores it."""
    rows, columns = weight.shape
    return {
        "qweight": torch.randint(2**31, (columns, rows // 8), dtype=torch.int32),
        "qzeros": torch.randint(2**31, (1, rows // 8), dtype=torch.int32),
        "scales": torch.rand(1, rows).half(),
    }


def int8(weight: torch.Tensor) -> Tensors:
    """A layer as bitsandbytes stores it in 8 bits."""
    return {
        "weight": torch.randint(-128, 128, weight.shape, dtype=torch.int8),
        "SCB": torch.rand(weight.shape[0]),
        "weight_format": torch.tensor(0, dtype=torch.uint8),
    }


def nf4(weight: torch.Tensor) -> Tensors:
    """A layer as bitsandbytes stores it in 4 bits."""
    return {
        "weight": torch.randint(256, (weight.numel() // 2, 1), dtype=torch.uint8),
        "weight.absmax": torch.rand(weight.numel() // 64),
        "weight.quant_map": torch.rand(16),
        "weight.quant_state.bitsandbytes__nf4": torch.zeros(80, dtype=torch.uint8),
    }


def floating_nf4(weight: torch.Tensor) -> Tensors:
    """The same with `bnb_4bit_quant_storage`: only names tell that it is packed."""
    return {
        "weight": torch.rand(weight.numel() // 4, 1).bfloat16(),
        "weight.absmax": torch.rand(weight.numel() // 64),
    }


def integers(weight: torch.Tensor) -> Tensors:
    """Integers in place of numbers, with the shape of the layer."""
    return {"weight": (100 * weight).long()}


def scaled_fp8(weight: torch.Tensor) -> Tensors:
    """A layer as ComfyUI stores it in 8 bits."""
    scaled = {"weight": weight.to(torch.float8_e4m3fn), "weight_scale": torch.tensor(2.0)}
    return scaled | {"input_scale": torch.tensor(1.0)}


def change(tensors: Tensors, layer: str, pack: Callable[[torch.Tensor], Tensors]) -> Tensors:
    """The tensors with one layer that is packed."""
    packed = pack(tensors[f"{layer}.weight"].detach())
    others = {name: tensor for name, tensor in tensors.items() if name != f"{layer}.weight"}
    return {name: tensor.detach().contiguous() for name, tensor in others.items()} | {
        f"{layer}.{name}": tensor for name, tensor in packed.items()
    }


def layer_of(tensors: Tensors, end: str) -> str:
    """The first layer with this end."""
    names = (name.removesuffix(".weight") for name in tensors)
    return next(name for name in names if name.endswith(end))


PACKINGS = [
    (gptq, r"\(I32\)", "(qweight|qzeros|g_idx)"),
    (awq, r"\(I32\)", "(qweight|qzeros)"),
    (int8, r"\(I8\)", "weight"),
    (nf4, r"\(U8\)", r"weight(\.quant_state\.bitsandbytes__nf4)?"),
    (floating_nf4, "", r"weight\.absmax"),
    (integers, r"\(I64\)", "weight"),
    (scaled_fp8, "", "(weight_scale|input_scale)"),
]


@pytest.mark.parametrize(("pack", "dtype", "tensor"), PACKINGS)
def test_a_checkpoint_with_a_packed_layer_is_refused(
    pack: Callable[[torch.Tensor], Tensors], dtype: str, tensor: str, tiny: Path, tmp_path: Path
) -> None:
    """The sentence names a tensor and the types that weights may have."""
    tensors = sd1_tensors(StableDiffusionPipeline.from_pretrained(tiny))
    path, layer = tmp_path / "x.safetensors", layer_of(tensors, "attn1.to_q")
    save_file(change(tensors, layer, pack), path)
    sentence = (
        rf"^The file x is quantised ?{dtype}, which is not supported: the tensor "
        rf"{layer}\.{tensor} is of .* must be F64, F32, F16 or BF16\.$"
    )
    with pytest.raises(ModelCorrupt, match=sentence):
        read_checkpoint(path, "x")


@pytest.mark.parametrize(("pack", "dtype", "tensor"), PACKINGS)
@pytest.mark.parametrize(
    ("component", "layer"),
    [
        ("unet", "attn1.to_q"),
        ("text_encoder", "mlp.fc1"),
    ],
)
def test_a_folder_with_a_packed_layer_is_refused(
    component: str,
    layer: str,
    pack: Callable[[torch.Tensor], Tensors],
    dtype: str,
    tensor: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a config that says how, when it is loaded and when it is listed."""
    [path] = (folder / component).glob("*.safetensors")
    tensors = load_file(path)
    layer = layer_of(tensors, layer)
    save_file(change(tensors, layer, pack), path, {"format": "pt"})
    sentence = (
        rf"^The {component} of the model .* is quantised ?{dtype}, .* the tensor "
        rf"{layer}\.{tensor} is of .* must have a quantization_config\.$"
    )
    with pytest.raises(ModelCorrupt, match=sentence) as excinfo:
        registry.load(str(folder), select_device())
    assert main(["models", "--model", str(folder)]) == ExitCode.MODEL_CORRUPT
    assert capsys.readouterr().err.splitlines()[-1] == str(excinfo.value)


@pytest.mark.parametrize("component", ["unet", "text_encoder"])
def test_a_folder_may_store_weights_in_8_bits_without_scales(component: str, folder: Path) -> None:
    """They are numbers."""
    [path] = (folder / component).glob("*.safetensors")
    tensors = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in load_file(path).items()}
    save_file(tensors, path, {"format": "pt"})
    model = registry.load(str(folder), select_device())
    network = model.pipeline.components[component]  # type: ignore[attr-defined] # of LatentDiffusion
    weights = network.state_dict()
    assert weights
    for name, weight in weights.items():
        assert torch.equal(weight, tensors[name].to(torch.float32)), name


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_checkpoint_may_have_weights_in_8_bits_without_scales(
    dtype: torch.dtype, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It paints what the same numbers in 32 bits paint."""
    monkeypatch.setenv("IMAGINE_MODEL_CONFIG", str(tiny))
    tensors = sd1_tensors(StableDiffusionPipeline.from_pretrained(tiny))
    small = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    digests = set()
    for name, cast in (("small", small), ("wide", {k: v.float() for k, v in small.items()})):
        path = tmp_path / f"{name}.safetensors"
        save_file({key: tensor.detach().contiguous() for key, tensor in cast.items()}, path)
        core = load_engine_core(str(path))
        digests.add(painted_images(job(recipe(core)), core)[0].sha256)
    assert len(digests) == 1
