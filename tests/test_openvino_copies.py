"""Passes that have all cores: the copies of a network, and the warm-up that compiles them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.contract import Backend
from engine.core.warmup import warmup
from engine.device import select_device
from engine.device.cores import all_cores
from engine.errors import ModelCorrupt
from engine.models import openvino_network
from engine.models.base import DiffusionModel
from engine.models.openvino_copies import Inputs, Network, background_compiler
from engine.models.openvino_network import OpenVinoNetwork
from engine.models.registry import load
from tests import tiny_model
from tests.engine_parts import job
from tests.test_openvino import CPU, OPENVINO, TORCH, Scale, inputs_of, of, painted


@pytest.mark.parametrize("is_equal", [True, False])
def test_a_copy_with_more_threads_is_used_if_it_is_equal(
    monkeypatch: pytest.MonkeyPatch, *, is_equal: bool
) -> None:
    """Otherwise the one copy runs all passes. They are computed in inference mode, and the
    background's thread is not in it."""
    compile_model, used = openvino_network._compile, list[object]()

    def compile_traced(
        converted: object, examples: Inputs, properties: Mapping[str, object]
    ) -> Network:
        compiled = compile_model(converted, examples, properties)
        assert compiled is not None
        threads, streams = properties["INFERENCE_NUM_THREADS"], properties["NUM_STREAMS"]

        def run(inputs: Inputs) -> torch.Tensor:
            used.append((threads, streams))
            output = compiled(inputs)
            return output if is_equal or streams == "2" else output * (1 + 2**-20)

        return run

    monkeypatch.setattr(openvino_network, "_compile", compile_traced)
    scale = Scale()
    network = OpenVinoNetwork(scale, scale.forward, CPU, 2)
    with torch.inference_mode():
        assert network.prove(inputs_of(2))
        for _ in range(2):
            used.clear()
            with all_cores(are_free=True):
                network(inputs_of(4))
            network(inputs_of(4))
            background_compiler().wait()
    assert used == [(2, "1") if is_equal else (2, "2"), (2, "2")]


@pytest.fixture(scope="module")
def warm_models(tmp_path_factory: pytest.TempPathFactory) -> list[DiffusionModel]:
    """Two models that were warmed up on a CPU with two cores."""
    folder, device = tmp_path_factory.mktemp("warm"), replace(select_device(), threads=2)
    paths = [
        tiny_model.save(folder / name, unet=tiny_model.SHALLOW_UNET) for name in ("one", "two")
    ]
    loaded = [load(str(path), device) for path in paths]
    warmup(loaded)
    return loaded


def test_models_are_warmed_up_at_the_same_time(warm_models: list[DiffusionModel]) -> None:
    """Both backends are on their cards."""
    assert [model.card.backends for model in warm_models] == [(OPENVINO, TORCH)] * 2


@pytest.mark.parametrize("pictures", [1, 2, 4])
def test_the_first_request_waits_for_no_compilation(
    warm_models: list[DiffusionModel], monkeypatch: pytest.MonkeyPatch, pictures: int
) -> None:
    """A picture that is painted alone has all cores from its first step on."""

    def refuse(*_: object) -> Network:
        raise AssertionError("compiled after the warm-up")

    monkeypatch.setattr(openvino_network, "_compile", refuse)
    for model in warm_models:
        recipes = model.card.with_row_class(
            [of(model, seed=seed, backend=OPENVINO) for seed in range(pictures)]
        )
        [ending] = painted(model, job(*recipes))
        [again] = painted(model, job(*recipes))
        assert [one.backend for one in ending.pictures] == [OPENVINO] * pictures
        assert [one.sha256 for one in ending.pictures] == [one.sha256 for one in again.pictures]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("a damaged weight")])
def test_an_error_in_the_warmup_names_the_model(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """Unless there is too little memory for some batches, which are then left out."""
    monkeypatch.setenv("IMAGINE_CPU_BACKEND", "torch")  # nothing is compiled, so it is soon there
    device = replace(select_device(), threads=2)
    model = load(str(tiny_model.save(tmp_path / "tiny")), device)

    def fail(width: int, height: int, rows: int, backend: Backend) -> bool:
        if rows > 2:
            raise error
        return True

    monkeypatch.setattr(model, "is_batch_invariant", fail)
    if isinstance(error, MemoryError):
        warmup([model])
        assert "too little memory for batches of 4 rows" in caplog.text
        return
    with pytest.raises(ModelCorrupt, match=r"The model .*tiny cannot be loaded.*a damaged weight"):
        warmup([model])


def test_a_copy_can_be_compiled_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it runs the first call that has all cores, and nothing is compiled again."""
    compile_model, threads = openvino_network._compile, list[object]()

    def compile_traced(
        converted: object, examples: Inputs, properties: Mapping[str, object]
    ) -> Network | None:
        threads.append(properties["NUM_STREAMS"])
        return compile_model(converted, examples, properties)

    monkeypatch.setattr(openvino_network, "_compile", compile_traced)
    scale = Scale()
    network = OpenVinoNetwork(scale, scale.forward, CPU, 2)
    for _ in range(2):
        network.compile_for_all_cores(inputs_of(2))
        with all_cores(are_free=True):
            assert torch.equal(network(inputs_of(2)), torch.full((2, 2), 3.0))
    assert threads == ["2", "1"]
