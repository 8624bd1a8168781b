"""The suite `gpu` of the benchmark, with small models on a CPU."""

from functools import cache
from pathlib import Path

import msgspec
import pytest
import torch

from engine.__main__ import main
from engine.bench.small_architectures import SMALL_ARCHITECTURES
from engine.bench.suite import gpu, invariance, parity
from engine.bench.suite.gpu import SD15, SDXL, Scale
from engine.bench.suite.invariance import first_difference
from engine.bench.suite.models import SMALL_FLOAT16, Loader, Models
from engine.bench.suite.painting import Predict, intercepted
from engine.bench.suite.report import Outcome, SuiteReport
from engine.bench.suite.runner import SuiteRunner, new_report
from engine.bench.suite.speed import Load, SpeedPlan, measure_speed
from engine.contract import MAX_SIZE, Backend, BatchSizes, Sampler
from engine.device import Device, select_device
from engine.errors import ExitCode
from engine.models.base import Conditioning, DiffusionModel

pytestmark = pytest.mark.timeout(600)  # measurements slow each other down

SCALE = Scale(
    samplers={SD15: (Sampler.EULER, Sampler.EULER_A)},
    parity_steps=2,
    company={SDXL: (3, (2, 3, 2))},
    company_rounds=1,
    speed={SD15: SpeedPlan(steps=2, serial_jobs=1, loads=(Load(2, 1, adaptive=True),))},
    seconds_factor=0.0,
)


def with_few_row_classes(load: Loader) -> Loader:
    """A loader of models with two row classes, which are captured in less time."""

    def load_model(device: Device) -> DiffusionModel:
        model = load(device)
        sizes = BatchSizes(pixels=MAX_SIZE**2, default=(2, 4), under_load=(2, 4))
        model.card = msgspec.structs.replace(model.card, batch_sizes=(sizes,))
        return model

    return load_model


@cache
def models() -> Models:
    """The small models, which all tests share: one in float16, as on a GPU."""
    loaders = {SD15: SMALL_FLOAT16[SD15], SDXL: SMALL_ARCHITECTURES[SDXL]}
    return Models(
        select_device(), {name: with_few_row_classes(load) for name, load in loaders.items()}
    )


def test_all_parts_pass_on_a_cpu(tmp_path: Path) -> None:
    """Each part of correctness passes, with at least one check; speed and memory are measured."""
    file = tmp_path / "out.json"
    parts = gpu.parts(models(), SCALE)
    report = new_report("gpu", "a device", 60, parts)
    SuiteRunner(report, lambda r: r.write(file), lambda _: None, lambda: None).run(parts)
    written = msgspec.json.decode(file.read_bytes(), type=SuiteReport)
    outcomes = {part.name: part.outcome for part in written.parts}
    measured = {"sd15: speed", "sd15: memory", "sdxl: memory", "sdxl: lack of memory"}
    measured |= {"sd15: graphs", "sdxl: graphs"}  # nothing is captured on a CPU
    passed = {
        *("sd15: pictures of diffusers", "sd15: row classes"),
        *(
            "sd15: decoder",
            "sdxl: decoder",
            "sdxl: row classes",
            "sdxl: pictures in company",
        ),
        *("sdxl: NaN", "sdxl: cancel", "sdxl: simulated lack of memory", "sdxl: moved weights"),
        "several models",
    }
    assert outcomes == dict.fromkeys(passed, Outcome.PASSED) | dict.fromkeys(
        measured, Outcome.MEASURED
    )
    assert all(part.checks for part in written.parts)
    written.check()


def test_pictures_that_are_not_those_of_diffusers_fail() -> None:
    """The bound for float16 does not hide a forward pass that is wrong by a tenth."""

    def wrap(predict: Predict) -> Predict:
        return lambda *inputs: predict(*inputs) * 1.1

    model = models()[SD15]
    with intercepted(model, wrap):
        checks = list(parity.check_parity(model, (Sampler.EULER, Sampler.EULER_A), 2))
    assert [check.passed for check in checks] == [False, False]


def test_a_row_that_depends_on_its_batch_is_found() -> None:
    """The pictures differ from those alone, and the report says in which forward pass it begins."""

    def wrap(predict: Predict) -> Predict:
        def depend(
            latents: torch.Tensor,
            timesteps: torch.Tensor,
            conditioning: Conditioning,
            backend: Backend,
        ) -> torch.Tensor:
            return predict(latents, timesteps, conditioning, backend) + latents.mean()

        return depend

    model = models()[SD15]
    for rows in (2, 4):  # tested before the model becomes wrong, so that the engine shares batches
        assert model.is_batch_invariant(64, 64, rows)
    with intercepted(model, wrap):
        checks = list(invariance.check_company(model, 2, (2, 2)))
    different = [check for check in checks if check.passed is False]
    assert different
    assert different[0].values["differs"] == "in row 0 of the forward passes"
    assert different[0].values["alone"] == different[0].values["alone, repeated"]


@pytest.mark.parametrize(
    ("alone", "place"),
    [
        ([("a", "b"), ("c", "d")], "after the forward passes, or not in this repetition"),
        ([("a", "b"), ("c", "x")], "in row 1 of the forward passes"),
        ([("a", "b"), ("x", "d")], "before row 1 of the forward passes"),
        ([("e", "f")], "in row 0 of the forward passes"),
    ],
)
def test_the_first_difference(alone: list[tuple[str, str]], place: str) -> None:
    """Rows are found by their inputs; equal inputs must have had equal outputs in the load."""
    in_load = [("e", "f"), ("c", "d"), ("a", "b"), ("e", "g"), ("a", "b")]
    assert first_difference(in_load, alone) == place


@pytest.mark.parametrize(("goal", "passed"), [(None, None), (1e-9, True), (1e9, False)])
def test_a_load_passes_if_it_reaches_its_goal(goal: float | None, passed: bool | None) -> None:
    """The goal is a multiple of the speed of diffusers in the same run."""
    plan = SpeedPlan(steps=1, serial_jobs=1, loads=(Load(1, 2, adaptive=False, goal=goal),))
    serial, engine = measure_speed(models()[SD15], plan)
    assert serial.passed is None
    assert engine.passed is passed
    factor = engine.values["pictures/s"] / serial.values["pictures/s"]
    assert engine.values["times diffusers"] == pytest.approx(factor, abs=0.01)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without time no part is run or passed, and the file says so; parts are chosen by words."""
    file = tmp_path / "out.json"
    options = ["bench", "--suite", "gpu", "--minutes", "0.0001", "--out", str(file)]
    assert main([*options, "--parts", "graphs,speed"]) == ExitCode.DONE
    report = msgspec.json.decode(file.read_bytes(), type=SuiteReport)
    names = [f"{name}: graphs" for name in ("starter", SD15, SDXL)]
    assert [part.name for part in report.parts] == [*names, "sd15: speed", "sdxl: speed"]
    assert {part.outcome for part in report.parts} == {Outcome.SKIPPED}
    assert "skipped: no time: sdxl: speed" in capsys.readouterr().out
    assert main([*options, "--parts", "voltage"]) == ExitCode.USAGE
    assert "sd15: pictures in company" in capsys.readouterr().err
