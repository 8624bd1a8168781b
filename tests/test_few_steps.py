"""The paths of the starter, the training of its few-step student, and the checkpoint of it."""

import copy
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
)
from torch import Tensor, nn

from engine.contract import Sampler
from engine.errors import ModelNotFound
from engine.models.description import describe, distillation_in
from engine.starter import few_steps
from engine.starter.autoencoder import CHANNELS, new_autoencoder
from engine.starter.denoiser import NOISE_SCHEDULE, TextConditioner, new_unet
from engine.starter.export import MODEL_FOLDER, save_few_steps
from engine.starter.few_steps import STEPS, Paths, StepTargets
from engine.starter.objects import BODIES
from engine.starter.sampling import load_painter
from engine.starter.scenes import Scene, Thing, nominal_position
from engine.starter.thing_weights import THING_WEIGHT, thing_weights
from engine.starter.trainer import TrainingConfig
from engine.weights import model_files
from engine.weights.model_files import find_model_files
from engine.weights.model_folder import FEW_STEP_STARTER, FEW_STEP_STARTER_FILE
from tests.tiny_painter import tiny_painter

PAIR = Scene((Thing("cat", "red"), Thing("house", "blue")), "grass", "day")
SINGLE = Scene((Thing("robot", "green"),), "snow", "night")
CONFIG = TrainingConfig(steps=4, rate=1e-2, warmup=1, average=0.5)


@pytest.fixture(scope="module")
def teacher() -> TextConditioner:
    """A teacher with random weights, which the tests do not change."""
    return tiny_painter()


@pytest.fixture(scope="module")
def paths(teacher: TextConditioner) -> Paths:
    """Four paths to small pictures."""
    return few_steps.trace(teacher, [PAIR, SINGLE, PAIR, SINGLE], (64, 32), seed=5)


