"""Flags, sizes and lowered values, from what a user types to the message."""

from typing import Any

import pytest
from PIL import Image

from bot.playground import Upload
from engine.contract import Recipe
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine
from tests.samples import encoded

SKETCH = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))


def recipes(engine: FakeEngine) -> list[Recipe]:
    """Those of the last job."""
    return [work.recipe for work in engine.paints[-1].recipes]


async def test_flags_of_a_prompt_set_the_options(harness: BotHarness, engine: FakeEngine) -> None:
    """As typed on a phone, too; the message has the words alone, and a replay needs no flags."""
    interaction = await harness.ada.slash(
        "imagine",
        prompt="a cat —ar 2:1 --seed 7 --no cars --steps 9 --cfg 7,5 —sampler Euler a --count 2",
    )
    message = await harness.result(interaction)
    first, second = recipes(engine)
    assert (first.prompt, first.negative, first.seed, second.seed) == ("a cat", "cars", 7, 8)
    assert (first.steps, first.guidance, first.sampler) == (9, 7.5, "euler_a")
    assert first.size == (88, 64)
    assert message.content.splitlines()[0] == f"**a cat** · <@{harness.ada.id}>"
    assert len(message.content.splitlines()) == 2
    await harness.result(await harness.ada.click(message, "🔄"))
    again = recipes(engine)[0]
    assert (again.prompt, again.steps, again.size) == ("a cat", 9, (88, 64))


async def test_flags_name_styles(harness: BotHarness, engine: FakeEngine) -> None:
    """`--style` is that of Midjourney's users; the option `style` is a picture."""
    message = await harness.imagine(prompt="a cat --style neon")
    assert recipes(engine)[0].prompt.startswith("a cat, ")
    assert message.content.startswith("**a cat** · ")
    refused = await harness.ada.slash("imagine", prompt="a cat --style nothing")
    assert "There is no style “nothing”" in await harness.refusal(refused)


async def test_a_flag_makes_a_draft(harness: BotHarness, engine: FakeEngine) -> None:
    """As the option does."""
    message = await harness.imagine(prompt="a cat --draft --steps 30 --count 1")
    assert recipes(engine)[0].steps == 10
    assert "✅ Finish" in " ".join(message.buttons)


async def test_an_option_counts_before_its_flag(harness: BotHarness, engine: FakeEngine) -> None:
    """A sentence below the result says so, and texts of both are joined."""
    message = await harness.imagine(prompt="a cat --seed 9 --no cars", seed=7, negative="rain")
    assert (recipes(engine)[0].seed, recipes(engine)[0].negative) == (7, "rain, cars")
    assert message.content.splitlines()[2] == "The option seed counts, so --seed 9 has no effect."


async def test_values_above_limits_are_lowered(harness: BotHarness, engine: FakeEngine) -> None:
    """The message of the result says so; 🔄 has the lowered values and no sentences."""
    message = await harness.imagine(
        prompt="a cat --steps 400 --cfg 50 --count 40 --width 900 --height 300"
    )
    assert len(recipes(engine)) == 16
    first = recipes(engine)[0]
    assert (first.steps, first.guidance, first.size) == (150, 30.0, (440, 144))
    assert message.content.splitlines()[2:] == [
        "The count 40 was lowered to 16, the most of one request.",
        "The steps 400 were lowered to 150, the most there are.",
        "The guidance 50 was lowered to 30, the most there is.",
        "The size 900x300 was changed to 440x144, the nearest that the model paints.",
    ]
    again = await harness.result(await harness.ada.click(message, "🔄"))
    assert len(again.content.splitlines()) == 2


