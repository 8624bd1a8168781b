"""Models from single-file checkpoints paint what diffusers' own pipelines paint."""

import hashlib
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

from engine.contract import Sampler
from engine.core.engine_core import EngineCore
from engine.device import select_device
from engine.errors import EngineError, ModelCorrupt
from engine.models import registry
from engine.models.checkpoint_loading import load_from_checkpoint
from engine.models.description import read_scheduler_config
from engine.weights.checkpoints import read_checkpoint
from engine.weights.model_files import find_model_files
from engine.weights.model_folder import LOAD_ERRORS
from tests import tiny_model
from tests.checkpoint_writer import (
    TRAINER_METADATA,
    Tensors,
    as_comfy,
    as_merged,
    as_sgm,
    nested,
    sd1_tensors,
    sd2_tensors,
    without,
    write,
    xl_tensors,
)
from tests.diffusers_pipeline import assert_alike
from tests.engine_parts import job, load_engine_core, painted_images, recipe, rendered_images

CONFIG = "IMAGINE_MODEL_CONFIG"
COMPONENTS = {"unet": "model.", "vae": "first_stage_model.", "text_encoder": "cond_stage_model."}
"""The beginning of the names of each component's tensors."""
XL_PARTS = ["first_stage_model.", "conditioner.embedders.0.", "conditioner.embedders.1."]


class Source(NamedTuple):
    """A tiny model as a folder and as the tensors of a checkpoint."""

    folder: Path
    pipeline: DiffusionPipeline
    tensors: Tensors


KINDS: dict[
    str,
    tuple[Callable[[Path], Path], type[DiffusionPipeline], Callable[[DiffusionPipeline], Tensors]],
] = {
    "sd1": (tiny_model.save, StableDiffusionPipeline, sd1_tensors),
    "sd2": (tiny_model.save, StableDiffusionPipeline, sd2_tensors),
    "xl": (tiny_model.save_xl, StableDiffusionXLPipeline, xl_tensors),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """A model of each kind."""
    result = {}
    for kind, (save, pipeline_class, convert) in KINDS.items():
        folder = save(tmp_path_factory.mktemp(kind) / "tiny")
        pipeline = pipeline_class.from_pretrained(folder)
        result[kind] = Source(folder, pipeline, convert(pipeline))
    return result


@pytest.fixture
def source(sources: dict[str, Source], monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """Stable Diffusion 1, whose folder is the configuration."""
    monkeypatch.setenv(CONFIG, str(sources["sd1"].folder))
    yield sources["sd1"]


def load_error(path: Path) -> EngineError:
    """The error that loading this checkpoint raises; its message is one line."""
    with pytest.raises(EngineError) as excinfo:
        registry.load(str(path), select_device())
    assert "\n" not in str(excinfo.value)
    return excinfo.value


def load_component(source: Source, path: Path, component: str) -> torch.nn.Module:
    """A component from a checkpoint, in 32 bits."""
    component_class = type(source.pipeline.components[component])
    checkpoint = read_checkpoint(path, path.name)
    return load_from_checkpoint(
        component_class, checkpoint, component, source.folder / component, torch.float32
    )


def assert_same_weights(core: EngineCore, pipeline: DiffusionPipeline) -> None:
    """Assert that the core's model has the weights of all networks of a pipeline."""
    networks = networks_of(core)
    for name, network in networks.items():
        expected = pipeline.components[name].state_dict()
        weights = network.state_dict()
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[key], expected[key]) for key in expected), name


