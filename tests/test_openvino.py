"""Networks that OpenVINO runs: close to torch, and the same bits in all company."""

import io
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from engine.contract import Backend, Paint, Recipe
from engine.device import Device, select_device
from engine.device.cores import all_cores
from engine.errors import UsageError
from engine.models import openvino_backend, openvino_network
from engine.models.base import DiffusionModel
from engine.models.latent_diffusion import LatentDiffusion
from engine.models.openvino_copies import Inputs, Network, background_compiler
from engine.models.openvino_network import OpenVinoNetwork
from engine.models.registry import load
from tests import tiny_model
from tests.diffusers_pipeline import assert_alike, diffusers_image
from tests.engine_parts import (
    Painted,
    engine_core,
    job,
    new_engine_core,
    recipe,
    run_together,
)
from tests.test_graphs import batch

CPU = Device(torch.device("cpu"), torch.float32, 1)
OPENVINO, TORCH, BFLOAT16 = Backend.OPENVINO, Backend.TORCH, Backend.OPENVINO_BF16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LatentDiffusion:
    """A tiny model of its own, whose card has both backends."""
    path = tiny_model.save(tmp_path_factory.mktemp("model") / "tiny")
    loaded = load(str(path), select_device())
    assert isinstance(loaded, LatentDiffusion)
    with torch.inference_mode():
        loaded.prove_backends()
    assert loaded.card.backends == (OPENVINO, TORCH)
    return loaded


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def of(model: DiffusionModel, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A recipe for this model."""
    return recipe(model=model.card.name, revision=model.card.revision, **changes)


def painted(model: DiffusionModel, *jobs: Paint) -> list[Painted]:
    """The endings of these jobs, run at the same time."""
    endings = run_together(new_engine_core(model), *jobs)
    assert all(isinstance(ending, Painted) for ending in endings)
    return [ending for ending in endings if isinstance(ending, Painted)]


@pytest.mark.parametrize(("rows", "side"), [(2, 8), (8, 8), (2, 9), (16, 10)])
def test_results_are_those_of_torch_up_to_rounding(
    model: LatentDiffusion, rows: int, side: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Also for sizes that the UNet's halves do not fit; calls repeat their bits."""
    for seed in range(2):
        inputs = batch(rows, side, seed)
        output = model.predict(*inputs, OPENVINO)
        torch.testing.assert_close(output, model.forward(*inputs), rtol=1e-4, atol=1e-4)
        assert torch.equal(output, model.predict(*inputs, OPENVINO))
    assert not caplog.records


@pytest.mark.parametrize("rows", [2, 4, 8])
def test_a_row_has_its_bits_in_every_slot(model: LatentDiffusion, rows: int) -> None:
    """As the engine demands it of every backend."""
    assert model.is_batch_invariant(64, 64, rows, backend=OPENVINO)


@pytest.mark.parametrize("backend", [OPENVINO, BFLOAT16])
@pytest.mark.parametrize(("rows", "side"), [(2, 8), (8, 8), (2, 9), (8, 16)])
def test_a_pass_with_all_cores_has_the_same_bits(
    model: LatentDiffusion, rows: int, side: int, backend: Backend
) -> None:
    """For all inputs: a copy with other kernels may give equal bits for one and not for another."""
    with all_cores(are_free=True):
        model.predict(*batch(rows, side, 0), backend)
    background_compiler().wait()
    for seed in range(50):
        inputs = batch(rows, side, seed)
        with all_cores(are_free=True):
            alone = model.predict(*inputs, backend)
        assert torch.equal(alone, model.predict(*inputs, backend))


def test_a_shape_that_fails_is_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """For lack of memory, which all calls that wait for it report."""
    compile_model, scale = openvino_network._compile, Scale()
    network = OpenVinoNetwork(scale, scale.forward, CPU)

    def run_out(*_: object) -> Network:
        raise MemoryError

    monkeypatch.setattr(openvino_network, "_compile", run_out)
    with pytest.raises(MemoryError):
        network(inputs_of(2))
    monkeypatch.setattr(openvino_network, "_compile", compile_model)
    assert torch.equal(network(inputs_of(2)), torch.full((2, 2), 3.0))
    assert network.is_compiled(inputs_of(2))


class Wide(torch.nn.Sequential):
    """Needs 64 times the memory of its input in between."""

    def __init__(self) -> None:
        layers = [torch.nn.Conv2d(1, 64, 3, padding=1), torch.nn.Conv2d(64, 1, 3, padding=1)]
        super().__init__(*layers)
        self.requires_grad_(requires_grad=False)

    def of(self, inputs: Inputs) -> torch.Tensor:
        """The result."""
        result: torch.Tensor = self(inputs["x"])
        return result


@contextmanager
def little_memory() -> Iterator[None]:
    """In the block, this process gets at most 32 MiB more."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (32 << 20), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_a_lack_of_memory_changes_no_bits(caplog: pytest.LogCaptureFixture) -> None:
    """A call for which there is too little memory fails; torch, which may need less, does not take
    its place. Without any compiled shape there is none whose bits could be others."""
    network, large = Wide(), {"x": torch.ones(1, 1, 1024, 1024)}
    compiled, other = (OpenVinoNetwork(network, network.of, CPU) for _ in range(2))
    assert compiled.prove({"x": torch.ones(1, 1, 16, 16)})
    with little_memory():
        with pytest.raises(MemoryError):
            compiled.compile_for_all_cores(large)
        assert not other.prove(large)
    assert "IMAGINE_CPU_BACKEND" in caplog.text
    compiled(large)
    assert compiled.is_compiled(large)


def test_threads_may_call_it_at_the_same_time(model: LatentDiffusion) -> None:
    """They may also make the first call, which compiles the shape; all have the same bits."""
    outputs: dict[int, torch.Tensor] = {}

    def call(nth: int) -> None:
        with torch.inference_mode():
            outputs[nth] = model.predict(*batch(4, 16, nth % 4), OPENVINO)

    threads = [threading.Thread(target=call, args=(nth,)) for nth in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for nth in range(8):
        expected = model.predict(*batch(4, 16, nth % 4), OPENVINO)
        assert torch.equal(outputs[nth], expected)


def test_pictures_have_their_bits_in_mixed_company(model: LatentDiffusion) -> None:
    """Beside others of both backends, and painted again."""
    both = [
        of(model, seed=seed, row_class=8, backend=backend)
        for seed in (1, 2)
        for backend in (OPENVINO, TORCH)
    ]
    together = painted(model, *map(job, both))
    alone = [painted(model, job(one))[0] for one in both]
    digests = [ending.pictures[0].sha256 for ending in together]
    assert digests == [ending.pictures[0].sha256 for ending in alone]
    for one, ending in zip(both, together, strict=True):
        [picture] = ending.pictures
        assert picture.backend is one.backend
        assert ("openvino" in picture.fingerprint) == (one.backend is OPENVINO)


def test_recipes_without_a_backend_keep_the_bits_of_torch(model: LatentDiffusion) -> None:
    """They are those of an engine without OpenVINO."""
    without = run_together(new_engine_core(engine_core().model), job(recipe()))[0]
    assert isinstance(without, Painted)
    assert painted(model, job(of(model)))[0].pictures[0].sha256 == without.pictures[0].sha256


def test_an_engine_that_lacks_it_paints_with_torch() -> None:
    """The picture says so."""
    [ending] = run_together(
        new_engine_core(engine_core().model), job(recipe(backend=OPENVINO)), job(recipe())
    )[:1]
    assert isinstance(ending, Painted)
    assert ending.pictures[0].backend is TORCH
    assert "openvino" not in ending.pictures[0].fingerprint


def test_a_picture_equals_the_pipeline(model: LatentDiffusion) -> None:
    """At most 2 of 255 levels differ from diffusers' own."""
    [ending] = painted(model, job(of(model, backend=OPENVINO, negative="blue")))
    image = Image.open(io.BytesIO(ending.pictures[0].png))
    assert_alike(image, diffusers_image(recipe(negative="blue")))


def test_frames_are_decoded_like_the_picture(model: LatentDiffusion) -> None:
    """Row by row."""
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    frames = model.decode_frames(latents, OPENVINO)
    for nth, frame in enumerate(frames):
        assert frame is not None
        alone = model.decode_latents(latents[nth : nth + 1], OPENVINO)
        assert frame.tobytes() == alone.tobytes()


class Scale(torch.nn.Module):
    """Multiplies by a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.full((1,), 3.0), requires_grad=False)

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """The product."""
        return inputs["x"] * self.weight


def inputs_of(rows: int) -> Inputs:
    """Of `Scale`."""
    return {"x": torch.ones(rows, 2)}


def test_the_least_recently_used_shape_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of shapes is bounded, because users choose the sizes."""
    monkeypatch.setattr(openvino_network, "MAX_SHAPES", 2)
    scale = Scale()
    network = OpenVinoNetwork(scale, scale.forward, CPU)
    for rows in (1, 2, 1, 3, 1, 2):
        assert torch.equal(network(inputs_of(rows)), torch.full((rows, 2), 3.0))
    assert [network.is_compiled(inputs_of(rows)) for rows in (1, 2, 3)] == [True, True, False]
    network.clear()
    assert not network.is_compiled(inputs_of(1))


def test_without_memory_torch_is_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each compiled shape has its own copy of the weights."""
    monkeypatch.setattr(openvino_network, "available_memory", lambda: 7)
    scale = Scale()
    assert not OpenVinoNetwork(scale, scale.forward, CPU).prove(inputs_of(1))


@pytest.mark.parametrize("kind", ["raises", "differs", "is not finite"])
def test_a_network_that_fails_is_run_by_torch(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The call returns torch's result, and the log has one warning."""
    scale = Scale()

    def run(inputs: Inputs) -> torch.Tensor:
        if torch._C._get_tracing_state():
            if kind == "raises":
                raise NotImplementedError("not this way")
            return scale.forward(inputs) + (0.1 if kind == "differs" else torch.inf)
        return scale.forward(inputs)

    network = OpenVinoNetwork(scale, run, CPU)
    assert not network.prove(inputs_of(2))
    assert torch.equal(network(inputs_of(2)), torch.full((2, 2), 3.0))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_card_has_torch_alone_if_the_proof_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line in the log that says which model."""
    loaded = load(str(tiny_model.save(tmp_path / "tiny")), select_device())
    monkeypatch.setattr(OpenVinoNetwork, "prove", lambda self, inputs: False)
    loaded.prove_backends()
    assert loaded.card.backends == (TORCH,)
    assert "is run by torch" in caplog.text


def test_bfloat16_is_a_backend_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the CPU has instructions for it; its pictures have their bits in all company."""
    monkeypatch.setenv("IMAGINE_CPU_BACKEND", "openvino-bf16")
    loaded = load(str(tiny_model.save(tmp_path / "tiny")), select_device())
    assert isinstance(loaded, LatentDiffusion)
    loaded.prove_backends()
    if not openvino_network.has_bfloat16():
        assert loaded.card.backends == (OPENVINO, TORCH)
        assert "no instructions for bfloat16" in caplog.text
        return
    assert loaded.card.backends == (BFLOAT16, OPENVINO, TORCH)
    works = [job(of(loaded, backend=backend, row_class=8)) for backend in (BFLOAT16, OPENVINO)]
    together = [ending.pictures[0] for ending in painted(loaded, *works)]
    alone = [painted(loaded, work)[0].pictures[0] for work in works]
    assert [picture.sha256 for picture in together] == [picture.sha256 for picture in alone]
    assert [picture.backend for picture in together] == [BFLOAT16, OPENVINO]
    assert ["bfloat16" in picture.fingerprint for picture in together] == [True, False]
    pixels = [np.asarray(Image.open(io.BytesIO(picture.png)), float) for picture in together]
    assert 0 < np.abs(pixels[0] - pixels[1]).mean() < 3  # of 255


def test_a_cpu_without_bfloat16_computes_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a line in the log."""
    monkeypatch.setenv("IMAGINE_CPU_BACKEND", "openvino-bf16")
    monkeypatch.setattr(openvino_backend, "has_bfloat16", lambda: False)
    loaded = load(str(tiny_model.save(tmp_path / "tiny")), select_device())
    loaded.prove_backends()
    assert loaded.card.backends == (OPENVINO, TORCH)
    assert "no instructions for bfloat16" in caplog.text


def test_the_setting_chooses_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """IMAGINE_CPU_BACKEND."""
    monkeypatch.setenv("IMAGINE_CPU_BACKEND", "torch")
    assert select_device().backends == (TORCH,)
    monkeypatch.setenv("IMAGINE_CPU_BACKEND", "onnx")
    with pytest.raises(UsageError, match="it must be one of: torch, openvino"):
        select_device()


def test_nothing_is_reported_to_its_maker(tmp_path: Path) -> None:
    """The package would report its import, and keep an id in the home directory."""
    code = (
        "import sys; events = []\n"
        "sys.addaudithook(lambda name, args: events.append(name))\n"
        "from engine.models import openvino_network\n"
        "assert openvino_network.version()\n"
        "bad = [name for name in events if name.startswith('socket.') or name == 'os.mkdir']\n"
        "assert not bad, bad\n"
    )
    subprocess.run(  # our own code
        [sys.executable, "-c", code], env=os.environ | {"HOME": str(tmp_path)}, check=True
    )
    assert list(tmp_path.iterdir()) == []


def test_the_backend_is_stored_with_the_picture(model: LatentDiffusion) -> None:
    """In the recipe inside of its file."""
    [ending] = painted(model, job(of(model, backend=OPENVINO)))
    assert b'"backend":"openvino"' in msgspec.json.encode(recipe(backend=OPENVINO))
    assert ending.pictures[0].backend is OPENVINO