def random_path() -> Tensor:
    """The states of two random paths."""
    shape = (2, STEPS + 1, CHANNELS, 4, 4)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_a_path_is_that_of_the_pipeline_with_guidance(teacher: TextConditioner) -> None:
    """Its last state has the latents that diffusers' pipeline paints from the same noise."""
    noise = torch.randn(1, CHANNELS, 8, 16, generator=torch.Generator().manual_seed(2))
    path = few_steps.teacher_paths(teacher, [PAIR], ["a red cat"], noise)
    pipeline = StableDiffusionPipeline(
        vae=new_autoencoder(),
        text_encoder=teacher.text_encoder,
        tokenizer=teacher.tokenizer,
        unet=teacher.unet,
        scheduler=DPMSolverMultistepScheduler(
            **NOISE_SCHEDULE, timestep_spacing="trailing", steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline(
        "a red cat",
        num_inference_steps=few_steps.TEACHER_STEPS,
        guidance_scale=few_steps.GUIDANCE,
        latents=noise,
        output_type="latent",
    ).images
    assert path.states.shape == (1, STEPS + 1, CHANNELS, 8, 16)
    assert torch.equal(path.states[:, 0], noise.half())
    torch.testing.assert_close(path.states[:, -1].float(), latents, atol=4e-3, rtol=2e-3)


def test_paths_are_determined_by_the_seed(teacher: TextConditioner, paths: Paths) -> None:
    """The same seed has the same captions and states, another one has others."""
    again, other = (
        few_steps.trace(teacher, [PAIR, SINGLE, PAIR, SINGLE], (64, 32), seed=seed)
        for seed in (5, 6)
    )
    assert again.prompts == paths.prompts
    assert torch.equal(again.states, paths.states)
    assert not torch.equal(other.states, paths.states)


def test_paths_are_stored_in_files(paths: Paths, tmp_path: Path) -> None:
    """Those of several files are joined."""
    files = [tmp_path / "a.pt", tmp_path / "b.pt"]
    for file in files:
        few_steps.save_paths(paths, file)
    both = few_steps.load_paths(files)
    assert both.prompts == paths.prompts * 2
    assert torch.equal(both.states[4:], paths.states)
    assert torch.equal(both.weights[:4], paths.weights)


def test_the_sampler_follows_the_targets() -> None:
    """With the targets as noise predictions, diffusers' sampler passes through all states."""
    states, targets = random_path(), StepTargets()
    scheduler = few_steps.new_few_step_scheduler()
    scheduler.set_timesteps(STEPS)
    latents = states[:, 0] * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(latents, timestep)
        torch.testing.assert_close(scaled, states[:, step], atol=2e-3, rtol=1e-3)
        prediction = targets.target(
            states[:, step], states[:, step + 1], torch.full((2,), step, dtype=torch.long)
        )
        latents = scheduler.step(prediction, timestep, latents).prev_sample
    torch.testing.assert_close(latents, states[:, STEPS], atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("scene", [PAIR, SINGLE])
def test_things_weigh_more_than_the_rest(scene: Scene) -> None:
    """The middles of their bodies have the higher weight; the sky does not."""
    weights = thing_weights(len(scene.things), (16, 16))
    assert set(weights.unique().tolist()) == {1.0, THING_WEIGHT}
    assert (weights[0] == 1.0).all()
    for nth, thing in enumerate(scene.things):
        x, y, tall = nominal_position((128, 128), nth, len(scene.things))
        left, bottom, right, top = BODIES[thing.kind]
        column, row = x + (left + right) / 2 * tall, y - (bottom + top) / 2 * tall
        assert weights[int(row / 8), int(column / 8)] == THING_WEIGHT


class Interruption(Exception):
    """Stops a training."""


def trained(
    teacher: TextConditioner, paths: Paths, folder: Path, stop_at: int | None = None
) -> dict[str, Tensor]:
    """The weights of a student after a training that is resumed before step `stop_at`."""
    student = copy.deepcopy(teacher.unet)
    calls = iter(range(100))

    def stop(_module: nn.Module, _inputs: object) -> None:
        if next(calls) == stop_at:
            raise Interruption

    student.register_forward_pre_hook(stop)
    device = torch.device("cpu")
    try:
        few_steps.train_student(teacher, student, [paths], CONFIG, folder, device, save_every=0.0)
    except Interruption:
        return trained(teacher, paths, folder)
    weights: dict[str, Tensor] = student.state_dict()
    return weights


def test_a_resumed_student_equals_an_uninterrupted_one(
    teacher: TextConditioner, paths: Paths, tmp_path: Path
) -> None:
    """All its weights are the same, and others than those of its teacher."""
    whole = trained(teacher, paths, tmp_path / "whole")
    resumed = trained(teacher, paths, tmp_path / "resumed", stop_at=2)
    before = teacher.unet.state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not torch.equal(whole["conv_in.weight"], before["conv_in.weight"])


def test_a_copy_of_the_project_may_lack_the_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is then refused with a sentence."""
    monkeypatch.setattr(model_files, "FEW_STEP_STARTER_FILE", tmp_path / "none.safetensors")
    with pytest.raises(ModelNotFound, match="is not in this copy of the project"):
        find_model_files(FEW_STEP_STARTER)


def test_a_student_is_a_checkpoint_that_the_starter_completes(tmp_path: Path) -> None:
    """Its weights come back in half precision, and its name says how it is sampled."""
    (tmp_path / MODEL_FOLDER).mkdir()
    student = new_unet()
    save_few_steps(student, tmp_path)
    name = str(tmp_path / MODEL_FOLDER / FEW_STEP_STARTER_FILE.name)
    files = find_model_files(name)
    distillation = distillation_in(files)
    assert distillation is not None
    assert distillation.sampler is Sampler.EULER
    assert describe(files)[2:4] == (STEPS, 1.0)
    assert describe(files).licence == "mit"
    painter = load_painter(name)
    assert (painter.steps, painter.guidance) == (STEPS, 1.0)
    assert painter.pipeline.scheduler.config.timestep_spacing == "trailing"
    assert isinstance(painter.pipeline.vae, AutoencoderKL)
    loaded = painter.pipeline.unet.state_dict()
    for key, value in student.state_dict().items():
        assert torch.equal(loaded[key], value.half().float()), key
