"""Rewritten graphs: where they take place, close to torch, and the same bits in all company."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest
import torch
from torch import nn

from engine.contract import Backend
from engine.device import Device, select_device
from engine.models import openvino_network
from engine.models.latent_diffusion import LatentDiffusion
from engine.models.openvino_copies import Inputs
from engine.models.openvino_network import OpenVinoNetwork
from engine.models.openvino_rewrites import rewrite
from engine.models.registry import load
from tests import tiny_model
from tests.test_graphs import batch

CPU: Final = Device(torch.device("cpu"), torch.float32, 1)
CHANNELS: Final = 16
EXACTNESS: Final = 6
"""Allowed factor between the errors of OpenVINO and torch, both in single precision. Without
rewrites OpenVINO's are up to three times as large as torch's."""
SIDES: Final = [16, 40]
"""Sums over the pixels of the second size are computed in two steps."""


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


class Part(nn.Module):
    """A network with random weights."""

    def __call__(self, inputs: Inputs) -> torch.Tensor:
        """Its output."""
        output: torch.Tensor = super().__call__(inputs)
        return output


class Norm(Part):
    """GroupNorm between convolutions that change nothing, behind an optional time embedding."""

    def __init__(self, groups: int = 4) -> None:
        super().__init__()
        self.before, self.after = (nn.Conv2d(CHANNELS, CHANNELS, 1) for _ in range(2))
        for convolution in (self.before, self.after):
            nn.init.dirac_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type] # it has one
        self.norm = nn.GroupNorm(groups, CHANNELS, eps=1e-5)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """The normalized feature map."""
        x: torch.Tensor = self.before(inputs["x"])
        if "t" in inputs:
            x = x + inputs["t"][:, :, None, None]
        normalized: torch.Tensor = self.after(self.norm(x))
        return normalized


class Upsampler(Part):
    """An upsampling and a convolution."""

    def __init__(
        self, scale: float = 2, mode: str = "nearest", size: int = 3, stride: int = 1
    ) -> None:
        super().__init__()
        self.scale, self.mode = scale, mode
        self.convolution = nn.Conv2d(CHANNELS, 8, size, stride, padding=size // 2)

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """The larger feature map."""
        x = nn.functional.interpolate(inputs["x"], scale_factor=self.scale, mode=self.mode)
        larger: torch.Tensor = self.convolution(x)
        return larger


class Gate(Part):
    """GEGLU with any number of parts along any axis."""

    def __init__(self, parts: int = 2, axis: int = -1) -> None:
        super().__init__()
        self.parts, self.axis = parts, axis
        self.linear = nn.Linear(CHANNELS, 24)

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """Its first part, gated by the last one."""
        x = inputs["x"].flatten(2).transpose(1, 2)
        parts = self.linear(x).chunk(self.parts, dim=self.axis)
        gated: torch.Tensor = parts[0] * nn.functional.gelu(parts[-1])
        return gated


class Block(Part):
    """All of them, one behind the other."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.gate = Norm(), Gate()
        self.upsampler = Upsampler()

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """The gated pixels of the larger feature map."""
        x = nn.functional.silu(self.norm(inputs))
        larger = self.upsampler({"x": x})
        return self.gate({"x": torch.cat([larger, larger.roll(1, 2)], 1)})


def inputs_of(rows: int, side: int, seed: int = 0, offset: float = 0, **more: int) -> Inputs:
    """A random feature map, and other inputs with this number of channels."""
    generator = torch.Generator().manual_seed(seed)
    x = offset + torch.randn(rows, CHANNELS, side, side, generator=generator)
    others = {name: torch.randn(rows, size, generator=generator) for name, size in more.items()}
    return {"x": x, **others}


def made(kind: type[Part], *args: Any) -> Part:  # noqa: ANN401 - its own arguments
    """A part with the same weights each time."""
    torch.manual_seed(3)
    return kind(*args).eval()


def counts(part: Part, inputs: Inputs) -> Counter[str]:
    """How many nodes of each type its rewritten graph has."""
    with torch.inference_mode(mode=False), torch.no_grad():
        plain = {name: torch.zeros(tensor.shape) for name, tensor in inputs.items()}
        model = openvino_network._convert(part, part, plain)
    shapes = [list(tensor.shape) for tensor in inputs.values()]
    model.reshape(dict(zip(model.inputs, shapes, strict=True)))
    rewrite(model)
    return Counter(node.get_type_name() for node in model.get_ordered_ops())


def computed(network: OpenVinoNetwork, inputs: Inputs) -> torch.Tensor:
    """What OpenVINO computes; where it fails, the network would return torch's results."""
    output = network(inputs)
    assert network.is_compiled(inputs)
    return output


def difference(part: Part, inputs: Inputs) -> tuple[float, float]:
    """The largest difference of OpenVINO, and of torch, from the result in double precision."""
    output, own = computed(OpenVinoNetwork(part, part, CPU), inputs), part(inputs)
    exact = part.double()({name: tensor.double() for name, tensor in inputs.items()})
    part.float()
    return float((output - exact).abs().max()), float((own - exact).abs().max())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("groups", [2, 4, CHANNELS])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_norms_are_as_exact_as_those_of_torch(side: int, groups: int, offset: float) -> None:
    """Also if the mean is much larger than the standard deviation."""
    norm = made(Norm, groups)
    for inputs in (
        inputs_of(2, side, offset=offset),
        inputs_of(2, side, offset=offset, t=CHANNELS),
    ):
        ours, torchs = difference(norm, inputs)
        assert ours < EXACTNESS * torchs
        assert counts(norm, inputs)["GroupNormalization"] == 0


