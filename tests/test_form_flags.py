"""Flags, permutations and wildcards in the prompts of forms and replies."""

import pytest

from bot.playground import Interaction, Message
from engine.contract import Change, Edit, Inpaint, Sampler
from tests.bot_harness import BotHarness
from tests.changing import EDITOR, PAINTER, painted, single
from tests.fake_engine import FakeEngine
from tests.test_fork import asked as fork_form
from tests.test_fork import steps_of
from tests.test_remix import form


@pytest.fixture(autouse=True)
def _models(engine: FakeEngine) -> None:
    """One of the models edits pictures, the other one repaints parts of them."""
    engine.models = (PAINTER, EDITOR)


async def opened(harness: BotHarness, message: Message, label: str) -> Interaction:
    """The interaction that was answered with the form of this button."""
    return await form(harness, await harness.ada.click(message, label))


async def test_flags_of_a_remix(harness: BotHarness, engine: FakeEngine) -> None:
    """Values above a limit are lowered with a sentence in the message."""
    asked = await opened(harness, await harness.imagine(negative="rain"), "✏️")
    result = await harness.result(
        await harness.ada.submit(asked, {"prompt": "a hut —seed 40 --no cars --steps 400 --ar 2:1"})
    )
    assert result.content.startswith("Remix: **a hut** · ")
    assert "The steps 400 were lowered to 150" in result.content
    assert {(item.prompt, item.negative, item.steps) for item in painted(engine)} == {
        ("a hut", "rain, cars", 150)
    }
    assert [item.seed for item in painted(engine)] == [40, 41, 42, 43]
    assert all(item.width > item.height for item in painted(engine))


async def test_permutations_of_a_remix(harness: BotHarness, engine: FakeEngine) -> None:
    """The message has each picture's own words."""
    asked = await opened(harness, await single(harness), "✏️ Remix")
    result = await harness.result(
        await harness.ada.submit(asked, {"prompt": "a {red, blue} __things__"})
    )
    first, second = painted(engine)
    assert first.seed == second.seed == 8
    thing = first.prompt.removeprefix("a red ")
    assert "__" not in thing and second.prompt == f"a blue {thing}"
    assert "1: red · 2: blue" in result.content


async def test_flags_of_a_fork(harness: BotHarness, engine: FakeEngine) -> None:
    """Those of its form; each permutation goes on from the step."""
    strip = await steps_of(harness, await harness.imagine(steps=8))
    asked = await fork_form(harness, strip, 5)
    typed = {"prompt": "a {boat, ship} --cfg 2,5 --no rain --sampler DDIM"}
    await harness.result(await harness.ada.submit(asked, typed))
    assert [item.changes for item in painted(engine)] == [
        (Change(step=5, prompt=words, negative="rain", guidance=2.5, sampler=Sampler.DDIM),)
        for words in ("a boat", "a ship")
    ]
    assert len(harness.query("SELECT * FROM lineage WHERE relation = 'fork'")) == 2


async def test_flags_of_an_edit(harness: BotHarness, engine: FakeEngine) -> None:
    """They have the same names as the options of /edit."""
    asked = await opened(harness, await single(harness), "✏️ Edit…")
    typed = {"instruction": "make it {night|dusk} --seed 9 --count 2 --steps 3"}
    await harness.result(await harness.ada.submit(asked, typed))
    assert [item.seed for item in painted(engine)] == [9, 10]
    assert {item.steps for item in painted(engine)} == {3}
    assert {item.prompt for item in painted(engine)} <= {"make it night", "make it dusk"}


async def test_flags_of_a_region(harness: BotHarness, engine: FakeEngine) -> None:
    """The words are painted there; the negative prompt is added to that of the picture."""
    asked = await opened(harness, await single(harness), "🖌 Vary region")
    typed = {"prompt": "a {red, blue} door --no cars --seed 3 --steps 5", "where": ["4"]}
    await harness.result(await harness.ada.submit(asked, typed))
    assert [(item.prompt, item.seed, item.steps, item.negative) for item in painted(engine)] == [
        (f"a {color} door", 3, 5, "cars") for color in ("red", "blue")
    ]
    assert all(isinstance(item.source, Inpaint) for item in painted(engine))


async def test_flags_of_change_it_and_of_a_reply(harness: BotHarness, engine: FakeEngine) -> None:
    """They become an edit, or without a model that edits a remix."""
    shown = await single(harness)
    asked = await form(harness, await harness.ada.use("Change it…", shown))
    await harness.result(await harness.ada.submit(asked, {"words": "at night --count 1"}))
    [edited] = painted(engine)
    assert isinstance(edited.source, Edit) and edited.prompt == "at night"
    await harness.stop()
    engine.models = (PAINTER,)
    await harness.start()
    await harness.ada.say("at night --ar 2:1 --seed 5", reply_to=shown)
    await harness.discord.until(lambda: len(engine.paints) == 3, why="the remix")
    first = painted(engine)[0]
    assert (first.prompt, first.seed) == ("a red house, at night", 5)
    assert first.width > first.height


@pytest.mark.parametrize(
    ("label", "field", "text", "sentence"),
    [
        ("✏️ Remix", "prompt", "a hut --private", "There is no flag --private here. These are:"),
        ("✏️ Remix", "prompt", "a __nothing__", "There is no wildcard “nothing”"),
        ("✏️ Remix", "prompt", "a hut --size 64x64", "The size is --width and --height, or --ar."),
        (
            "✏️ Edit…",
            "instruction",
            "night --ar 3:2",
            "There is no flag --ar here. These are: --no,",
        ),
        ("✏️ Edit…", "instruction", "--seed 7", "The instruction is empty"),
        ("✏️ Edit…", "instruction", "__nothing__", "There is no wildcard “nothing”"),
        (
            "🖌 Vary region",
            "prompt",
            "a door --width 64",
            "There is no flag --width here. These are:",
        ),
        ("🖌 Vary region", "prompt", "a door --count 0", "The count is 0; it must be 1 to 16."),
        ("🖌 Vary region", "prompt", "{1,2,3,4,5} {1,2,3,4}", "20 permutations; at most 16"),
    ],
)
async def test_what_a_form_cannot_do_gets_one_private_sentence(
    harness: BotHarness, engine: FakeEngine, label: str, field: str, text: str, sentence: str
) -> None:
    """Nothing is painted."""
    asked = await opened(harness, await single(harness), label)
    refused = await harness.ada.submit(
        asked, {field: text, **({"where": ["4"]} if "region" in label else {})}
    )
    assert sentence in await harness.refusal(refused)
    assert len(engine.paints) == 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("a boat --ar 3:2", "There is no flag --ar here. These are: --no, --cfg, --sampler."),
        ("a boat --cfg 99", "The guidance is “99.0”; it must be a number from 0 to 30."),
        ("a boat --sampler magic", "There is no sampler “magic”"),
        ("{1,2,3,4,5} {1,2,3,4}", "20 permutations; at most 16"),
    ],
)
async def test_what_a_fork_cannot_do_gets_one_private_sentence(
    harness: BotHarness, engine: FakeEngine, typed: str, sentence: str
) -> None:
    """Nothing is painted but the steps."""
    strip = await steps_of(harness, await harness.imagine(steps=8))
    asked = await fork_form(harness, strip, 5)
    assert sentence in await harness.refusal(await harness.ada.submit(asked, {"prompt": typed}))
    assert len(engine.paints) == 2
