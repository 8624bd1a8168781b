"""The stages of the training command that make what steers the starter."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import torch

from engine.starter.caption_tokens import tokens_of
from engine.starter.denoiser import TextConditioner
from engine.starter.export import load_edit, load_few_steps, save_edit, written_by_a_stage
from engine.starter.run import SHARES, Run
from engine.starter.scenes import SIZES
from engine.starter.steering.adapter_training import (
    Teachers,
    train_attention,
    train_predictions,
)
from engine.starter.steering.control import new_scribble_control, train_scribble
from engine.starter.steering.data import Part, Rendering, load_parts, part_file, render_part
from engine.starter.steering.edit_data import PAIR_PICTURES, pairs_file, render_pairs
from engine.starter.steering.editing import (
    EditTraining,
    new_edit_unet,
    train_edit,
    train_instructions,
)
from engine.starter.steering.image_adapter import (
    ADAPTER_FOLDER,
    ENCODER_FOLDER,
    ImageAdapter,
    save_image_adapter,
    train_image_encoder,
)
from engine.starter.steering.style_loras import save_style, styled_parts, train_style
from engine.starter.steering.styles import STYLES
from engine.starter.trainer import TrainingConfig

CONTROL_FOLDER: Final = "controls"
_SEED: Final = 20
_EDIT_SEED: Final = 21
WORDS_TIME: Final = 0.06
"""Share of the time of `edit` in which the text encoder is trained alone."""
ENCODER_TIME: Final = 0.15
"""Share of the time of `image_adapter` in which the encoder is trained alone."""
ATTENTION_TIME: Final = 0.25
"""Share of the time of `image_adapter` for the records of attention and the training on them."""


def render_steering(run: Run) -> None:
    """Render and encode scenes, scribbles, styles and examples; writes `steering-*.pt`.

    A file that exists is kept, so that the stage can be resumed.
    """
    for size, share in zip(SIZES, SHARES, strict=True):
        file = part_file(run.work, size)
        if not file.exists():
            rendering = Rendering(int(run.scenes * share), size, _SEED)
            render_part(rendering, run.finished_vae(), run.device, file)


def render_edits(run: Run) -> None:
    """Render and encode pairs of pictures with instructions; writes `pairs-*.pt`.

    A file that exists is kept, so that the stage can be resumed.
    """
    for size, share in zip(SIZES, SHARES, strict=True):
        file = pairs_file(run.work, size)
        if not file.exists():
            rendering = Rendering(int(run.scenes * share), size, _EDIT_SEED)
            render_part(
                rendering,
                run.finished_vae(),
                run.device,
                file,
                render=render_pairs,
                pictures=PAIR_PICTURES,
            )


def scribble(run: Run) -> None:
    """Train the ControlNet for scribbles and write its folder, in fp16."""
    model = run.finished_model()
    control = new_scribble_control(model.unet)
    train_scribble(model, control, _parts(run), run.config("scribble"), run.work, run.device)
    control.half().save_pretrained(run.out / CONTROL_FOLDER / "scribble")


def edit(run: Run) -> None:
    """Train the variant for edits, from the finished model, and write it as a checkpoint."""
    model = run.finished_model()
    _train_edit(
        TextConditioner(model.tokenizer, model.text_encoder, new_edit_unet(model.unet)), run
    )


def refine_edit(run: Run) -> None:
    """Train the finished variant for edits further, and write it."""
    _train_edit(load_edit(run.out), run)


def _train_edit(model: TextConditioner, run: Run) -> None:
    written_by_a_stage(pairs_file(run.work, SIZES[0]))
    parts = [torch.load(pairs_file(run.work, size), weights_only=True) for size in SIZES]
    training = EditTraining(model)
    words = _share_of_time(run.config("instructions"), WORDS_TIME)
    train_instructions(training, parts, words, run.work, run.device)
    empty = tokens_of(model.tokenizer, [""])
    config = _share_of_time(run.config("edit"), 1 - WORDS_TIME)
    train_edit(training, empty, parts, config, run.work, run.device)
    save_edit(model, run.out)


def style_loras(run: Run) -> None:
    """Train the LoRAs for styles, one after the other, and write them."""
    model, parts = run.finished_model(), _parts(run)
    vae = run.finished_vae()
    for style in STYLES:
        styled = styled_parts(style, parts, vae, run.device)
        lora = train_style(style, model, styled, run.config("style"), run.work, run.device)
        save_style(style, lora, run.out, sum(len(part[style]) for part in styled))


def image_adapter(run: Run) -> None:
    """Train the image encoder, unless the folder of finished weights has one, and the IP-Adapter,
    which begins with its finished weights if there are any; write their folder."""
    model, parts = run.finished_model(), _parts(run)
    unets = [model.unet, load_few_steps(run.out)]
    adapter = ImageAdapter(unets, run.out)
    teachers = Teachers(model.tokenizer, model.text_encoder, unets)
    if not (run.out / ADAPTER_FOLDER / ENCODER_FOLDER).exists():
        encoding = _share_of_time(run.config("image_encoder"), ENCODER_TIME)
        train_image_encoder(adapter, parts, encoding, run.work, run.device)
    attention = _share_of_time(run.config("image_adapter"), ATTENTION_TIME)
    train_attention(teachers, adapter, parts, attention, run.work, run.device)
    whole = _share_of_time(run.config("image_adapter_whole"), 1 - ENCODER_TIME - ATTENTION_TIME)
    train_predictions(teachers, adapter, parts, whole, run.work, run.device)
    save_image_adapter(adapter, run.out)


def _share_of_time(config: TrainingConfig, share: float) -> TrainingConfig:
    """The config with this share of its time, if that is limited."""
    return config if config.seconds is None else replace(config, seconds=config.seconds * share)


def _parts(run: Run) -> list[Part]:
    written_by_a_stage(part_file(run.work, SIZES[0]))
    return load_parts(run.work)


STEERING_STAGES: Final[dict[str, Callable[[Run], None]]] = {
    "steering_data": render_steering,
    "scribble": scribble,
    "edit_data": render_edits,
    "edit": edit,
    "refine_edit": refine_edit,
    "style_loras": style_loras,
    "image_adapter": image_adapter,
}
