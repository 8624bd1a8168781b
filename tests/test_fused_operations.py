"""The fused kernels have the results of torch's operations; without CUDA, Triton's interpreter runs
them."""

import importlib
import importlib.util
import math
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.nn import functional as F

from engine.contract import sizes
from engine.device import Device, fused_kernels

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="Triton, which is for Linux alone, is not installed",
)
ROUNDING = 2e-5
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(scope="module")
def kernels() -> ModuleType:
    """The kernels (see TRITON_INTERPRET in conftest.py)."""
    return importlib.import_module("engine.device.triton_kernels")


def channels_last(*shape: int) -> torch.Tensor:
    """Random numbers with another mean than 0."""
    x = torch.randn(shape) * 3 + 5
    return x.to(DEVICE).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((2, 64, 16, 16), 32),
        ((3, 96, 8, 12), 8),
        ((1, 320, 9, 13), 32),
        ((2, 8, 30, 40), 1),
        ((1, 8, 96, 100), 4),  # more moments than are read at once
    ],
)
def test_group_norm(
    kernels: ModuleType, shape: tuple[int, ...], groups: int, *, silu: bool
) -> None:
    """With and without a summand, for sizes that fill no block."""
    torch.manual_seed(1)
    x, added = channels_last(*shape), torch.randn(shape[:2]).to(DEVICE)
    norm = torch.nn.GroupNorm(groups, shape[1]).to(DEVICE)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    for summand in (None, added):
        inputs = x if summand is None else x + summand[:, :, None, None]
        expected = F.group_norm(
            inputs.double(), groups, norm.weight.double(), norm.bias.double(), norm.eps
        )
        expected = F.silu(expected) if silu else expected
        with torch.inference_mode():
            result = kernels.group_norm(x, norm, summand, silu=silu)
        torch.testing.assert_close(result.double(), expected, atol=1e-5, rtol=1e-5)
        assert result.is_contiguous(memory_format=torch.channels_last)


def test_a_row_does_not_depend_on_the_others(kernels: ModuleType) -> None:
    """It has equal bits in each slot, beside any other rows."""
    torch.manual_seed(2)
    norm, row = torch.nn.GroupNorm(32, 320).to(DEVICE), channels_last(1, 320, 9, 13)
    alone = kernels.group_norm(row, norm, silu=True)
    rows = torch.cat([channels_last(2, 320, 9, 13), row, channels_last(1, 320, 9, 13)])
    together = kernels.group_norm(rows, norm, silu=True)
    assert torch.equal(together[2], alone[0])


def test_the_largest_picture_fits_in_a_grid(kernels: ModuleType) -> None:
    """The second and third dimensions of CUDA's grids are at most 65535."""
    decoded = torch.empty(1, 256, sizes.MAX_SIZE, sizes.MAX_SIZE, device="meta")
    for pixels in (1, 64, 128):
        assert max(kernels.grid(decoded, pixels)[1:]) <= 65535


def test_geglu(kernels: ModuleType) -> None:
    """Also in half precision, where it rounds only once."""
    torch.manual_seed(3)
    x = torch.randn(3, 7, 2 * 100).to(DEVICE)
    values, gate = x.chunk(2, dim=-1)
    torch.testing.assert_close(kernels.geglu(x), values * F.gelu(gate), atol=1e-6, rtol=1e-5)
    half = kernels.geglu(x.half()).float()
    torch.testing.assert_close(half, values * F.gelu(gate), atol=5e-3, rtol=2e-3)


@pytest.mark.usefixtures("kernels")
@torch.inference_mode()
def test_networks_of_stable_diffusion() -> None:
    """UNet and decoder give what they give without the kernels."""
    fused_operations = importlib.import_module("engine.models.fused_operations")
    torch.manual_seed(4)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=8,
    ).eval()
    vae = AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        norm_num_groups=4,
    ).eval()
    for network in (unet, vae):
        network.to(DEVICE, memory_format=torch.channels_last)
    latents, prompt = torch.randn(2, 4, 4, 6).to(DEVICE), torch.randn(2, 5, 16).to(DEVICE)
    steps = torch.tensor([3.0, 700.0]).to(DEVICE)

    def results() -> tuple[torch.Tensor, torch.Tensor]:
        return unet(latents, steps, prompt).sample, vae.decode(latents).sample

    expected = results()
    plain = [(m, m.forward) for network in (unet, vae) for m in network.modules()]
    for network in (unet, vae):
        fused_operations.fuse_operations(network)
    assert sum(module.forward is not forward for module, forward in plain) > 20
    for result, without in zip(results(), expected, strict=True):
        torch.testing.assert_close(result, without, atol=1e-4, rtol=1e-3)


@pytest.mark.usefixtures("kernels")
def test_kernels_are_compared_with_torch_before_they_are_used() -> None:
    """In each precision that models have on a GPU. On a CPU they are not used."""
    assert fused_kernels.largest_difference(DEVICE, torch.float32) < ROUNDING
    for dtype, tolerance in fused_kernels.TOLERANCE.items():
        assert 0 < fused_kernels.largest_difference(DEVICE, dtype) < tolerance / 2
        assert not fused_kernels.work_on(torch.device("cpu"), dtype)


@pytest.mark.usefixtures("kernels")
def test_a_wrong_kernel_is_found(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in bfloat16, which rounds most: here SiLU is left out."""
    right = kernels.group_norm

    def without_silu(
        x: torch.Tensor, norm: torch.nn.GroupNorm, added: torch.Tensor, *, silu: bool
    ) -> torch.Tensor:
        result: torch.Tensor = right(x, norm, added, silu=not silu)
        return result

    monkeypatch.setattr(kernels, "group_norm", without_silu)
    for dtype, tolerance in fused_kernels.TOLERANCE.items():
        assert fused_kernels.largest_difference(DEVICE, dtype) > tolerance


def test_each_precision_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models in bfloat16 use torch's operations if the kernels work in float16 alone."""
    monkeypatch.setattr(fused_kernels, "work_on", lambda _, dtype: dtype == torch.float16)
    device = Device(torch.device("cuda"), torch.float16, 1, has_fused_kernels=True)
    assert device.in_dtype(torch.float16) == device
    other = device.in_dtype(torch.bfloat16)
    assert (other.dtype, other.has_fused_kernels) == (torch.bfloat16, False)


def test_the_fingerprint_names_the_kernels_and_their_compiler() -> None:
    """Another version of Triton may compile other sums."""
    device = Device(torch.device("cpu"), torch.float32, 1)
    version = importlib.import_module("triton").__version__
    fused = replace(device, has_fused_kernels=True)
    kernels = f", fused kernels {fused_kernels.VERSION}, triton {version}"
    assert fused.fingerprint == device.fingerprint + kernels


@pytest.mark.parametrize("name", ["group_norm", "geglu"])
def test_kernels_that_give_nan_are_not_used(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whichever of them does."""
    right = getattr(kernels, name)
    monkeypatch.setattr(kernels, name, lambda *args, **options: right(*args, **options) * math.nan)
    assert math.isnan(fused_kernels.largest_difference(DEVICE, torch.float32))
