"""✨ Words that are added to a prompt and shown before they are painted."""

import msgspec
import pytest

from bot.domain.prompt_expansion import expanded
from bot.playground import Interaction, Message
from bot.playground.client.options import Value
from bot.services import prompt_expander
from engine.contract import Expansion, TextModelCard, TextModelCards
from tests.bot_harness import BotHarness, eventually
from tests.changing import painted
from tests.fake_engine import FakeEngine
from tests.reporting import response_text
from tests.sketching import photo, private


async def asked(harness: BotHarness, **options: Value) -> Interaction:
    """The command /imagine with the flag."""
    return await harness.ada.invoke("imagine", {"prompt": "a cat --expand", **options})


def prompt_of(message: Message) -> str:
    """The prompt that a preview shows."""
    return str(message.embeds[0]["description"])


async def until_other(harness: BotHarness, message: Message, text: str) -> None:
    """Wait until a preview shows another prompt than this one."""
    await harness.discord.until(lambda: prompt_of(message) != text, why="another prompt")


async def test_more_words_are_shown_and_then_painted(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Nothing is stored before. The recipe has all words, the message those of the user."""
    before = len(harness.discord.messages())
    preview = await private(harness, await asked(harness, steps=5, count=1))
    assert (preview.visible_to, len(harness.discord.messages())) == (harness.ada.user, before)
    text = prompt_of(preview)
    assert text.startswith("a cat, ") and len(text.split(", ")) > 2
    assert preview.buttons == ["🎨 Paint", "🔄 Other words", "↩️ Undo"]
    assert harness.query("SELECT * FROM jobs") == []
    result = await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    [recipe] = painted(engine)
    assert (recipe.prompt, recipe.steps) == (text, 5)
    assert result.content.startswith("**a cat** · <@")
    assert "✨ The prompt was expanded" in result.content
    assert result.attachments[0].description == text
    assert result.visible_to is None
    again = await harness.result(await harness.ada.click(result, "🔄"))
    assert painted(engine)[0].prompt == text and again.content.startswith("Again: **a cat**")


async def test_one_press_undoes_it(harness: BotHarness, engine: FakeEngine) -> None:
    """And one brings the same words back; all of it also after a restart."""
    preview = await private(harness, await asked(harness))
    text = prompt_of(preview)
    await harness.stop()
    await harness.start()
    await harness.ada.click(preview, "↩️ Undo")
    await until_other(harness, preview, text)
    assert (prompt_of(preview), preview.buttons) == ("a cat", ["🎨 Paint", "✨ Expand"])
    await harness.ada.click(preview, "✨ Expand")
    await until_other(harness, preview, "a cat")
    assert prompt_of(preview) == text
    await harness.ada.click(preview, "↩️ Undo")
    await until_other(harness, preview, text)
    result = await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    assert {recipe.prompt for recipe in painted(engine)} == {"a cat"}
    assert "expanded" not in result.content
    assert harness.query("SELECT * FROM jobs")[0]["plan"].count("a cat") == 0


async def test_words_are_drawn_by_seed(harness: BotHarness) -> None:
    """The same seed draws the same words; other words are those of the next seed."""
    first = await private(harness, await asked(harness, seed=7))
    second = await private(harness, await asked(harness, seed=7))
    text = prompt_of(first)
    assert prompt_of(second) == text
    await harness.ada.click(first, "🔄 Other words")
    await until_other(harness, first, text)
    third = await private(harness, await asked(harness, seed=8))
    assert prompt_of(third) == prompt_of(first)


async def test_all_options_are_kept(harness: BotHarness, engine: FakeEngine) -> None:
    """Also attachments, and flags; the result may be for the user alone."""
    flags = "a cat --expand --ar 3:2 --no cars, trees --seed 9 --strength 0.3 --steps 50 --private"
    interaction = await harness.ada.slash(
        "imagine", prompt=flags, sketch=photo(), guidance=3.5, count=2, draft=True
    )
    preview = await private(harness, interaction)
    await harness.stop()
    await harness.start()
    result = await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    first, second = painted(engine)
    assert (first.seed, second.seed, first.guidance, first.strength) == (9, 10, 3.5, 0.3)
    assert (first.negative, first.steps, first.width > first.height) == ("cars, trees", 17, True)
    assert result.visible_to == harness.ada.user


async def test_a_setting_expands_every_prompt(harness: BotHarness, engine: FakeEngine) -> None:
    """It is off by default."""
    await harness.imagine(prompt="a cat", count=1)
    assert painted(engine)[0].prompt == "a cat"
    settings = await harness.ada.slash("settings", setting="expand", value="on")
    await response_text(harness, settings)
    preview = await private(harness, await harness.ada.slash("imagine", prompt="a cat"))
    assert prompt_of(preview).startswith("a cat, ")


async def test_a_preview_is_painted_once(harness: BotHarness, engine: FakeEngine) -> None:
    """A second press says so; other words are another job."""
    preview = await private(harness, await asked(harness))
    first = await harness.ada.click(preview, "🎨 Paint")
    second = await harness.ada.click(preview, "🎨 Paint")
    assert "started this one already" in await response_text(harness, second)
    await harness.result(first)
    text = prompt_of(preview)
    await harness.ada.click(preview, "🔄 Other words")
    await until_other(harness, preview, text)
    await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    assert len(engine.paints) == 2


async def test_forbidden_words_are_neither_shown_nor_added(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The user's own are refused before anything is shown; of added ones, others are drawn."""
    for word in ("cat", "light"):
        manager = harness.discord.person("Eve", admin=True)
        await harness.refusal(await manager.invoke("admin words add", {"word": word}))
    refused = await asked(harness)
    assert "banned on this server" in await harness.refusal(refused)
    for seed in range(6):
        interaction = await asked(harness, prompt="a dog --expand", seed=seed)
        words = prompt_of(await private(harness, interaction)).replace(",", "").split()
        assert "light" not in words
    assert engine.paints == []


async def test_if_all_words_are_forbidden_the_own_ones_can_be_painted(
    harness: BotHarness, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview says so; nothing that the user typed is lost."""
    monkeypatch.setattr(prompt_expander, "expanded", lambda prompt, *_: f"{prompt}, blood")
    manager = harness.discord.person("Eve", admin=True)
    await harness.refusal(await manager.invoke("admin words add", {"word": "blood"}))
    preview = await private(harness, await asked(harness, steps=9))
    assert (prompt_of(preview), preview.buttons) == ("a cat", ["🎨 Paint", "✨ Expand"])
    assert "All words that I would add are forbidden here" in preview.content
    await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    assert {(recipe.prompt, recipe.steps) for recipe in painted(engine)} == {("a cat", 9)}


async def test_words_of_a_private_picture_stay_private(harness: BotHarness) -> None:
    """Also what is painted of them."""
    request = await harness.ada.slash("imagine", prompt="a cat", count=1, private=True)
    result = await harness.result(request)
    preview = await private(harness, await harness.ada.click(result, "✨ Expand"))
    painted_again = await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    assert painted_again.visible_to == harness.ada.user


async def test_a_prompt_without_words_is_painted(harness: BotHarness, engine: FakeEngine) -> None:
    """There is nothing to expand; so is one that has no room."""
    for prompt in ("word " * 198, "123"):
        result = await harness.result(await asked(harness, prompt=f"{prompt} --expand", count=1))
        assert painted(engine)[0].prompt == prompt.strip()
        assert "No words were added" in result.content


async def test_a_request_that_is_refused_shows_nothing(harness: BotHarness) -> None:
    """As without the flag."""
    refused = await asked(harness, model="nothing")
    assert "no model" in (await harness.refusal(refused)).lower()
    elsewhere = await harness.ada.slash("explore", prompt="a cat --expand", steps="2,4")
    assert "There is no flag --expand here" in await harness.refusal(elsewhere)


@pytest.mark.parametrize("words", ["{red, blue} cat", "a __colors__ cat", "(cat:1.3) {a|b}"])
async def test_notation_of_prompts_stays(
    harness: BotHarness, engine: FakeEngine, words: str
) -> None:
    """It is read when the preview is painted."""
    preview = await private(harness, await asked(harness, prompt=f"{words} --expand", count=1))
    text = prompt_of(preview)
    assert text.startswith(f"{words}, ")
    await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    added = text.removeprefix(words)
    assert all(recipe.prompt.endswith(added) for recipe in painted(engine))


async def test_a_language_model_expands_prompts(harness: BotHarness, engine: FakeEngine) -> None:
    """One of the engine; of what it writes, plain words are used. A repaint needs no model."""
    await with_expander(harness, engine)
    engine.continuation = ", in **soft** light, <@123>, --steps 3, misty, by an artist"
    preview = await private(harness, await asked(harness, seed=7))
    assert prompt_of(preview) == "a cat, misty"
    [work] = [paint.text for paint in engine.text_paints]
    assert work == Expansion(prompt="a cat", seed=7)
    result = await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    await harness.result(await harness.ada.click(result, "🔄"))
    assert {recipe.prompt for recipe in painted(engine)} == {"a cat, misty"}
    assert len(engine.text_paints) == 1


async def test_rules_take_the_place_of_a_language_model(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """That fails, writes nothing of use or nothing that is allowed; and for the starter."""
    manager = harness.discord.person("Eve", admin=True)
    await harness.refusal(await manager.invoke("admin words add", {"word": "blood"}))
    await with_expander(harness, engine)
    by_rules = expanded("a cat", engine.model, 7)
    for continuation, failure in (("<@123>", None), (", blood", None), ("", "It is broken.")):
        engine.continuation, engine.failure = continuation, failure
        preview = await private(harness, await asked(harness, seed=7))
        assert prompt_of(preview) == by_rules
    assert len(engine.text_paints) == 3
    engine.failure = None
    engine.models = (msgspec.structs.replace(engine.model, name="starter"),)
    await harness.stop()
    await harness.start()
    preview = await private(harness, await asked(harness, seed=7))
    assert prompt_of(preview) == expanded("a cat", engine.model, 7)
    assert len(engine.text_paints) == 3


async def test_a_user_has_one_text_at_a_time(harness: BotHarness, engine: FakeEngine) -> None:
    """More at once are expanded by rules, so that nobody keeps the engine busy."""
    await with_expander(harness, engine)
    engine.text_gate.clear()
    first = await asked(harness, seed=7)
    await eventually(lambda: engine.text_paints)
    second = await private(harness, await asked(harness, seed=7))
    assert prompt_of(second) == expanded("a cat", engine.model, 7)
    engine.text_gate.set()
    assert prompt_of(await private(harness, first)).endswith("highly detailed")


async def with_expander(harness: BotHarness, engine: FakeEngine) -> None:
    """Restart with an engine that has a language model."""
    engine.text_models = TextModelCards(expander=TextModelCard(name="gpt2"))
    await harness.stop()
    await harness.start()


async def test_the_prompt_of_a_picture_is_expanded(harness: BotHarness, engine: FakeEngine) -> None:
    """From the menu More…: with its seed and settings, and once for other words."""
    result = await harness.imagine(prompt="a cat", count=1, steps=9, aspect="wide", seed=5)
    preview = await private(harness, await harness.ada.click(result, "✨ Expand"))
    text = prompt_of(preview)
    assert text == expanded("a cat", engine.model, 5)
    await harness.result(await harness.ada.click(preview, "🎨 Paint"))
    [first], [second] = ([work.recipe for work in paint.recipes] for paint in engine.paints)
    assert second == msgspec.structs.replace(first, prompt=text)
    varied = await harness.result(await harness.ada.click(result, "V strong"))
    shown = await harness.result(await harness.ada.click(varied, "U1"))
    assert "✨ Expand" not in shown.options