def networks_of(core: EngineCore) -> dict[str, torch.nn.Module]:
    """The networks of the core's model, without its safety checker."""
    components = core.model.pipeline.components  # type: ignore[attr-defined] # of LatentDiffusion
    return {name: part for name, part in components.items() if isinstance(part, torch.nn.Module)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_paints_the_bits_of_its_folder(
    sources: dict[str, Source], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone and in company, whatever the metadata; the revision begins with the file's sha256."""
    folder, pipeline, tensors = sources[kind]
    monkeypatch.setenv(CONFIG, str(folder))
    path = write(tmp_path / "x.safetensors", tensors, metadata={"format": "pt", "x": "ä{}\n"})
    core = load_engine_core(str(path))
    assert_same_weights(core, pipeline)
    assert core.model.card.name == str(path)
    assert core.model.card.revision.startswith(hashlib.sha256(path.read_bytes()).hexdigest())
    grid = [recipe(core, row_class=8, seed=seed, steps=3) for seed in range(4)]
    alone = [painted_images(job(single), core)[0].sha256 for single in grid]
    assert [image.sha256 for image in painted_images(job(*grid), core)] == alone
    other = load_engine_core(str(folder))
    single = recipe(other, row_class=8, seed=0, steps=3)
    assert painted_images(job(single), other)[0].sha256 == alone[0]


@pytest.mark.parametrize("kind", ["sd1", "sd2"])
def test_a_checkpoint_paints_what_diffusers_paints(
    sources: dict[str, Source], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With weights of 16 bits, which a CPU computes with in 32 bits."""
    folder, _, tensors = sources[kind]
    monkeypatch.setenv(CONFIG, str(folder))
    path = write(tmp_path / "x.safetensors", tensors, dtype=torch.float16)
    core = load_engine_core(str(path))
    single = recipe(core, steps=5, sampler=Sampler.PNDM)
    pipeline = StableDiffusionPipeline.from_single_file(
        str(path), config=str(folder), local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt=single.prompt,
        num_inference_steps=single.steps,
        guidance_scale=single.guidance,
        generator=torch.Generator("cpu").manual_seed(single.seed),
        width=single.width,
        height=single.height,
    ).images[0]
    assert_alike(rendered_images(job(single), core)[0], theirs)


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_weights_of_other_types_are_converted(
    source: Source, tmp_path: Path, component: str, dtype: torch.dtype
) -> None:
    """The device chooses the type."""
    path = write(tmp_path / "x.safetensors", source.tensors, dtype=dtype)
    parameters = load_component(source, path, component).parameters()
    assert {parameter.dtype for parameter in parameters} == {torch.float32}


@pytest.mark.parametrize("part", ["first_stage_model.", "cond_stage_model."])
def test_a_missing_component_comes_from_the_configuration(
    source: Source, tmp_path: Path, part: str
) -> None:
    """A checkpoint may lack its VAE or its text encoder."""
    path = write(tmp_path / "x.safetensors", without(source.tensors, part))
    assert_same_weights(load_engine_core(str(path)), source.pipeline)


def test_a_unet_alone_is_completed(
    sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its prefix, and of SDXL, whose kind follows from its embeddings."""
    folder, pipeline, tensors = sources["xl"]
    monkeypatch.setenv(CONFIG, str(folder))
    for part in XL_PARTS:
        tensors = without(tensors, part)
    assert_same_weights(load_engine_core(str(write(tmp_path / "x.safetensors", tensors))), pipeline)


def test_the_folder_that_fits_is_the_configuration(
    sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several checkpoints of several kinds may be loaded."""
    monkeypatch.setenv(CONFIG, ",".join(str(sources[kind].folder) for kind in ("sd1", "xl")))
    for kind in ("sd1", "xl"):
        path = write(tmp_path / f"{kind}.safetensors", sources[kind].tensors)
        assert find_model_files(str(path)).folder == sources[kind].folder


def test_a_missing_component_is_named(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the configuration has no weights of it."""
    folder = Path(shutil.copytree(source.folder, tmp_path / "config"))
    for weights in folder.glob("vae/*.safetensors"):
        weights.unlink()
    monkeypatch.setenv(CONFIG, str(folder))
    path = write(tmp_path / "x.safetensors", without(source.tensors, "first_stage_model."))
    assert "has no vae, and the folder of its configuration" in str(load_error(path))


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_missing_tensor_is_noticed(source: Source, tmp_path: Path, component: str) -> None:
    """The sentence names the component."""
    prefix = COMPONENTS[component]
    name = [name for name in source.tensors if name.startswith(prefix)][-1]
    path = write(tmp_path / "x.safetensors", without(source.tensors, name))
    with pytest.raises(ValueError, match=f"some weights of the {component} are missing"):
        load_component(source, path, component)


@pytest.mark.parametrize("number", [math.nan, -math.inf])
@pytest.mark.parametrize("component", COMPONENTS)
def test_weights_that_are_not_finite_are_refused(
    source: Source, tmp_path: Path, component: str, number: float
) -> None:
    """One number is enough."""
    name = next(name for name in source.tensors if name.startswith(COMPONENTS[component]))
    damaged = source.tensors[name].detach().clone()
    damaged.view(-1)[-1] = number
    path = write(tmp_path / "x.safetensors", source.tensors | {name: damaged})
    with pytest.raises(ValueError, match=f"of the {component} has NaN or infinite numbers"):
        load_component(source, path, component)


def test_damaged_weights_are_one_sentence(source: Source, tmp_path: Path) -> None:
    """It names the model, and the first weight that is damaged."""
    name = "model.diffusion_model.time_embed.0.bias"
    damaged = torch.full_like(source.tensors[name], math.nan)
    error = load_error(write(tmp_path / "x.safetensors", source.tensors | {name: damaged}))
    assert isinstance(error, ModelCorrupt)
    assert "x.safetensors cannot be loaded" in str(error)
    assert "the weight time_embedding.linear_1.bias of the unet has NaN" in str(error)


def test_a_tensor_of_another_shape_is_refused(source: Source, tmp_path: Path) -> None:
    """As in a checkpoint of a model that was made smaller."""
    name = "model.diffusion_model.time_embed.0.weight"
    path = write(tmp_path / "x.safetensors", source.tensors | {name: torch.zeros(3, 3)})
    with pytest.raises(LOAD_ERRORS):
        load_component(source, path, "unet")


def test_a_file_that_is_cut_off_is_refused(source: Source, tmp_path: Path) -> None:
    """Before anything is loaded."""
    path = write(tmp_path / "x.safetensors", source.tensors)
    path.write_bytes(path.read_bytes()[:-100])
    assert "is cut off: download it again" in str(load_error(path))


def test_other_tensors_in_the_file_do_not_matter(source: Source, tmp_path: Path) -> None:
    """Such as averaged weights, and integers that are computed anyway."""
    more = {
        "model_ema.decay": torch.zeros(1),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(24)[None],
    }
    path = write(tmp_path / "x.safetensors", source.tensors | more)
    assert_same_weights(load_engine_core(str(path)), source.pipeline)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [as_comfy, as_merged, as_sgm, nested])
def test_checkpoints_of_other_programs_have_the_same_weights(
    sources: dict[str, Source],
    kind: str,
    change: Callable[[Tensors], Tensors],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As far as their types hold them."""
    folder, pipeline, tensors = sources[kind]
    monkeypatch.setenv(CONFIG, str(folder))
    path = tmp_path / "x.safetensors"
    changed = {name: tensor.contiguous() for name, tensor in change(tensors).items()}
    save_file(changed, path, TRAINER_METADATA)
    core = load_engine_core(str(path))
    if change is not as_merged:
        assert_same_weights(core, pipeline)
        return
    for name, network in networks_of(core).items():
        weights, expected = network.state_dict(), pipeline.components[name].state_dict()
        for key, tensor in weights.items():
            assert tensor.dtype == torch.float32
            torch.testing.assert_close(tensor, expected[key], rtol=2**-7, atol=1e-6)


@pytest.mark.parametrize("key", ["modelspec.prediction_type", "modelspec.predict_key"])
def test_a_velocity_model_is_recognised(source: Source, tmp_path: Path, key: str) -> None:
    """By the metadata of trainers or of ComfyUI; the rest is that of the configuration."""
    path = write(tmp_path / "x.safetensors", source.tensors, metadata={key: "v"})
    config = read_scheduler_config(find_model_files(str(path)))
    assert config["prediction_type"] == "v_prediction"
    assert config["beta_end"] == source.pipeline.scheduler.config.beta_end


def test_the_safety_checker_of_the_configuration_is_used(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint has none."""
    folder = tiny_model.save(tmp_path / "tiny", tiny_model.ALWAYS)
    monkeypatch.setenv(CONFIG, str(folder))
    path = write(tmp_path / "x.safetensors", source.tensors)
    core = load_engine_core(str(path))
    assert painted_images(job(recipe(core)), core)[0].withheld


def test_the_revision_is_that_of_the_file(source: Source, tmp_path: Path) -> None:
    """Equal files have equal revisions; the size is that of the file and the safety checker."""
    path = write(tmp_path / "x.safetensors", source.tensors)
    files = find_model_files(str(path))
    copy = find_model_files(str(shutil.copy(path, tmp_path / "y.safetensors")))
    assert files.revision == copy.revision
    checker = next(source.folder.glob("safety_checker/*.safetensors"))
    assert files.weight_bytes == path.stat().st_size + checker.stat().st_size
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] += 1
    assert find_model_files(str(write(path, tensors))).revision != copy.revision


@pytest.mark.parametrize(
    ("file", "is_other"),
    [
        ("vae/config.json", True),
        ("model_index.json", True),
        ("scheduler/scheduler_config.json", True),
        ("tokenizer/vocab.json", True),
        ("vae/diffusion_pytorch_model.safetensors", True),
        ("unet/diffusion_pytorch_model.safetensors", False),
        ("safety_checker/model.safetensors", False),
        ("safety_checker/other.safetensors", False),
        ("README.md", False),
    ],
)
def test_what_is_loaded_from_the_configuration_is_part_of_the_revision(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, is_other: bool
) -> None:
    """It determines pictures; the rest of a snapshot of the hub may come and go."""
    folder = Path(shutil.copytree(source.folder, tmp_path / "config"))
    monkeypatch.setenv(CONFIG, str(folder))
    path = write(tmp_path / "x.safetensors", without(source.tensors, "first_stage_model."))
    revision = find_model_files(str(path)).revision
    with (folder / file).open("a") as config:
        config.write("\n")
    other = find_model_files(str(path)).revision
    assert (other != revision) is is_other
    assert other[:64] == revision[:64]


def test_a_distilled_checkpoint_begins_at_the_last_timestep(source: Source, tmp_path: Path) -> None:
    """Its configuration is that of the model before it was distilled."""
    for name, spacing in (("tiny_lightning_4step", "trailing"), ("tiny_lcm", "leading")):
        path = write(tmp_path / f"{name}.safetensors", source.tensors)
        assert read_scheduler_config(find_model_files(str(path)))["timestep_spacing"] == spacing


def test_a_lightning_checkpoint_for_one_step_predicts_the_sample(
    source: Source, tmp_path: Path
) -> None:
    """The others predict the noise, as the model before it was distilled."""
    for steps, prediction in ((1, "sample"), (2, "epsilon")):
        path = write(tmp_path / f"tiny_lightning_{steps}step.safetensors", source.tensors)
        config = read_scheduler_config(find_model_files(str(path)))
        assert config.get("prediction_type", "epsilon") == prediction
