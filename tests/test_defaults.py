"""Distilled models are recognised, and get their own defaults."""

from collections.abc import Mapping
from typing import Final

import msgspec
import pytest

from engine.contract import (
    MAX_GUIDANCE,
    MAX_STEPS,
    Distilled,
    ModelCard,
    PictureOptions,
    Recipe,
    Sampler,
    make_recipes,
)
from engine.models.defaults import (
    DMD,
    HYPER,
    HYPER_CFG,
    LCM,
    LCM_EMBEDDED,
    LIGHTNING,
    TCD,
    TURBO,
    Distillation,
    default_sampler,
    distillation_of,
)
from tests.fake_engine import MODEL

TRAILING: Final = {"timestep_spacing": "trailing"}
EULER: Final = {"_class_name": "EulerDiscreteScheduler"}
TURBO_CARD: Final = msgspec.structs.replace(
    MODEL,
    name="a/sdxl-turbo",
    steps=4,
    guidance=1.0,
    distilled=Distilled("Turbo", 10, 3.0),
)


@pytest.mark.parametrize(
    ("name", "distillation"),
    [
        ("stabilityai/sdxl-turbo", TURBO),
        ("/models/dreamshaperXL_v21TurboDPMSDE.safetensors", TURBO),
        (r"C:\models\sd_turbo", TURBO),
        ("ByteDance/SDXL-Lightning", LIGHTNING),
        ("realvisxlV50_v50LightningBakedvae.safetensors", LIGHTNING),
        ("ByteDance/Hyper-SD", HYPER),
        ("epicrealismXL_hyperVAE", HYPER),
        ("Hyper-SDXL-8steps-CFG", HYPER_CFG),
        ("x/lcm-sdxl", LCM),
        ("x/TCD_SDXL", TCD),
        ("x/dmd2_sdxl", DMD),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", None),
        ("/turbo/lightning/sd15", None),
        ("x/hyperrealism-v1", None),
        ("x/calcmodel", None),
        ("x/pytorch-lightning", None),
        ("x/PyTorchLightning", None),
    ],
)
def test_the_name_of_a_model_tells_how_it_was_distilled(
    name: str, distillation: Distillation | None
) -> None:
    """Only its last part counts; words may be divided by capital letters."""
    assert distillation_of(name, {}, {}) == distillation


@pytest.mark.parametrize(
    ("scheduler", "denoiser", "distillation"),
    [
        ({"_class_name": "LCMScheduler"}, {}, LCM),
        ({"_class_name": "TCDScheduler"}, {}, TCD),
        ({"_class_name": "PNDMScheduler"}, {"time_cond_proj_dim": 256}, LCM_EMBEDDED),
        ({"_class_name": "DDIMScheduler", **TRAILING}, {"time_cond_proj_dim": None}, None),
        ({**EULER, **TRAILING, "rescale_betas_zero_snr": True}, {}, None),
        ({**EULER, **TRAILING, "prediction_type": "v_prediction"}, {}, None),
        ({**EULER, "timestep_spacing": "leading"}, {}, None),
    ],
)
def test_the_configs_of_a_model_tell_how_it_was_distilled(
    scheduler: Mapping[str, object],
    denoiser: Mapping[str, object],
    distillation: Distillation | None,
) -> None:
    """Noise schedules that end in pure noise have trailing timesteps without distillation."""
    assert distillation_of("x", scheduler, denoiser) == distillation


def test_trailing_timesteps_give_defaults_but_no_limits() -> None:
    """The evidence is weak, and a model that needs many steps would be useless with a limit."""
    distillation = distillation_of("x", {**EULER, **TRAILING}, {})
    assert distillation is not None
    assert (distillation.steps, distillation.guidance) == (4, 1.0)
    assert distillation.sampler is Sampler.EULER
    assert (distillation.most_steps, distillation.most_guidance) == (MAX_STEPS, MAX_GUIDANCE)


def test_labels_tell_how_a_model_was_distilled() -> None:
    """These are tags and base models of its model card."""
    assert distillation_of("x", {}, {}, ["art", "ByteDance/SDXL-Lightning"]) == LIGHTNING
    assert distillation_of("x", {}, {}, ["art", "stabilityai/sdxl-base"]) is None
    assert distillation_of("x", {}, {}, ["pytorch-lightning"]) is None
    assert distillation_of("x", {}, {}, ["pytorch-lightning", "sdxl-lightning"]) == LIGHTNING


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("sdxl_lightning_8step", 8),
        ("JuggernautXL_6Steps_Lightning", 6),
        ("Hyper-SD15-1step-lora", 1),
        ("lightning_50step", LIGHTNING.steps),
        ("lightning_0steps", LIGHTNING.steps),
    ],
)
def test_the_number_of_steps_in_a_name_is_the_default(name: str, steps: int) -> None:
    """If it is a possible number."""
    distillation = distillation_of(name, {}, {})
    assert distillation is not None
    assert distillation.steps == steps


def test_a_turbo_model_has_the_sampler_of_its_config() -> None:
    """Such models have either Euler sampler; others have that of their distillation."""
    for name, sampler in (("sd-turbo", Sampler.EULER), ("lcm", Sampler.LCM)):
        distillation = distillation_of(name, EULER, {})
        assert distillation is not None
        assert distillation.sampler is sampler


def test_the_default_sampler_is_one_that_works() -> None:
    """Some noise schedules exclude that of the distillation."""
    assert default_sampler([Sampler.DDIM, Sampler.LCM], LCM) is Sampler.LCM
    assert default_sampler([Sampler.DDIM, Sampler.DPMPP_2M], LCM) is Sampler.DPMPP_2M
    assert default_sampler([Sampler.DDIM, Sampler.EULER]) is Sampler.DDIM


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 50}, r"sdxl-turbo is distilled \(Turbo\).*at most 10, best 4;.*has 50\."),
        ({"guidance": 7.0}, r"for a low guidance: choose at most 3, best 1; this request has 7\."),
    ],
)
def test_unsuitable_settings_are_answered_with_suitable_ones(
    options: dict[str, float], sentence: str
) -> None:
    """The request is not queued."""
    with pytest.raises(ValueError, match=sentence):
        recipe_for(TURBO_CARD, **options)


def test_a_model_that_has_the_guidance_as_an_input_gets_it_so() -> None:
    """One row is enough for such a picture."""
    card = msgspec.structs.replace(MODEL, guidance_embedding=True)
    recipe = recipe_for(card, guidance=8.0)
    assert recipe.guidance_embedding
    assert (recipe.rows, recipe.uses_cfg, recipe.prompts) == (1, False, (("a fox", ""),))


def test_a_distilled_model_paints_with_its_own_defaults() -> None:
    """Some more steps and some guidance are allowed."""
    default = recipe_for(TURBO_CARD)
    assert (default.steps, default.guidance, default.uses_cfg) == (4, 1.0, False)
    assert recipe_for(TURBO_CARD, steps=10, guidance=3.0).uses_cfg


def test_other_models_have_no_such_limits() -> None:
    """They take all steps and guidances that recipes may have."""
    assert recipe_for(MODEL, steps=MAX_STEPS, guidance=MAX_GUIDANCE).steps == MAX_STEPS


def recipe_for(card: ModelCard, **options: float) -> Recipe:
    """The recipe of a request with these options for this model."""
    chosen = msgspec.convert({"prompt": "a fox", "sampler": "euler", **options}, PictureOptions)
    return make_recipes(chosen, card, size=(512, 512), seed=1)[0]
