"""Loading pipelines: which configs of a model are supported, and which are refused."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.__main__ import main
from engine.contract import Distilled, Sampler
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.device import select_device
from engine.errors import ExitCode, ModelCorrupt
from engine.models import registry
from engine.models.base import DiffusionModel
from engine.models.description import describe
from engine.weights.model_files import find_model_files
from tests import tiny_model

SCHEDULER: Final = "scheduler/scheduler_config.json"


@pytest.fixture(scope="module")
def complete_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model folder."""
    return tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(complete_model: Path, tmp_path: Path) -> Path:
    """A copy of a complete model folder, for a test to change."""
    return Path(shutil.copytree(complete_model, tmp_path / "tiny"))


def change(file: Path, **changes: Any) -> None:  # noqa: ANN401 - any JSON
    """Write other values into this config file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def load(folder: Path) -> DiffusionModel:
    """Load the model in this folder."""
    return registry.load(str(folder), select_device())


@pytest.mark.parametrize(
    "changes",
    [
        {"_class_name": "DEISMultistepScheduler", "algorithm_type": "deis", "solver_order": 2},
        {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"},
        {"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": True},
        {"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True},
        {"_class_name": "DDPMScheduler", "variance_type": "learned_range"},
        {"_class_name": "NoSuchScheduler"},
    ],
    ids=lambda changes: next(iter(changes.values())),
)
def test_the_solver_of_a_model_is_of_no_importance(folder: Path, changes: dict[str, Any]) -> None:
    """All samplers work, with the noise schedule of the scheduler config."""
    change(folder / SCHEDULER, **changes)
    model = load(folder)
    assert model.card.samplers == DIFFUSION_SAMPLERS
    assert model.scheduler_config["beta_schedule"] == "scaled_linear"
    assert not {"_class_name", *changes} & set(model.scheduler_config)


def test_a_sampler_that_does_not_work_with_a_model_is_not_offered(
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The log has a line for the sampler, and a job with it fails with a sentence."""
    change(folder / SCHEDULER, prediction_type="sample")
    card = load(folder).card
    assert Sampler.PNDM not in card.samplers
    assert card.sampler is Sampler.DPMPP_2M
    assert len([line for line in caplog.messages if "sampler pndm is not offered" in line]) == 1
    options = ["--sampler", "pndm", "--model", str(folder), "--out", str(tmp_path / "out")]
    assert main(["paint", "x", *options]) == ExitCode.USAGE
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert "does not work with the sampler pndm. Choose one of: lms, ddim, ddpm" in sentence