async def test_options_give_width_and_height(harness: BotHarness, engine: FakeEngine) -> None:
    """Also the size of what is painted over a sketch."""
    await harness.imagine(width=128, height=96)
    assert recipes(engine)[0].size == (128, 96)
    await harness.imagine(height=128, aspect="1:2")
    assert recipes(engine)[0].size == (64, 128)
    await harness.imagine(width=96, sketch=SKETCH)
    assert recipes(engine)[0].size == (96, 64)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prompt": "a --chaos 5"}, "There is no flag --chaos here. These are: --ar, --no"),
        ({"prompt": "a --seed"}, "The flag --seed has no value"),
        ({"prompt": "a --seed x"}, "The flag --seed has the value “x”"),
        ({"prompt": "a --seed 99999999999"}, "The seed is 99999999999; it must be 0 to"),
        ({"prompt": "a --steps 0"}, "Steps is 0; it must be 1 to 150"),
        ({"prompt": "a --sampler magic"}, "There is no sampler “magic”. Choose one of"),
        ({"prompt": "a --model none"}, "There is no model “none”. These are loaded"),
        ({"prompt": "a --ar round"}, "There is no aspect “round”"),
        ({"prompt": "a --strength 0.5"}, "needs a sketch"),
        ({"prompt": "--ar 3:2"}, "prompt is empty"),
        ({"prompt": "a", "width": 0}, "The width is 0; it must be 1 to 10000."),
        ({"prompt": "a", "width": "wide"}, "is not valid"),
        ({"prompt": "a --width 64 --height 64 --ar 1:1"}, "or one of them and the aspect"),
        ({"prompt": "a --seed \u200b"}, "The flag --seed has no value"),
    ],
)
async def test_bad_flags_get_one_private_sentence(
    harness: BotHarness, options: dict[str, Any], sentence: str
) -> None:
    """Nothing is queued or public."""
    interaction = await harness.ada.slash("imagine", checked=False, **options)
    assert sentence in await harness.refusal(interaction)
    assert harness.discord.messages() == []
    assert harness.query("SELECT * FROM jobs") == []


async def test_compare_and_explore_read_flags(harness: BotHarness, engine: FakeEngine) -> None:
    """Those of their own options; in /explore they have lists."""
    interaction = await harness.ada.slash(
        "compare", prompt="a cat --seed 3 --count 40", samplers="ddim, euler"
    )
    message = await harness.result(interaction)
    assert [recipe.seed for recipe in recipes(engine)] == [*range(3, 11)] * 2
    assert "The count 40 was lowered to 8, the most that there may be in a row." in message.content
    interaction = await harness.ada.slash("explore", prompt="a cat --cfg 3,5 --seed 4")
    await harness.result(interaction)
    assert [(recipe.guidance, recipe.seed) for recipe in recipes(engine)] == [(3.0, 4), (5.0, 4)]
    refused = await harness.ada.slash("explore", prompt="a cat --fit contain")
    assert "There is no flag --fit here" in await harness.refusal(refused)


@pytest.mark.parametrize("command", ["compare", "explore"])
async def test_a_matrix_has_one_prompt(
    harness: BotHarness, engine: FakeEngine, command: str
) -> None:
    """Its cells differ in their settings alone; braces can be words."""
    options = {"compare": {"samplers": "ddim, euler"}, "explore": {"guidance": "3,5"}}[command]
    for prompt in ("a {red, blue} cat", "a {red|blue} cat", "a __colors__ cat"):
        refused = await harness.ada.invoke(command, {"prompt": prompt, **options})
        assert "do not work here" in await harness.refusal(refused)
    words = r"a \{red, blue\} cat"
    await harness.result(await harness.ada.invoke(command, {"prompt": words, **options}))
    assert {recipe.prompt for recipe in recipes(engine)} == {"a {red, blue} cat"}


async def test_aspects_are_suggested(harness: BotHarness) -> None:
    """Those that begin with what was typed; another one can be typed."""
    for typed, names in (("", {"square", "wide", "3:2"}), ("16", {"16:9"}), ("7:", set())):
        interaction = await harness.ada.complete("imagine", "aspect", typed)
        await interaction.acknowledged()
        suggested = {choice["name"] for choice in interaction.choices or []}
        assert names <= suggested and (typed == "" or names == suggested)


async def test_notes_have_no_mentions_or_markdown(harness: BotHarness) -> None:
    """What a user typed is escaped in them."""
    message = await harness.imagine(prompt="a cat --ar 3:2 --model **@everyone**", model="flat")
    assert message.pings == frozenset()
    assert "--model \\*\\*@\u200beveryone\\*\\* has no effect" in message.content