def test_a_time_embedding_is_not_added_to_each_pixel() -> None:
    """It is added to the means of the channels; the norm itself adds two numbers to each pixel, and
    each of the convolutions one."""
    without, with_time = (
        counts(made(Norm), inputs)["Add"]
        for inputs in (inputs_of(2, 16), inputs_of(2, 16, t=CHANNELS))
    )
    assert with_time == without + 1
    shared = made(Shared)
    ours, torchs = difference(shared, inputs_of(2, 16, t=CHANNELS))
    assert ours < EXACTNESS * torchs


class Shared(Norm):
    """What is normalized is used otherwise too."""

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """The sum of both."""
        x = self.before(inputs["x"]) + inputs["t"][:, :, None, None]
        total: torch.Tensor = self.after(self.norm(x) + x)
        return total


@pytest.mark.parametrize(("groups", "side"), [(1, 16), (4, 15)])
def test_other_norms_stay(groups: int, side: int) -> None:
    """One group, for which OpenVINO has a kernel, and small feature maps."""
    assert counts(made(Norm, groups), inputs_of(2, side))["GroupNormalization"] == 1


@pytest.mark.parametrize("side", [3, 8, 33])
def test_an_upsampling_becomes_part_of_its_convolution(side: int) -> None:
    """The edges too; sums are as exact as torch's."""
    upsampler, inputs = made(Upsampler), inputs_of(2, side)
    nodes = counts(upsampler, inputs)
    assert nodes["ConvolutionBackpropData"] == 1
    assert nodes["Interpolate"] == nodes["Convolution"] == 0
    ours, torchs = difference(upsampler, inputs)
    assert ours < EXACTNESS * torchs


@pytest.mark.parametrize(
    "changes", [(3,), (2, "bilinear"), (2, "nearest", 1), (2, "nearest", 5), (2, "nearest", 3, 2)]
)
def test_other_upsamplings_stay(changes: tuple[Any, ...]) -> None:
    """By another factor, of another kind, or before another convolution."""
    upsampler, inputs = made(Upsampler, *changes), inputs_of(2, 8)
    nodes = counts(upsampler, inputs)
    assert nodes["Interpolate"] == nodes["Convolution"] == 1
    output = computed(OpenVinoNetwork(upsampler, upsampler, CPU), inputs)
    torch.testing.assert_close(output, upsampler(inputs))


def test_a_gate_is_two_layers() -> None:
    """With the same results."""
    gate, inputs = made(Gate), inputs_of(2, 8)
    nodes = counts(gate, inputs)
    assert nodes["MatMul"] == 2
    assert nodes["VariadicSplit"] == 0
    ours, torchs = difference(gate, inputs)
    assert ours < EXACTNESS * torchs


@pytest.mark.parametrize(("parts", "axis"), [(3, -1), (2, 1)])
def test_other_gates_stay(parts: int, axis: int) -> None:
    """With three parts, or with parts along another axis."""
    gate, inputs = made(Gate, parts, axis), inputs_of(2, 8)
    nodes = counts(gate, inputs)
    assert nodes["MatMul"] == nodes["VariadicSplit"] == 1
    output = computed(OpenVinoNetwork(gate, gate, CPU), inputs)
    torch.testing.assert_close(output, gate(inputs))


@pytest.mark.parametrize("side", SIDES)
def test_rows_have_their_bits_in_batches_of_all_sizes(side: int) -> None:
    """And with each number of threads."""
    block, inputs = made(Block), inputs_of(8, side, t=CHANNELS)
    one, two = (
        OpenVinoNetwork(block, block, Device(CPU.torch_device, torch.float32, threads))
        for threads in (1, 2)
    )
    expected = computed(one, inputs)
    for network, rows in ((one, 1), (one, 2), (one, 3), (two, 1), (two, 2), (two, 8)):
        for start in range(0, 8 - rows + 1, rows):
            part = {name: tensor[start : start + rows] for name, tensor in inputs.items()}
            assert torch.equal(computed(network, part), expected[start : start + rows])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LatentDiffusion:
    """A tiny model of its own."""
    loaded = load(str(tiny_model.save(tmp_path_factory.mktemp("model") / "tiny")), select_device())
    assert isinstance(loaded, LatentDiffusion)
    with torch.inference_mode():
        loaded.prove_backends()
    assert loaded.card.backend is Backend.OPENVINO
    return loaded


@pytest.mark.parametrize("side", [16, 20, 33])
def test_rows_of_a_model_have_their_bits_in_batches_of_all_sizes(
    model: LatentDiffusion, side: int, caplog: pytest.LogCaptureFixture
) -> None:
    """They are torch's up to rounding."""
    latents, timesteps, conditioning = batch(8, side)

    def predict(rows: slice) -> torch.Tensor:
        part = {name: tensor[rows] for name, tensor in conditioning.items()}
        return model.predict(latents[rows], timesteps[rows], part, Backend.OPENVINO)

    expected = predict(slice(8))
    torch.testing.assert_close(
        expected, model.forward(latents, timesteps, conditioning), rtol=1e-4, atol=1e-4
    )
    for rows in (1, 2, 3, 4):
        for start in range(0, 8 - rows + 1, rows):
            part = slice(start, start + rows)
            assert torch.equal(predict(part), expected[part])
    assert not caplog.records  # otherwise torch would have computed them


def test_bfloat16_is_not_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means would be rounded to bfloat16."""
    calls: list[object] = []
    monkeypatch.setattr(openvino_network, "rewrite", calls.append)
    norm, inputs = made(Norm), inputs_of(2, 16)
    network = OpenVinoNetwork(norm, norm, CPU)
    network.in_bfloat16()(inputs)
    rewritten = len(calls)
    network(inputs)
    assert (rewritten, len(calls)) == (1, 2)