@pytest.mark.parametrize(
    ("file", "changes", "reason"),
    [
        (SCHEDULER, {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEuler"),
        (SCHEDULER, {"_class_name": "EDMEulerScheduler"}, "EDMEuler"),
        ("unet/config.json", {"sample_size": "8"}, "cannot be loaded"),
        ("unet/config.json", {"sample_size": []}, "cannot be loaded"),
        ("unet/config.json", {"sample_size": 0}, "sample_size of the unet is 0"),
        ("vae/config.json", {"scaling_factor": "half"}, "cannot be loaded"),
        ("text_encoder/config.json", {"hidden_size": "x"}, "Field 'hidden_size' expected int"),
        ("vae/config.json", {"latents_mean": "x", "latents_std": "y"}, "cannot be loaded"),
    ],
)
def test_an_impossible_config_is_one_sentence(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    changes: dict[str, Any],
    reason: str,
) -> None:
    """There is no traceback."""
    change(folder / file, **changes)
    code = main(["paint", "x", "--model", str(folder), "--out", str(tmp_path / "out")])
    assert code == ExitCode.MODEL_CORRUPT
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert reason in error.splitlines()[-1]


def test_a_scheduler_config_that_is_no_object_is_refused(folder: Path) -> None:
    """The file is valid JSON, but not a scheduler config."""
    (folder / SCHEDULER).write_text("[]")
    with pytest.raises(ModelCorrupt, match="is not a JSON object"):
        load(folder)


@pytest.mark.parametrize(("sample_size", "native_size"), [([8, 8], 64), ([4, 16], 64), (None, 512)])
def test_a_sample_size_may_have_two_sides(
    folder: Path, sample_size: list[int] | None, native_size: int
) -> None:
    """The native size is the side of a square with the same area, or else that of the family."""
    change(folder / "unet" / "config.json", sample_size=sample_size)
    assert load(folder).card.native_size == native_size


def test_a_model_with_other_outputs_is_refused(tmp_path: Path) -> None:
    """One example is a model that also predicts its variance."""
    folder = tiny_model.save(tmp_path / "tiny", unet={"out_channels": 8})
    with pytest.raises(ModelCorrupt, match="takes 4 channels and gives 8, and its latents have 4"):
        load(folder)


def test_a_distilled_model_gets_defaults_of_its_own(complete_model: Path, tmp_path: Path) -> None:
    """The README.md in its folder may say that it is distilled."""
    folder = Path(shutil.copytree(complete_model, tmp_path / "tiny"))
    (folder / "README.md").write_text("---\nbase_model: stabilityai/sd-turbo\n---\n")
    card = load(folder).card
    assert card.distilled == Distilled("Turbo", 10, 3.0)
    assert (card.steps, card.guidance, card.sampler) == (4, 1.0, Sampler.EULER_A)
    plain = load(complete_model).card
    assert (plain.distilled, plain.steps, plain.guidance) == (None, 20, 7.5)
    assert card.revision == plain.revision


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ("", "tokenizer/tokenizer_config.json of the model .* is not JSON"),
        ("[]", "is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
        ('{"pad_token": {}}', "has no text as its pad_token; it must be a text"),
        ('{"eos_token": 1}', "has no text as its eos_token"),
    ],
)
def test_a_damaged_tokenizer_config_is_named(folder: Path, changes: str, sentence: str) -> None:
    """Before anything is loaded."""
    (folder / "tokenizer" / "tokenizer_config.json").write_text(changes)
    with pytest.raises(ModelCorrupt, match=sentence):
        load(folder)
    with pytest.raises(ModelCorrupt, match=sentence):
        describe(find_model_files(str(folder)))


@pytest.mark.parametrize("entry", [{}, 1, "x", ["diffusers"], None])
@pytest.mark.parametrize("component", ["tokenizer_3", "image_encoder", "vae"])
def test_an_index_has_lists_of_library_and_class(
    folder: Path, component: str, entry: object
) -> None:
    """For each component."""
    change(folder / "model_index.json", **{component: entry})
    with pytest.raises(ModelCorrupt, match=f"^The {component} in the model_index.json of the"):
        load(folder)


def test_a_deeply_nested_index_is_refused(folder: Path) -> None:
    """It is not read without end."""
    (folder / "model_index.json").write_text("[" * 100_000)
    with pytest.raises(ModelCorrupt, match="has a damaged model_index"):
        load(folder)


@pytest.mark.parametrize("component", ["unet", "text_encoder"])
def test_missing_weights_and_other_shapes_are_named(folder: Path, component: str) -> None:
    """As in a checkpoint."""
    [path] = (folder / component).glob("*.safetensors")
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("bias"))
    save_file(tensors | {name: torch.zeros(3)}, path, {"format": "pt"})
    expected = re.escape(str([*tensors[name].shape]))
    sentence = rf"{name} of the {component} has the shape \[3\]; .* must be {expected}"
    with pytest.raises(ModelCorrupt, match=sentence):
        load(folder)
    del tensors[name]
    save_file(tensors, path, {"format": "pt"})
    sentence = f"some weights of the {component} are missing: .*{name}"
    with pytest.raises(ModelCorrupt, match=sentence):
        load(folder)


def test_a_value_that_an_error_quotes_is_printable(folder: Path) -> None:
    """The sentence goes to the terminal and into the log."""
    change(folder / "unet" / "config.json", resnet_time_scale_shift="\x1b[2J")
    with pytest.raises(ModelCorrupt) as excinfo:
        load(folder)
    assert "time_embedding_norm :  [2J" in str(excinfo.value)
    assert str(excinfo.value).isprintable()
