"""The layer of the text encoder that a recipe chooses, counted as in AUTOMATIC1111's web UI."""

from types import SimpleNamespace

import msgspec
import pytest
import torch

from engine.contract import PictureOptions, PromptFormat, Recipe, make_recipes
from engine.contract.infotext import read_infotext, write_infotext
from tests.diffusers_pipeline import (
    assert_alike,
    diffusers_image,
    make_scheduler,
    unchecked_pipeline,
)
from tests.engine_parts import digests, engine_core, failure_reason, job, recipe, rendered_images
from tests.fake_engine import MODEL


@pytest.mark.parametrize("prompt_format", PromptFormat)
def test_a_picture_equals_the_pipeline(prompt_format: PromptFormat) -> None:
    """The tiny model has two layers."""
    run = recipe(clip_skip=2, prompt_format=prompt_format, negative="blue")
    assert_alike(rendered_images(job(run))[0], diffusers_image(run))


def test_the_negative_prompt_may_have_the_layer_too() -> None:
    """As in the web UI; the reference encodes both prompts as the pipeline encodes the first."""
    run = recipe(
        clip_skip=2, negative_clip_skip=2, prompt_format=PromptFormat.A1111, negative="blue"
    )
    pipeline = unchecked_pipeline(engine_core())
    pipeline.scheduler = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    encoder = pipeline.text_encoder  # diffusers looks for a part that transformers 5 inlined
    encoder.text_model = SimpleNamespace(final_layer_norm=encoder.final_layer_norm)
    embeds, negative_embeds = (
        pipeline.encode_prompt(text, "cpu", 1, do_classifier_free_guidance=False, clip_skip=1)[0]
        for text in (run.prompt, run.negative)
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt_embeds=embeds,
        negative_prompt_embeds=negative_embeds,
        num_inference_steps=run.steps,
        guidance_scale=run.guidance,
        generator=torch.Generator("cpu").manual_seed(run.seed),
        width=run.width,
        height=run.height,
    ).images[0]
    assert_alike(rendered_images(job(run))[0], theirs)
    stored = msgspec.json.decode(msgspec.json.encode(run), type=dict)
    del stored["negative_clip_skip"]
    older = msgspec.convert(stored, Recipe)
    assert older.negative_clip_skip == 1
    assert digests(older) != digests(run)


@pytest.mark.parametrize(("raw", "negative_clip_skip"), [(False, 2), (True, 1)])
def test_requests_skip_as_those_programs_whose_notation_they_have(
    raw: bool, negative_clip_skip: int
) -> None:
    """In the web UI the layer is that of both prompts, in diffusers that of the first."""
    card = msgspec.structs.replace(MODEL, most_clip_skip=2)
    options = PictureOptions(prompt="a fox", clip_skip=2, raw=raw)
    made = make_recipes(options, card, size=(512, 512), seed=1)[0]
    assert (made.clip_skip, made.negative_clip_skip) == (2, negative_clip_skip)


def test_only_another_layer_changes_the_picture() -> None:
    """The last one is that of recipes that choose none; other images change no bit."""
    runs = [recipe(row_class=8, clip_skip=clip_skip) for clip_skip in (1, 2)]
    last, before = digests(*runs)
    assert last != before
    assert [digests(run)[0] for run in runs] == [last, before]
    assert b"clip_skip" not in msgspec.json.encode(runs[0])


def test_a_layer_that_the_model_does_not_have_is_refused() -> None:
    """By the engine, and before a request is queued."""
    assert engine_core().model.card.most_clip_skip == 2
    assert "takes a clip skip of 1 to 2; this request has 3" in failure_reason(
        job(recipe(clip_skip=3))
    )
    options = PictureOptions(prompt="a fox", clip_skip=2)
    with pytest.raises(ValueError, match="takes a clip skip of 1; this request has 2"):
        make_recipes(options, MODEL, size=(512, 512), seed=1)
    card = msgspec.structs.replace(MODEL, most_clip_skip=2)
    assert make_recipes(options, card, size=(512, 512), seed=1)[0].clip_skip == 2


@pytest.mark.parametrize("clip_skip", [0, 13])
def test_an_impossible_layer_is_no_recipe(clip_skip: int) -> None:
    """Other models have more layers, but none is useful."""
    with pytest.raises(ValueError, match="must be 1 to 12"):
        recipe(clip_skip=clip_skip)
    with pytest.raises(ValueError, match="clip skip"):
        recipe(negative_clip_skip=clip_skip)


def test_the_text_of_a_picture_says_it() -> None:
    """In the words of the web UI; nothing where it is 1."""
    text = write_infotext(recipe(clip_skip=2))
    assert "Clip skip: 2" in text
    infotext = read_infotext(text)
    assert infotext is not None
    assert infotext.clip_skip == 2
    assert "Clip skip" not in write_infotext(recipe())
