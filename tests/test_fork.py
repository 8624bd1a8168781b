"""🕰 Fork: back to a step of a picture, and on with other settings."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.domain.kinds import fork, steps
from bot.domain.kinds.fork import ForkRequest
from bot.domain.plan import Edge, PlanContext, Relation
from bot.errors import Refused
from bot.features.fork import modal
from bot.playground import Interaction, Message, Playground
from engine.contract import (
    Change,
    Distilled,
    Embedding,
    Img2Img,
    ModelCard,
    PromptFormat,
    Recipe,
    Sampler,
)
from engine.contract.samplers import DIFFUSION_SAMPLERS
from tests.bot_harness import BotHarness
from tests.fake_engine import MODEL, FakeEngine
from tests.samples import picture, recipe


def request(step: int = 3, **changes: Any) -> ForkRequest:  # noqa: ANN401 - any field
    """A request that changes nothing but these settings."""
    plain: dict[str, Any] = {
        "prompt": "a red house",
        "negative": "",
        "guidance": 5.0,
        "sampler": Sampler.EULER,
    }
    return ForkRequest(step=step, **plain | changes)


def planned(parent: Recipe, wanted: ForkRequest, model: ModelCard = MODEL) -> Recipe:
    """The recipe of a fork of a picture with this recipe."""
    context = PlanContext(models=(model,), seed=5, parents=(picture(recipe=parent),))
    plan = fork.plan(wanted, context)
    assert plan.edges == (Edge(1, "j1-1", Relation.FORK),)
    [forked] = plan.recipes
    assert isinstance(forked, Recipe)
    return forked


def test_a_fork_has_the_recipe_of_its_parent_with_a_change() -> None:
    """Seed, subseeds and row class stay."""
    parent = recipe(steps=8, row_class=16)
    forked = planned(parent, request(prompt="a boat", guidance=2.0))
    assert forked.changes == (Change(step=3, prompt="a boat", guidance=2.0),)
    assert (forked.seed, forked.row_class, forked.prompt) == (7, 16, "a red house")


def test_a_fork_has_the_embeddings_that_its_new_prompt_names() -> None:
    """What was words in the picture stays words, because the steps before keep their bits."""
    old, new, unused = (Embedding(name, "a" * 64) for name in ("old", "new", "unused"))
    model = msgspec.structs.replace(MODEL, embeddings=(old, new, unused))
    weighted = recipe(steps=8, prompt="an old house", prompt_format=PromptFormat.A1111)
    named = msgspec.structs.replace(weighted, embeddings=(old,))
    wanted = request(prompt="an old new house")
    assert planned(weighted, wanted, model).embeddings == (new,)
    assert planned(named, wanted, model).embeddings == (old, new)
    assert planned(named, request(prompt="a tree"), model).embeddings == (old,)


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        (
            request(2, sampler=Sampler.DDIM),
            (
                Change(step=2, sampler=Sampler.DDIM),
                Change(step=3, prompt="a boat", guidance=2.0),
                Change(step=5, prompt="a cat"),
            ),
        ),
        (
            request(2, prompt="a dog"),
            (Change(step=2, prompt="a dog"), Change(step=3, guidance=2.0)),
        ),
        (
            request(3, prompt="a dog", guidance=2.0),
            (Change(step=3, prompt="a dog", guidance=2.0),),
        ),
        (
            request(6, prompt="a cat", guidance=2.0, negative="fog"),
            (
                Change(step=3, prompt="a boat", guidance=2.0),
                Change(step=5, prompt="a cat"),
                Change(step=6, negative="fog"),
            ),
        ),
    ],
)
def test_a_fork_of_a_fork(wanted: ForkRequest, changes: tuple[Change, ...]) -> None:
    """Earlier changes stay; of later ones, those of settings that the new fork leaves alone."""
    earlier = (Change(step=3, prompt="a boat", guidance=2.0), Change(step=5, prompt="a cat"))
    assert planned(recipe(steps=8, changes=earlier), wanted).changes == changes


@pytest.mark.parametrize(
    ("parent", "wanted", "reason"),
    [
        (recipe(steps=8), request(), "Nothing is changed"),
        (recipe(steps=8), request(8, prompt="a"), "no step 8 .* has 8 steps, so choose 1 to 7"),
        (recipe(steps=8), request(0, prompt="a"), "no step 0"),
        (
            recipe(steps=8, source=Img2Img("a" * 64, 0.5)),
            request(4, prompt="a"),
            "has 4 steps, so choose 1 to 3",
        ),
        (recipe(steps=1), request(1, prompt="a"), "a single step"),
        (recipe(steps=8), request(prompt=" "), "prompt is empty"),
        (recipe(steps=8), request(prompt="x" * 1001), "1001 characters"),
        (recipe(steps=8), request(guidance=31.0), "guidance is 31; it must be 0 to 30"),
        (recipe(steps=60), request(sampler=Sampler.LCM), "lcm takes at most 50 steps"),
        (recipe(steps=8, model="gone"), request(prompt="a"), "gone"),
    ],
)
def test_an_impossible_fork_is_refused(parent: Recipe, wanted: ForkRequest, reason: str) -> None:
    """Each with one sentence."""
    with pytest.raises(Refused, match=reason):
        planned(parent, wanted)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"guidance": "much"}, "guidance is “much”; it must be a number"),
        ({"guidance": "nan"}, "must be a number"),
        ({"guidance": "1e9"}, "must be a number"),
        ({"sampler": "magic"}, "no sampler “magic”. Choose one of: pndm"),
    ],
)
def test_other_texts_are_refused(texts: dict[str, str], reason: str) -> None:
    """Modals have texts only."""
    values: dict[str, Any] = {"prompt": "a", "negative": "", "guidance": "5", "sampler": "euler"}
    with pytest.raises(Refused, match=reason):
        fork.parse(1, MODEL.samplers, **values | texts)


@pytest.mark.parametrize("guidance", [7.1234567, 0.0123456789, 1e-9, 29.123456789])
def test_texts_that_are_left_alone_change_nothing(guidance: float) -> None:
    """The form has guidance with fewer decimals than a recipe may, and prompts without spaces at
    their ends."""
    parent = recipe(steps=8, guidance=guidance, negative=" rain ")
    phase = fork.phase_at(parent, 3)
    form: Any = modal("j1", 3, phase, MODEL.samplers).to_dict()
    fields = [label["component"] for label in form["components"]]
    assert all(len(field["value"]) <= field["max_length"] for field in fields)
    texts = {field["custom_id"]: field["value"].strip() for field in fields}
    with pytest.raises(Refused, match="Nothing is changed"):
        planned(parent, fork.parse(3, MODEL.samplers, **texts))
    changed = planned(parent, fork.parse(3, MODEL.samplers, **texts | {"prompt": "a boat"}))
    assert changed.changes == (Change(step=3, prompt="a boat"),)


def test_a_guidance_that_is_too_high_for_the_model_is_refused() -> None:
    """An older picture that has it already can be forked with other changes."""
    card = msgspec.structs.replace(MODEL, distilled=Distilled("Turbo", 10, 3.0))
    context = PlanContext(models=(card,), parents=(picture(recipe=recipe(guidance=7.0)),), seed=1)
    fork.plan(request(guidance=7.0, prompt="a boat"), context)
    with pytest.raises(Refused, match="choose at most 3"):
        fork.plan(request(guidance=8.0), context)


def test_a_picture_that_the_model_no_longer_paints_has_no_steps() -> None:
    """The reason is known before anything is queued."""
    skipping = picture(recipe=recipe(clip_skip=2))
    context = PlanContext(models=(MODEL,), seed=5, parents=(skipping,))
    with pytest.raises(Refused, match="clip skip"):
        steps.plan(steps.StepsRequest(), context)
    with pytest.raises(Refused, match="clip skip"):
        fork.plan(request(prompt="a boat"), context)


def test_a_prompt_with_too_many_parts_is_refused() -> None:
    """An older picture that has one can be forked with other changes; words have no parts."""
    long = "a BREAK " * 8 + "b"
    parent = recipe(steps=8, prompt=long, prompt_format=PromptFormat.A1111)
    assert planned(parent, request(prompt=long, guidance=2.0)).changes == (
        Change(step=3, guidance=2.0),
    )
    with pytest.raises(Refused, match="9 parts"):
        planned(parent, request(prompt=long, negative=long))
    with pytest.raises(Refused, match="take <lora:ink:1> out of the prompt"):
        planned(parent, request(prompt=long, negative="rain <lora:ink:1>"))
    assert planned(recipe(steps=8), request(prompt=long)).changes[0].prompt == long


def test_only_the_samplers_of_the_model_are_named() -> None:
    """In the form and in the sentence; another one is refused with them."""
    card = msgspec.structs.replace(
        MODEL, max_steps=dict.fromkeys(DIFFUSION_SAMPLERS, 0) | {Sampler.UNIPC: 150}
    )
    parent = recipe(steps=8, sampler=Sampler.FLOW_EULER)
    context = PlanContext(models=(card,), seed=5, parents=(picture(recipe=parent),))
    samplers = fork.samplers(parent, context)
    form: Any = modal("j1", 3, fork.phase_at(parent, 3), samplers).to_dict()
    [description] = [item["description"] for item in form["components"] if item.get("description")]
    assert description == "unipc, flow_euler, flow_heun"
    with pytest.raises(Refused, match=r"Choose one of: unipc, flow_euler, flow_heun\.$"):
        fork.parse(3, samplers, prompt="a", negative="", guidance="5", sampler="magic")
    wanted = request(sampler=Sampler.EULER)
    with pytest.raises(Refused, match=r"sampler euler\. Choose one of: unipc, flow_euler"):
        planned(parent, wanted, card)
    with pytest.raises(Refused, match="gone"):
        fork.samplers(msgspec.structs.replace(parent, model="gone"), context)


def test_numbers_may_have_a_comma() -> None:
    """As in many languages; names may be capitalised."""
    parsed = fork.parse(1, MODEL.samplers, prompt="a", negative="", guidance="7,5", sampler="Euler")
    assert (parsed.guidance, parsed.sampler) == (7.5, Sampler.EULER)


def test_a_picture_of_one_step_shows_no_steps() -> None:
    """There is nothing to go back to."""
    context = PlanContext(models=(MODEL,), seed=5, parents=(picture(recipe=recipe(steps=1)),))
    with pytest.raises(Refused, match="single step"):
        steps.plan(steps.StepsRequest(), context)


# In Discord


async def steps_of(harness: BotHarness, message: Message, nth: int = 1) -> Message:
    """The steps of a picture of a result, by the button below the picture."""
    single = await harness.result(await harness.ada.click(message, f"U{nth}"))
    return await harness.result(await harness.ada.click(single, "🕰 Fork"))


def menu_of(harness: BotHarness) -> str:
    """The custom id of the menu of the newest steps."""
    rows = harness.query("SELECT id FROM jobs WHERE kind = 'steps' ORDER BY rowid DESC")
    return f"v1:forkstep:{rows[0]['id']}:0"


async def asked(harness: BotHarness, message: Message, step: int) -> Interaction:
    """The interaction that was answered with the modal."""
    interaction = await harness.ada.choose(message, menu_of(harness), str(step))
    await harness.discord.until(lambda: interaction.modal, why="the modal")
    return interaction


async def test_a_picture_goes_on_from_a_step(harness: BotHarness, engine: FakeEngine) -> None:
    """Its strip of frames has a menu of steps; the modal has the settings at that step."""
    grid = await harness.imagine(steps=8, negative="rain")
    strip = await steps_of(harness, grid, 2)
    assert strip.attachments[0].filename.endswith(".png")
    assert engine.paints[1].capture.strip == 25
    assert engine.paints[1].recipes == (engine.paints[0].recipes[1],)
    modal = await asked(harness, strip, 5)
    forked = await harness.result(await harness.ada.submit(modal, {"prompt": "a boat"}))
    assert forked.content.startswith("Fork: ")
    [first] = engine.paints[2].recipes
    assert isinstance(first, Recipe)
    assert first.changes == (Change(step=5, prompt="a boat"),)
    [edge] = harness.query("SELECT parent FROM lineage WHERE relation = 'fork'")
    [parent] = harness.query("SELECT id FROM pictures WHERE nth = 2")
    assert edge["parent"] == parent["id"]
    shown = await harness.ada.slash("lineage", picture=parent["id"])
    await harness.discord.until(
        lambda: any(" · 2 pictures" in answer.content for answer in shown.ephemerals),
        why="the family tree, without the strip",
    )

    strip = await harness.result(await harness.ada.click(forked, "🕰 Fork"))
    await harness.stop()
    await harness.start()
    modal = await asked(harness, strip, 6)
    await harness.result(await harness.ada.submit(modal, {"guidance": "2,5"}))
    [second] = engine.paints[4].recipes
    assert isinstance(second, Recipe)
    assert second.changes == (
        Change(step=5, prompt="a boat"),
        Change(step=6, guidance=2.5),
    )


async def test_what_cannot_be_forked_is_refused_in_private(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Nothing is queued."""
    strip = await steps_of(harness, await harness.imagine(steps=8))
    painted = len(engine.paints)
    modal = await asked(harness, strip, 3)
    assert "Nothing is changed" in await harness.refusal(await harness.ada.submit(modal, {}))
    modal = await asked(harness, strip, 3)
    wrong = await harness.ada.submit(modal, {"sampler": "magic"})
    assert "no sampler “magic”" in await harness.refusal(wrong)
    modal = await asked(harness, strip, 3)
    forbidden = await harness.ada.submit(modal, {"prompt": "a naked child"})
    assert "no sexual content with minors" in await harness.refusal(forbidden)
    modal = await asked(harness, strip, 3)
    assert modal.modal is not None
    modal.modal["custom_id"] = "v0:unknown"  # an older version may have sent it
    unknown = await harness.ada.submit(modal, {"prompt": "a boat"})
    assert "That form no longer works" in await harness.refusal(unknown)
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    removed = await harness.ada.choose(strip, menu_of(harness), "3")
    assert "removed" in await harness.refusal(removed)
    assert len(engine.paints) == painted


async def test_steps_and_forks_keep_the_row_class(
    discord: Playground, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one, which the engine might choose by load, would change the bits of the steps."""
    monkeypatch.setenv("IMAGINE_ADAPTIVE", "true")
    async with BotHarness(discord, engine, tmp_path) as harness:
        strip = await steps_of(harness, await harness.imagine(steps=8))
        modal = await asked(harness, strip, 5)
        await harness.result(await harness.ada.submit(modal, {"prompt": "a boat"}))
        assert [paint.adaptive for paint in engine.paints] == [True, False, False]
        stored = harness.query("SELECT DISTINCT row_class FROM pictures")
        assert [row["row_class"] for row in stored] == [16]
