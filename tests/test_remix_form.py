"""The texts of the form of a remix."""

import discord
import pytest

from bot.domain.picture_size import ASPECTS
from bot.domain.remix_form import (
    FormSettings,
    FormTexts,
    edited,
    parse_settings,
    settings_text,
)
from bot.errors import Refused
from bot.messages import remix_forms
from engine.contract import RANDOM_SEED, Edit, Img2Img, Sampler
from tests.samples import recipe


def parsed(text: str) -> FormSettings:
    """The settings of a text."""
    return parse_settings(text, ASPECTS)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("seed: 7", FormSettings(seed=7)),
        ("Steps = 30\n\nCFG: 7,5", FormSettings(steps=30, guidance=7.5)),
        ("--steps 30", FormSettings(steps=30)),
        ("—seed 9", FormSettings(seed=9)),
        ("seed: any", FormSettings(seed=RANDOM_SEED)),
        ("seed:", FormSettings(seed=RANDOM_SEED)),
        ("steps:\nguidance 3", FormSettings(guidance=3.0)),
        ("size: 64 × 128", FormSettings(size=(64, 128))),
        ("aspect: 3:2", FormSettings(size=1.5)),
        ("ar 16:9", FormSettings(size=16 / 9)),
        ("size: Wide", FormSettings(size=16 / 9)),
        ("clip skip: 2\nkeep: 1.5", FormSettings(clip_skip=2, keep=1.5)),
        ("loras: neon:0.8, pencil", FormSettings(loras="neon:0.8, pencil")),
        ("loras:", FormSettings(loras="")),
        ("", FormSettings()),
    ],
)
def test_settings_are_read_as_people_write_them(text: str, settings: FormSettings) -> None:
    """One a line, with a colon or without, and with a decimal comma."""
    assert parsed(text) == settings


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stepz: 30", "There is no setting “stepz”. Write one a line"),
        ("30", "There is no setting “30”"),
        ("steps: many", "The steps is “many”; it must be a whole number."),
        ("guidance: high", "The guidance is “high”; it must be a number from 0 to 30."),
        ("strength: 1.5", "The strength is “1.5”; it must be a number from 0 to 1."),
        ("size: big", "The size is “big”; write pixels as 512x768"),
        ("size: 0:3", "The size is “0:3”"),
        ("seed: 7\nseed: 8", "The setting seed is there twice"),
        ("seed: " + "9" * 6000, "it must be a whole number"),
        ("<@1>: \u202e", "There is no setting “<@1>”"),
    ],
)
def test_other_texts_are_refused_with_a_sentence(text: str, sentence: str) -> None:
    """Which says what is allowed."""
    with pytest.raises(Refused) as error:
        parsed(text)
    assert sentence in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(
    "painted",
    [
        recipe(),
        recipe(guidance=1 / 3, clip_skip=2),
        recipe(source=Img2Img("a" * 64, 0.523456789)),
        recipe(source=Edit("a" * 64, 1.25)),
    ],
)
def test_settings_that_are_left_alone_change_nothing(painted: object) -> None:
    """Whatever the recipe has."""
    text = settings_text(painted, seed="7", count=4)  # type: ignore[arg-type]
    assert edited(parsed(text), parsed(text)) == FormSettings()


def test_what_was_typed_can_be_read_from_its_embed() -> None:
    """All of it, with marks of Discord's Markdown."""
    texts = FormTexts(
        prompt="a *red* _house_ <@1> `x`\n[a:b:0.5]",
        settings="seed: 7\nsteps: none",
        sampler="euler",
        model="starter",
        shape="wide",
    )
    embed = discord.Embed.from_dict(remix_forms.typed(texts).to_dict())
    assert remix_forms.texts_of(embed) == texts


async def test_the_modal_keeps_to_the_limits_of_discord() -> None:
    """Five fields, with menus of at most 25 options, and the chosen one among them."""
    models = [f"m{nth}" for nth in range(40)]
    texts = FormTexts(prompt="x" * 1000, negative="y" * 1000, sampler="euler", model="m39")
    form = remix_forms.modal("v1:a", texts, models=models, samplers=tuple(Sampler)).to_dict()
    fields = [row["component"] for row in form["components"]]
    assert [field["custom_id"] for field in fields] == [
        *("prompt", "negative", "settings", "sampler", "model")
    ]
    chosen = [option["value"] for option in fields[4]["options"] if option["default"]]
    assert len(fields[4]["options"]) == 25 and chosen == ["m39"]
