"""Edits of the starter: pairs of pictures, their instructions, and the training of the variant."""

import copy
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionInstructPix2PixPipeline
from PIL import Image

from engine.starter.caption_tokens import tokens_of
from engine.starter.denoiser import TextConditioner
from engine.starter.export import MODEL_FOLDER, load_edit, save_edit
from engine.starter.scenes import COLOURS, TIMES, Thing
from engine.starter.steering import data, edit_data
from engine.starter.steering.data import Part
from engine.starter.steering.editing import (
    WORDLESS_EVERY,
    EditTraining,
    new_edit_unet,
    train_edit,
    train_instructions,
)
from engine.starter.steering.edits import ACTIONS, EditPair, draw_pair, instruction, random_pair
from engine.starter.steering.examples import KINDS
from engine.starter.steering.instruction_labels import UNSTATED, instruction_labels
from engine.starter.steering.measures import pixels_changed
from tests import untrained_starter
from tests.untrained_starter import CONFIG, CPU, PAIR, SIZE, pipeline_of


@pytest.fixture(scope="module")
def model() -> TextConditioner:
    """The starter's architecture with random weights, which tests copy before they train."""
    return untrained_starter.new_model()


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    """A VAE with random weights."""
    return untrained_starter.new_vae()


def test_pairs_differ_only_where_the_edit_says() -> None:
    """Edits of things leave the sky; each edit changes something and is deterministic."""
    rng = random.Random(2)
    for nth in range(12):
        pair = random_pair(PAIR, SIZE, f"p{nth}")
        assert pair == random_pair(PAIR, SIZE, f"p{nth}")
        assert pair.reversed().reversed() == pair
        before, after = (np.asarray(image, dtype=int) for image in draw_pair(pair, SIZE, f"p{nth}"))
        assert (before != after).any()
        if (pair.before.place, pair.before.time) == (pair.after.place, pair.after.time):
            assert (before[:8] == after[:8]).all()
        assert instruction(pair, rng)


def test_an_instruction_names_what_it_changes() -> None:
    """The new time of day, the thing that is removed, or the new colour is in the words."""
    rng = random.Random(3)
    pair = random_pair(PAIR, SIZE, "p0")
    alone = replace(PAIR, things=PAIR.things[:1])
    removal = replace(pair, before=PAIR, after=alone)
    words = instruction(removal, rng)
    assert any(noun in words for noun in ("house", "cottage", "home"))
    addition = instruction(removal.reversed(), rng)
    assert "blue" in addition
    painted = replace(PAIR, things=(PAIR.things[0], Thing("house", "green")))
    assert "green" in instruction(replace(pair, before=PAIR, after=painted), rng)


def test_an_edit_of_pixels_is_measured() -> None:
    """A picture counts as edited if it is the second one, and as kept if the rest is unchanged."""
    before = np.zeros((8, 8, 3), np.uint8)
    after = before.copy()
    after[:2] = 200
    assert pixels_changed(before, after, after) == (True, True)
    assert pixels_changed(before, after, before) == (False, True)
    assert pixels_changed(before, after, np.full_like(before, 200)) == (True, False)


@pytest.fixture(scope="module")
def pairs(vae: AutoencoderKL) -> Part:
    """Six small pairs, encoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_data, "CHUNK", 6)
        rendered = edit_data.render_pairs(0, size=SIZE, seed=1)
        return data.encoded(rendered, vae, CPU, edit_data.PAIR_PICTURES)


def test_labels_say_what_an_instruction_states() -> None:
    """Of an addition the new thing, of its removal the old one; of a colour no new kind."""
    alone = replace(PAIR, things=PAIR.things[:1])
    addition = EditPair(alone, PAIR, (), ())
    done, old, new, colour, *setting = instruction_labels(addition)
    assert (ACTIONS[done], old) == ("addition", UNSTATED)
    assert (KINDS[new], [*COLOURS][colour], setting) == ("house", "blue", [UNSTATED, UNSTATED])
    done, old, new, colour, *_ = instruction_labels(addition.reversed())
    assert (ACTIONS[done], KINDS[old], new, colour) == ("removal", "house", UNSTATED, UNSTATED)
    painted = replace(PAIR, things=(Thing("cat", "green"), PAIR.things[1]))
    done, old, new, colour, *_ = instruction_labels(EditPair(PAIR, painted, (), ()))
    assert (ACTIONS[done], KINDS[old], new) == ("colour", "cat", UNSTATED)
    assert [*COLOURS][colour] == "green"
    night = replace(PAIR, time="night")
    done, *things, place, time = instruction_labels(EditPair(PAIR, night, (), ()))
    assert (ACTIONS[done], TIMES[time], place) == ("time", "night", UNSTATED)
    assert things == [UNSTATED] * 3


def test_instructions_are_learned(tmp_path: Path, model: TextConditioner, pairs: Part) -> None:
    """The text encoder's loss falls, and only its weights and those of the classifiers change."""
    training = EditTraining(copy.deepcopy(model))
    tokens, labels = pairs["instructions"][:, 0, 0].long(), pairs["labels"][:, 0]

    def loss() -> float:
        with torch.no_grad():
            embeds = training.text_encoder(tokens).last_hidden_state
            return float(training.label_loss(embeds, tokens, labels))

    before = loss()
    train_instructions(training, [pairs], replace(CONFIG, steps=30, batch=6), tmp_path, CPU)
    assert loss() < 0.7 * before
    unchanged = model.unet.state_dict()
    assert all(torch.equal(t, unchanged[k]) for k, t in training.unet.state_dict().items())


def test_the_edit_variant_loads_in_diffusers(
    tmp_path: Path, model: TextConditioner, vae: AutoencoderKL, pairs: Part
) -> None:
    """It starts as the model it was made from; its file has both trained networks in fp16."""
    unet = new_edit_unet(model.unet)
    source = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        widened = unet.conv_in(torch.cat([source, source], dim=1))
        assert torch.allclose(widened, model.unet.conv_in(source), atol=1e-6)
    edit = TextConditioner(model.tokenizer, copy.deepcopy(model.text_encoder), unet)
    empty = tokens_of(model.tokenizer, [""])
    config = replace(CONFIG, steps=WORDLESS_EVERY)
    train_edit(EditTraining(edit), empty, [pairs], config, tmp_path, CPU)
    folder = tmp_path / MODEL_FOLDER
    pipeline_of(model, vae).save_pretrained(folder)
    save_edit(edit, tmp_path)
    loaded = load_edit(tmp_path)
    for network, stored in (
        (loaded.unet, unet.state_dict()),
        (loaded.text_encoder, edit.text_encoder.state_dict()),
    ):
        state = network.state_dict()
        assert all(torch.equal(t, stored[k].half().float()) for k, t in state.items())
    trained = edit.text_encoder.state_dict().items()
    assert any(not torch.equal(t, model.text_encoder.state_dict()[k]) for k, t in trained)
    components = pipeline_of(model, vae).components
    components |= {"unet": loaded.unet, "text_encoder": loaded.text_encoder}
    components.pop("image_encoder")
    editor = StableDiffusionInstructPix2PixPipeline(**components, requires_safety_checker=False)
    picture = Image.new("RGB", SIZE, "green")
    edited = editor("make it night", picture, num_inference_steps=1, output_type="np").images
    assert edited.shape == (1, 64, 64, 3)
