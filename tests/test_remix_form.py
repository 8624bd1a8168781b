"""The texts of the form of a remix."""

import discord
import pytest

from bot.domain.remix_form import FormTexts, edits_of, parse_settings, settings_text
from bot.errors import Refused
from bot.messages import remix_forms
from engine.contract import RANDOM_SEED, Edit, Img2Img, Recipe, Sampler
from tests.samples import recipe


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("seed: 7", {"seed": 7}),
        ("Steps = 30\n\nCFG Scale: 7,5", {"steps": 30, "guidance": 7.5}),
        ("--steps ３０", {"steps": 30}),
        ("—seed 9", {"seed": 9}),
        ("seed: any", {"seed": RANDOM_SEED}),
        ("seed:", {"seed": RANDOM_SEED}),
        ("steps:\nguidance 3", {"guidance": 3.0}),
        ("size: 64 × 128", {"width": 64, "height": 128}),
        ("width: 64\nheight 128", {"width": 64, "height": 128}),
        ("aspect: 3:2", {"aspect": "3:2"}),
        ("ar 16:9", {"aspect": "16:9"}),
        ("size: Wide", {"aspect": "Wide"}),
        ("clip skip: 2\nkeep: 1.5", {"clip_skip": 2, "keep": 1.5}),
        ("loras: neon:0.8, pencil", {"loras": "neon:0.8, pencil"}),
        ("loras:", {"loras": ""}),
        ("strength: free", {"strength": "free"}),
        (
            "--sampler Euler a\n--no cars\n--raw",
            {
                "sampler": "euler_a",
                "negative": "cars",
                "raw": True,
            },
        ),
        ("", {}),
    ],
)
def test_settings_are_read_as_people_write_them(text: str, settings: dict[str, object]) -> None:
    """One a line, as a flag, with a colon or without, and with a decimal comma."""
    assert parse_settings(text) == settings


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stepz: 30", "There is no setting “stepz”. Write one a line"),
        ("30", "There is no setting “30”"),
        ("steps: many", "The setting steps has the value “many”; it takes a whole number, such as"),
        ("guidance: high", "The setting cfg has the value “high”; it takes a number, such as"),
        ("seed: 7\nseed: 8", "The setting seed is there twice"),
        ("size: 64x64\nwidth: 128", "The setting size is there twice"),
        ("seed: " + "9" * 6000, "it takes a whole number"),
        ("<@1>: \u202e", "There is no setting “<@1>”"),
    ],
)
def test_other_texts_are_refused_with_a_sentence(text: str, sentence: str) -> None:
    """Which says what is allowed."""
    with pytest.raises(Refused) as error:
        parse_settings(text)
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
def test_settings_that_are_left_alone_change_nothing(painted: Recipe) -> None:
    """Whatever the recipe has."""
    texts = FormTexts(settings=settings_text(painted, seed="7", count=4))
    assert edits_of(texts, texts, ()).is_empty


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
