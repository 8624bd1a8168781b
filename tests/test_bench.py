"""The benchmark: its backends, its options and its random models."""

import json
import queue
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.__main__ import main
from engine.bench import against, architectures, cli, forward_pass, report, upscales
from engine.bench.backends import BACKENDS, Backend, Diffusers, OnDone, pipeline_of, recipes_of
from engine.bench.load_generator import Completed
from engine.bench.workloads import mixed
from engine.contract import ROW_CLASSES
from engine.core.job_files import JobWithFiles
from engine.errors import ExitCode
from engine.models.base import DiffusionModel
from engine.upscale import load_upscalers
from tests import tiny_model
from tests.engine_parts import engine_core, job, recipe

pytestmark = pytest.mark.timeout(600)  # measurements slow each other down


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny model."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return str(tiny_model.save(folder, unet=tiny_model.SHALLOW_UNET))


def test_all_backends_are_measured(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each backend has a result for each load, and the engine's pictures have equal bits when
    painted again alone."""
    out = tmp_path / "bench.json"
    options = [
        "--workloads",
        "A,B",
        "--pictures",
        "1",
        "--people",
        "2",
        "--rates",
        "2",
        "--jobs",
        "2",
        "--check-all",
    ]
    assert main(["bench", "--model", tiny, *options, "--json", str(out)]) == 0
    results = json.loads(out.read_text())["results"]
    rivals = {"diffusers, one by one", "diffusers, equal jobs together"}
    engines = {"engine, exact", "engine, adaptive"}
    assert {result["backend"] for result in results} == rivals | engines
    assert {(result["workload"], result["load"]) for result in results} == {
        *(("A", "2 people"), ("B", "2 people"), ("A", "Poisson 2"), ("B", "Poisson 2"))
    }
    for result in results:
        assert result["pictures_a_second"] > 0
        assert 0 < result["p50"] <= result["p95"]
        assert result["bitwise_equal"] == (1.0 if result["backend"] in engines else None)
        assert result["compared"] == (2 if result["backend"] in engines else None)
    assert "engine, adaptive" in capsys.readouterr().out


def test_backends_can_be_chosen(tiny: str, tmp_path: Path) -> None:
    """Only the chosen backends are measured, in this order, and the speedup is relative to the
    first one."""
    out = tmp_path / "bench.json"
    options = ["--workloads", "A", "--pictures", "1", "--people", "1", "--jobs", "2"]
    options += ["--backends", "exact,serial", "--model", tiny, "--json", str(out)]
    assert main(["bench", *options]) == 0
    results = json.loads(out.read_text())["results"]
    assert [result["backend"] for result in results] == ["engine, exact", "diffusers, one by one"]
    assert results[0]["speedup"] == 1.0
    assert results[1]["speedup_range"] is None


def test_backends_are_measured_in_turn(
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every other round has the other order; a result has the median of the rounds' speedups, and
    the latencies of all of them. The bits are compared once."""
    order: list[str] = []
    for name in ("serial", "exact"):
        monkeypatch.setitem(BACKENDS, name, _recorded(name, BACKENDS[name], order))
    out = tmp_path / "bench.json"
    options = ["--workloads", "A", "--pictures", "1", "--people", "1", "--jobs", "1"]
    options += ["--rounds", "3", "--backends", "serial,exact", "--model", tiny]
    assert main(["bench", *options, "--json", str(out)]) == 0
    assert order == ["serial", "exact", "exact", "serial", "serial", "exact"]
    serial, exact = json.loads(out.read_text())["results"]
    assert serial["speedup_range"] == [1.0, 1.0]
    least, most = exact["speedup_range"]
    assert 0 < least < exact["speedup"] < most
    assert (exact["rounds"], exact["compared"], exact["bitwise_equal"]) == (3, 1, 1.0)
    assert f"({least:.2f}-{most:.2f})" in capsys.readouterr().out


def test_the_warm_up_is_short(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a load, its first two jobs are painted with two steps; the load has all steps. With
    `--no-check` no picture is painted again."""
    jobs = _record_jobs(monkeypatch, "exact")
    out = tmp_path / "bench.json"
    options = ["--workloads", "A", "--pictures", "1", "--people", "1", "--jobs", "3", "--no-check"]
    options += ["--backends", "exact", "--model", tiny, "--json", str(out)]
    assert main(["bench", *options]) == 0
    assert [recipes_of(job.paint)[0].steps for job in jobs] == [2, 2, 20, 20, 20]
    [result] = json.loads(out.read_text())["results"]
    assert result["compared"] is result["bitwise_equal"] is None


def _record_jobs(monkeypatch: pytest.MonkeyPatch, name: str) -> list[JobWithFiles]:
    """A list to which the jobs of the backend of this name are added when they are submitted."""
    jobs: list[JobWithFiles] = []
    start = BACKENDS[name]

    def start_recorded(model: DiffusionModel) -> Backend:
        backend = start(model)
        submit = backend.submit

        def submit_and_record(job: JobWithFiles, on_done: OnDone) -> None:
            jobs.append(job)
            submit(job, on_done)

        monkeypatch.setattr(backend, "submit", submit_and_record)
        return backend

    monkeypatch.setitem(BACKENDS, name, start_recorded)
    return jobs


def _recorded(
    name: str, start: Callable[[DiffusionModel], Backend], order: list[str]
) -> Callable[[DiffusionModel], Backend]:
    """`start`, which adds the name to `order` at each call."""

    def start_and_record(model: DiffusionModel) -> Backend:
        order.append(name)
        return start(model)

    return start_and_record


def test_speedups_are_ratios_of_one_round() -> None:
    """A machine that is slower in one round changes no speedup; the latencies are those of all
    rounds."""
    first, other = ([_run(factor * seconds) for seconds in (1, 8, 2)] for factor in (2, 1))
    result = report.combined(other, first, "A", report.LoadPattern("1 people", people=1))
    assert result.speedup == 2.0
    assert result.speedup_range == (2.0, 2.0)
    assert result.pictures_a_second == 0.5
    assert (result.p50, result.p95) == (2, 8)


def _run(seconds: float) -> report.Run:
    """A run with one job that took so long."""
    work = recipe()
    painted = Completed(JobWithFiles(job(work)), [work], ["digest"], 1.0, 1.0 + seconds)
    return report.Run("engine, exact", [painted], {})


def test_a_film_is_measured_beside_its_picture(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture has equal pixels with its film, and the encoder's time is measured alone."""
    monkeypatch.setattr("engine.bench.film._ROUNDS", 2)
    out = tmp_path / "bench.json"
    assert main(["bench", "--model", tiny, "--film", "--json", str(out)]) == 0
    [result] = json.loads(out.read_text())["results"]
    assert result["is_equal"]
    assert result["steps"] == 20
    assert 0 < result["encoding_seconds"] < result["film_seconds"]
    assert result["ratio"] > 0


def test_the_command_line_knows_all_backends_and_architectures() -> None:
    """The command line has lists of its own, because it must not import torch; they are equal."""
    assert tuple(BACKENDS) == cli.BACKENDS
    assert tuple(architectures.ARCHITECTURES) == cli.ARCHITECTURES


def test_diffusers_gets_a_vae_in_the_dtype_of_its_unet() -> None:
    """Else it could not decode: it casts the latents only if it upcasts the VAE itself.

    float64 stands for the float32 that SDXL's VAE has beside a UNet in float16.
    """
    pipeline = pipeline_of(engine_core().model)
    vae = pipeline.vae
    vae.to(torch.float64)
    digest_queue: queue.Queue[list[str]] = queue.Queue()
    try:
        backend = Diffusers(pipeline)
        backend.submit(JobWithFiles(job(recipe())), lambda _, digests: digest_queue.put(digests))
        assert len(digest_queue.get(timeout=60)) == 1
        assert pipeline.vae.dtype == pipeline.unet.dtype == torch.float32
        assert vae.dtype == torch.float64
        backend.close()
        assert pipeline.vae is vae
    finally:
        pipeline.vae = vae.to(torch.float32)


def test_forward_passes_are_measured_by_row_class(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each size is measured in each row class, with the increase over the next smaller class."""
    monkeypatch.setattr("engine.bench.forward_pass._MEASURED_PASSES", 3)
    out = tmp_path / "ticks.json"
    assert main(["bench", "--ticks", "--model", tiny, "--json", str(out)]) == 0
    results = json.loads(out.read_text())["results"]
    assert {(result["side"], result["rows"]) for result in results} == {
        (side, rows) for side in (64, 128) for rows in ROW_CLASSES
    }
    for result in results:
        assert result["seconds"] > 0
        assert (result["relative_increase"] is None) == (result["rows"] == 2)
        assert 0 < result["limit_share"] < 1.5
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(results)


def test_a_pass_is_compared_with_the_median_of_matrix_products() -> None:
    """The limit is that of the size with most operations per second; one fast product does not
    raise it."""
    products = forward_pass.MatrixProducts()
    for _ in range(3):
        products.measure()
    assert {side: len(times) for side, times in products.seconds.items()} == {
        512: 3,
        1024: 3,
        2048: 3,
    }
    products.seconds.clear()
    products.seconds |= {500: [0.5, 0.001, 0.5], 1000: [4.0, 0.5, 1.0]}
    assert products.operations_per_second() == 2 * 1000**3 / 1.0


def test_upscales_are_measured() -> None:
    """Each size is measured at each scale of the upscaler, below its fingerprint."""
    (upscaler,) = load_upscalers()
    results = list(upscales.run(upscaler, sides=(16, 24)))
    assert [(result.side, result.scale) for result in results] == [
        (side, scale) for side in (16, 24) for scale in (2, 4)
    ]
    assert all(result.seconds > 0 for result in results)
    assert upscales.line(results[0]).startswith("16    2")


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--workloads", "A,Z", "is not a list of A, B and C"),
        ("--people", "1,many", "is not a list of numbers above 0"),
        ("--pictures", "65", "up to 64"),
        ("--jobs", "0", "above 0"),
        ("--jobs", "", "above 0"),
        ("--rates", "-1", "above 0"),
        ("--weights", "gaussian", "invalid choice"),
        ("--backends", "exact,onnx", "is not a list of serial, compiled"),
    ],
)
def test_invalid_options_are_refused(
    option: str, value: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options are checked before a model is loaded."""
    assert main(["bench", f"{option}={value}"]) == ExitCode.USAGE
    assert reason in capsys.readouterr().err


def test_the_mixed_workload_is_mixed() -> None:
    """Its jobs differ in size, steps, sampler, init image and guidance."""
    jobs = [mixed(engine_core().model.card, 1, nth).paint for nth in range(60)]
    firsts = [job.recipes[0] for job in jobs]
    assert {first.steps for first in firsts} == {4, 20, 30, 50}
    assert len({first.sampler for first in firsts}) == 6
    assert len({(first.width, first.height) for first in firsts}) == 3
    assert 0.15 < sum(bool(job.inputs) for job in jobs) / 60 < 0.45
    assert 0.08 < sum(not first.uses_cfg for first in firsts) / 60 < 0.35


@pytest.mark.parametrize(
    ("unet", "millions"),
    [(architectures.sd15_unet, 860), (architectures.sdxl_unet, 2567)],
)
def test_random_models_have_the_real_size(unet: type, millions: int) -> None:
    """The parameter counts are the published ones; on the meta device they need no memory."""
    with torch.device("meta"):
        assert round(unet().num_parameters() / 1e6) == millions
        assert round(architectures.autoencoder().num_parameters() / 1e6) == 84


def test_two_checkouts_are_measured_side_by_side(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against itself, a checkout paints equal pixels; a folder without an engine is refused."""
    monkeypatch.setattr(against, "LOADS", (against.Load("2 people", 2, 1),))
    out = tmp_path / "bench.json"
    options = ["--model", tiny, "--rounds", "1", "--json", str(out)]
    assert main(["bench", "--against", str(against.THIS), *options]) == 0
    [result] = json.loads(out.read_text())["results"]
    assert result["is_equal"] and result["rounds"] == 1
    assert result["ratio"] == pytest.approx(result["here"] / result["there"])
    assert main(["bench", "--against", str(tmp_path), *options]) == ExitCode.USAGE
    assert "is not a checkout of this project" in capsys.readouterr().err


def test_a_matrix_is_measured_beside_plain_pictures(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cells have the pixels that they have alone."""
    monkeypatch.setattr("engine.bench.matrices._ROUNDS", 1)
    monkeypatch.setattr("engine.bench.matrices.GUIDANCE", (1.0, 5.0))
    out = tmp_path / "bench.json"
    assert main(["bench", "--matrix", "--model", tiny, "--json", str(out)]) == 0
    [result] = json.loads(out.read_text())["results"]
    assert result["is_equal"]
    assert result["ratio"] == pytest.approx(result["matrix_seconds"] / result["plain_seconds"])


def test_steered_pictures_are_measured_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own pixels in one batch. A plain one is painted beside plain ones and beside
    controlled ones, and LoRAs are added while plain ones are painted."""
    monkeypatch.setattr("engine.bench.steered.STEPS", 3)
    monkeypatch.setattr("engine.bench.steered._ROUNDS", 1)
    monkeypatch.setattr("engine.bench.steered_company._ROUNDS", 1)
    monkeypatch.setattr("engine.bench.added_loras._ADDED", 1)
    for variable in ("IMAGINE_CONTROLS", "IMAGINE_LORAS"):
        monkeypatch.setenv(variable, "")
    out = tmp_path / "bench.json"
    model = tiny_model.save(tmp_path / "model")  # with a middle block, as a ControlNet has one
    assert main(["bench", "--steering", "--model", str(model), "--json", str(out)]) == 0
    *times, in_one_batch, in_its_own_job, added = json.loads(out.read_text())["results"]
    assert [each["pictures"] for each in times][-1] == "2 plain + 1 LoRA + 1 control"
    assert all(each["is_equal"] for each in times)
    for company in (in_one_batch, in_its_own_job):
        controlled = company["beside_controlled"]
        assert 0 < company["control_seconds"] < controlled
        other_seconds = company["beside_plain"] + company["control_seconds"]
        assert company["excess"] == pytest.approx(controlled - other_seconds)
        assert company["is_within"] == (company["excess"] <= 0.02 * company["beside_plain"])
    gaps = {name: value for name, value in added.items() if name.endswith("_step")}
    assert len(gaps) == 4
    assert all(value >= 0 for value in gaps.values())  # 0: no step fell into a short period
    assert all(value > 0 for name, value in added.items() if name not in gaps)


def test_a_grid_of_a_distilled_model_is_measured_beside_another(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The distilled model has its own number of steps; one model alone is refused."""
    monkeypatch.setattr("engine.bench.few_steps._ROUNDS", 1)
    distilled = shutil.copytree(tiny, tmp_path / "tiny-lightning-2-steps")
    out = tmp_path / "bench.json"
    options = ["bench", "--few-steps", "--json", str(out)]
    assert main([*options, "--model", f"{distilled},{tiny}"]) == 0
    [result] = json.loads(out.read_text())["results"]
    assert (result["steps"], result["other_steps"]) == (2, 20)
    assert result["ratio"] == pytest.approx(result["seconds"] / result["other_seconds"])
    assert main([*options, "--model", tiny]) == ExitCode.USAGE
    assert "measures two models" in capsys.readouterr().err
