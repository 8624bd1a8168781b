"""The option `model` of /imagine, with several loaded models."""

import msgspec
import pytest

from engine.contract import Sampler
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import MODEL, FakeEngine
from tests.test_imagine import SKETCH

OTHER = msgspec.structs.replace(
    MODEL,
    name="hub/Round",
    revision="2" * 40,
    native_size=128,
    steps=6,
    max_steps={Sampler.DDIM: 0},
)


@pytest.fixture
def engine() -> FakeEngine:
    """An engine with two models."""
    return FakeEngine(MODEL, OTHER)


async def test_the_option_chooses_the_model(harness: BotHarness, engine: FakeEngine) -> None:
    """Its defaults are those of the model, and variations, rerolls and sketches keep the model."""
    grid = await harness.imagine(model="round", count=1)
    await harness.imagine(model="ROUND", sketch=SKETCH, count=1)
    for button in ("V1", "🔄"):
        await harness.result(await harness.ada.click(grid, button))
    recipes = [recipe for paint in engine.paints for recipe in paint.recipes]
    assert {(recipe.model, recipe.steps) for recipe in recipes} == {("hub/Round", 6)}
    assert recipes[0].size == (128, 128)
    rows = harness.query("SELECT DISTINCT model FROM pictures")
    assert [row["model"] for row in rows] == ["hub/Round"]


async def test_without_the_option_the_default_paints(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """It is the first model."""
    await harness.imagine(count=1)
    assert engine.paints[0].recipes[0].model == "flat"


async def test_a_server_has_a_default_of_its_own(harness: BotHarness, engine: FakeEngine) -> None:
    """All commands use it; one that names a model does not. If the model is gone, the settings say
    that the first one paints."""
    manager = harness.discord.person("Boss", admin=True)
    chosen = {"setting": "default_model", "value": "round", "for": "guild"}
    changed = await harness.refusal(await manager.invoke("settings", chosen, checked=False))
    assert changed.startswith("Default model: now **Round** for this server.")
    grid = await harness.imagine(count=1)
    options = {"prompt": "a red house", "guidance": "3,5"}
    await harness.result(await harness.ada.invoke("explore", options))
    options = {"prompt": "a red house", "samplers": "euler,pndm"}
    await harness.result(await harness.ada.invoke("compare", options))
    await harness.imagine(count=1, model="flat")
    models = [{recipe.model for recipe in paint.recipes} for paint in engine.paints]
    assert models == [{"hub/Round"}] * 3 + [{"flat"}]
    text = await harness.refusal(await harness.ada.use("Show recipe", grid))
    assert "/imagine" in text and "model:" not in text
    await harness.stop()
    engine.models = (MODEL,)
    await harness.start()
    settings_text = await harness.refusal(await manager.invoke("settings", {}, checked=False))
    assert "**hub/Round** · this server. It is not offered now, so flat is used." in settings_text
    await harness.imagine(count=1)
    assert engine.paints[-1].recipes[0].model == "flat"


async def test_names_are_suggested(harness: BotHarness) -> None:
    """Those that contain what was typed; the engine is not asked."""
    for typed, expected in (("", ["flat", "Round"]), ("ro", ["Round"]), ("x", [])):
        interaction = await harness.ada.complete("imagine", "model", typed)
        await interaction.acknowledged()
        assert [choice["value"] for choice in interaction.choices or []] == expected


async def test_a_model_that_is_not_loaded_is_refused(harness: BotHarness) -> None:
    """Nothing is queued; the response names the models that are loaded."""
    interaction = await harness.ada.slash("imagine", prompt="a house", model="sdxl")
    sentence = await harness.refusal(interaction)
    assert "There is no model “sdxl”. These are loaded: flat, Round." in sentence
    assert harness.query("SELECT * FROM jobs") == []


async def test_samplers_are_those_of_the_chosen_model(harness: BotHarness) -> None:
    """The choices are those of all models."""
    interaction = await harness.ada.slash("imagine", prompt="a", model="round", sampler="ddim")
    assert "hub/Round does not work with the sampler ddim" in await harness.refusal(interaction)
    assert (await harness.imagine(sampler="ddim", count=1)).attachments


async def test_queued_jobs_of_a_model_that_is_gone_fail(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """After a restart without it, the message says which models paint now; old pictures are still
    shown, and those of the remaining model are painted."""
    old = await harness.imagine(model="round", count=2)
    engine.start_error = "It cannot start."
    engine.die()
    queued = await harness.ada.slash("imagine", prompt="a house", model="round")
    other = await harness.ada.slash("imagine", prompt="a house", count=1)
    await eventually(lambda: len(harness.query("SELECT * FROM jobs WHERE status = 'queued'")) == 2)
    await eventually(lambda: harness.discord.faults.pending == 0)
    await harness.stop()
    engine.start_error, engine.models = None, (MODEL,)
    await harness.start()
    expected = "with the model hub/Round (222222222222); I paint with flat (000000000000) now."
    assert expected in (await harness.result(queued)).content
    assert (await harness.result(other)).attachments
    assert (await harness.result(await harness.ada.click(old, "U1"))).attachments
    refused = await harness.refusal(await harness.ada.click(old, "V1"))
    assert "I paint with flat" in refused
