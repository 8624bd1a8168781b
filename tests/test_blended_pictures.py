"""/blend: two to five pictures mixed into one."""

from io import BytesIO
from typing import Any

import msgspec
import pytest
from PIL import Image

from bot.domain.blended_noise import OWN_SHARE, BlendedPicture, with_noise_of
from bot.domain.job_input import InputRole
from bot.domain.kinds import blend
from bot.domain.kinds.blend import NO_BLENDER, PROMPT, BlendRequest
from bot.domain.kinds.imagine import parse
from bot.domain.plan import PlanContext
from bot.domain.plan_inputs import FetchedInput, with_inputs
from bot.errors import Refused
from bot.playground import Message, Upload
from engine.contract import (
    ImageAdapterCard,
    ReferenceRole,
    Subseed,
    card_for,
)
from engine.contract.metadata import with_metadata
from tests.bot_harness import ALL_BUTTONS, BotHarness
from tests.changing import painted
from tests.fake_engine import MODEL, FakeEngine, png
from tests.samples import encoded, recipe
from tests.steered_model import STEERED

URLS = ("https://a/1", "https://a/2", "https://a/3")
CONTEXT = PlanContext(models=(MODEL, STEERED), seed=5)


@pytest.fixture(autouse=True)
def _models(engine: FakeEngine) -> None:
    """One of the models takes reference pictures."""
    engine.models = (MODEL, STEERED)


def request(count: int = 2, ratios: str = "", **options: Any) -> BlendRequest:  # noqa: ANN401 - any option
    """A request with so many pictures and these options."""
    parsed = parse(**{"prompt": PROMPT} | options)
    return BlendRequest(options=parsed, picture_urls=URLS[:count], ratios=ratios)


def test_a_blend_has_a_reference_for_each_picture() -> None:
    """The first model that mixes pictures paints it."""
    plan = blend.plan(request(3, "2:1:1", aspect="landscape"), CONTEXT)
    first = plan.recipes[0].recipe
    assert (first.model, first.prompt, first.size) == ("steered", PROMPT, (80, 64))
    assert [(item.image, item.role, item.scale) for item in first.references] == [
        (plan_input.placeholder, ReferenceRole.BLEND, share)
        for plan_input, share in zip(plan.inputs, (0.5, 0.25, 0.25), strict=True)
    ]
    assert [item.url for item in plan.inputs] == list(URLS)
    assert [work.seed for work in plan.recipes] == [5, 6, 7, 8]
    assert plan.prompt == "3 pictures"
    assert blend.plan(request(prompt="a boat"), CONTEXT).prompt == ""


def test_a_blend_may_have_loras() -> None:
    """Of the model that paints it."""
    for work in blend.plan(request(loras="neon:0.5"), CONTEXT).recipes:
        assert [(item.name, item.scale) for item in work.recipe.adapters] == [("neon", 0.5)]


@pytest.mark.parametrize(
    ("ratios", "shares"),
    [("", (0.5, 0.5)), ("3:1", (0.75, 0.25)), (" 0,5 : 1.5 ", (0.25, 0.75)), ("1/4", (0.2, 0.8))],
)
def test_ratios_become_shares(ratios: str, shares: tuple[float, ...]) -> None:
    """Together they are 1."""
    assert blend.shares(ratios, 2) == shares


VARIATIONS = msgspec.structs.replace(MODEL, image_adapter=ImageAdapterCard())


@pytest.mark.parametrize(
    ("asked", "models", "sentence"),
    [
        (request(), (MODEL,), NO_BLENDER),
        (request(), (VARIATIONS,), NO_BLENDER),
        (
            request(model="flat"),
            (MODEL, STEERED),
            "flat takes no reference pictures that could be mixed. Choose one of: steered.",
        ),
        (request(1), (STEERED,), "1 picture given; 2 to 5 can be blended"),
        (request(2, "1:2:3"), (STEERED,), "has 3 numbers, and there are 2 pictures"),
        (request(2, "1"), (STEERED,), "has 1 number, and there are 2 pictures"),
        (request(2, "1:0"), (STEERED,), "A ratio is 0"),
        (request(2, "1:-3"), (STEERED,), "ratio is “-3”; it must be a number from 0 to 1000"),
        (request(2, "1:x"), (STEERED,), "ratio is “x”"),
        (request(2, "1:" + "9" * 400), (STEERED,), "ratio is “99"),
        (request(2, "1:1001"), (STEERED,), "ratio is “1001”; it must be a number from 0 to 1000"),
        (request(count=2, prompt="x" * 1001), (STEERED,), "1001 characters"),
        (msgspec.structs.replace(request(), picture_urls=URLS * 2), (STEERED,), "6 pictures given"),
    ],
)
def test_an_impossible_blend_is_refused(
    asked: BlendRequest, models: tuple[Any, ...], sentence: str
) -> None:
    """Each with one sentence."""
    with pytest.raises(Refused, match=sentence):
        blend.plan(asked, PlanContext(models=models, seed=5))


def test_the_noise_of_known_pictures_is_mixed_by_their_shares() -> None:
    """One after the other; a little of the own seed tells siblings apart."""
    varied = recipe(seed=1, subseeds=(Subseed(9, 0.3),))
    pictures = [
        BlendedPicture(varied, 0.5),
        BlendedPicture(recipe(seed=2, subseeds=(Subseed(8, 0.3),)), 0.25),
        BlendedPicture(recipe(seed=3), 0.25),
    ]
    mixed = with_noise_of(recipe(seed=5), pictures)
    assert mixed.seed == 1
    assert mixed.subseeds == (
        Subseed(9, 0.3),
        Subseed(2, 0.25 / 0.75),
        Subseed(3, 0.25),
        Subseed(5, OWN_SHARE),
    )
    assert with_noise_of(recipe(seed=5), []) == recipe(seed=5)


def test_there_are_never_too_many_subseeds() -> None:
    """The last ones of the first picture are left out."""
    many = recipe(subseeds=tuple(Subseed(n, 0.1) for n in range(64)))
    pictures = [BlendedPicture(many, 0.5), BlendedPicture(recipe(seed=2), 0.5)]
    assert len(with_noise_of(recipe(), pictures).subseeds) == 64


def test_one_picture_twice_has_two_shares() -> None:
    """Its digest is in both references."""
    plan = blend.plan(request(2, "3:1"), CONTEXT)
    fetched = [FetchedInput(item, "d" * 64, (64, 64), recipe(seed=3)) for item in plan.inputs]
    recipes = [work.recipe for work in plan.recipes]
    first, *_ = with_inputs(recipes, CONTEXT.models, fetched)
    assert [item.scale for item in first.references] == [0.75, 0.25]
    assert first.subseeds == (Subseed(3, 0.25), Subseed(5, OWN_SHARE))
    assert {item.plan_input.role for item in fetched} == {InputRole.BLEND}


@pytest.mark.parametrize(
    ("aspect", "sizes", "expected"),
    [
        (None, [(96, 64), (96, 64)], (96, 64)),
        (None, [(96, 64), (64, 96)], (64, 64)),
        ("square", [(96, 64), (96, 64)], (64, 64)),
        (None, [(2048, 2048), (2048, 2048)], (64, 64)),
    ],
)
def test_pictures_of_one_size_become_pictures_of_this_size(
    aspect: str | None, sizes: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    """Unless the user chose an aspect, or the model cannot paint them."""
    plan = blend.plan(request(aspect=aspect), CONTEXT)
    fetched = [
        FetchedInput(item, "d" * 64, (512, 512), recipe(width=width, height=height))
        for item, (width, height) in zip(plan.inputs, sizes, strict=True)
    ]
    recipes = [work.recipe for work in plan.recipes]
    assert {item.size for item in with_inputs(recipes, CONTEXT.models, fetched)} == {expected}


def test_uploads_of_one_aspect_become_pictures_of_this_aspect() -> None:
    """At the model's size."""
    plan = blend.plan(request(), CONTEXT)
    fetched = [FetchedInput(item, "d" * 64, (900, 600)) for item in plan.inputs]
    recipes = [work.recipe for work in plan.recipes]
    first, *_ = with_inputs(recipes, CONTEXT.models, fetched)
    assert first.size == MODEL.size_for_aspect(1.5)


# In Discord


def upload(color: str, name: str = "a.png") -> Upload:
    """A picture of one colour, without a recipe."""
    return Upload(name, png(Image.new("RGB", (64, 64), color)), "image/png")


def of_bot(seed: int) -> Upload:
    """A picture with the recipe of one of this bot."""
    data = png(Image.new("RGB", (64, 64), (seed, 0, 0)))
    return Upload("b.png", with_metadata(data, [recipe(seed=seed)]), "image/png")


async def blended(harness: BotHarness, **options: Any) -> Message:  # noqa: ANN401 - any option
    """The result of /blend."""
    return await harness.result(await harness.ada.invoke("blend", options))


async def test_flags_of_a_blend(harness: BotHarness, engine: FakeEngine) -> None:
    """They work without any words, too."""
    pictures = {"picture1": upload("red"), "picture2": upload("blue")}
    result = await blended(harness, **pictures, prompt="--ar 2:1 --count 1 --seed 5")
    assert result.content.startswith("Blended: **2 pictures** · <@")
    [first] = painted(engine)
    assert first.seed == 5 and first.width > first.height
    await blended(harness, **pictures, prompt="a {red, blue} castle --seed 5")
    assert [item.prompt for item in painted(engine)] == ["a red castle", "a blue castle"]


async def test_pictures_are_blended(harness: BotHarness, engine: FakeEngine) -> None:
    """Without a prompt, the message has their number; the engine gets each picture."""
    pictures = {"picture1": upload("red"), "picture2": upload("blue"), "picture5": upload("green")}
    result = await blended(harness, **pictures, seed=3)
    assert result.content.startswith("Blended: **3 pictures** · <@")
    assert result.buttons == ALL_BUTTONS
    first = painted(engine)[0]
    assert (first.seed, first.subseeds) == (3, ())
    assert set(first.images) == set(engine.paints[-1].inputs)
    assert len(first.images) == 3
    assert card_for(first, engine.models) is STEERED
    again = await harness.result(await harness.ada.click(result, "🔄"))
    assert again.content.startswith("Again: **3 pictures**")
    assert painted(engine)[0].references == first.references
    await harness.result(await harness.ada.click(result, "V1"))
    assert painted(engine)[0].references == first.references


async def test_the_noise_of_pictures_of_this_bot_is_blended(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Their recipes are inside of the files; others have no share."""
    pictures = {"picture1": of_bot(21), "picture2": upload("red"), "picture3": of_bot(22)}
    result = await blended(harness, **pictures, ratios="1:5:3", seed=4, prompt="a boat", count=2)
    assert result.content.startswith("Blended: **a boat**")
    first, second = painted(engine)
    assert (first.seed, second.seed) == (21, 21)
    other, own = first.subseeds
    assert other.seed == 22
    assert other.share == pytest.approx(0.75)
    assert own == Subseed(4, OWN_SHARE)
    assert second.subseeds[-1] == Subseed(5, OWN_SHARE)


async def test_pictures_of_this_bot_are_recognised(harness: BotHarness, engine: FakeEngine) -> None:
    """By the recipe inside of the file, or by the pixels without it; they are the parents."""
    grid = await harness.imagine(seed=30)
    first = await harness.result(await harness.ada.click(grid, "U1"))
    second = await harness.result(await harness.ada.click(grid, "U2"))
    by_recipe = Upload("a.png", first.attachments[0].data, "image/png")
    with Image.open(BytesIO(second.attachments[0].data)) as image:
        by_pixels = Upload("b.webp", encoded(image.convert("RGB"), "WEBP", lossless=True))
    pictures = {"picture1": upload("red"), "picture2": by_recipe, "picture3": by_pixels}
    await blended(harness, **pictures, count=2)
    rows = harness.query("SELECT * FROM lineage ORDER BY nth, parent")
    assert [(row["nth"], row["parent"][-2:], row["relation"]) for row in rows] == [
        (1, "-1", "blend"),
        (1, "-2", "blend"),
        (2, "-1", "blend"),
        (2, "-2", "blend"),
    ]
    mixed = painted(engine)[0]
    assert (mixed.seed, mixed.subseeds[0].seed) == (30, 31)
    tree = await harness.ada.slash("lineage", picture=rows[0]["parent"])
    await harness.discord.until(
        lambda: any(" · 3 pictures" in answer.content for answer in tree.ephemerals),
        why="the family tree",
    )


async def test_words_are_read_with_those_of_recognised_pictures(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Although they are known only when the files are read; the reason is private."""
    child = await harness.imagine(prompt="a child on a beach", count=1)
    data = child.attachments[0].data
    pictures = {"picture1": upload("red"), "picture2": Upload("a.png", data, "image/png")}
    interaction = await harness.ada.invoke("blend", {**pictures, "prompt": "naked people"})
    await harness.discord.until(
        lambda: any("no sexual content with minors" in m.content for m in interaction.ephemerals),
        why="the reason",
    )
    assert len(engine.paints) == 1
    assert harness.query("SELECT * FROM lineage") == []


async def test_a_blend_that_is_impossible_is_refused(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """At once, or when its files are read; always in private, and nothing is painted."""
    two = {"picture1": upload("red"), "picture2": upload("blue")}
    refused = await harness.ada.invoke("blend", {**two, "ratios": "1:2:3"})
    assert "has 3 numbers" in await harness.refusal(refused)
    refused = await harness.ada.invoke("blend", {**two, "prompt": "a naked child"})
    assert "no sexual content with minors" in await harness.refusal(refused)
    junk = Upload("b.png", b"junk", "image/png")
    interaction = await harness.ada.invoke("blend", {**two, "picture2": junk})
    await harness.discord.until(
        lambda: any("Picture 2 is not an image" in m.content for m in interaction.ephemerals),
        why="the reason",
    )
    assert engine.paints == []


async def test_without_an_adapter_the_command_says_so(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """In one private sentence."""
    await harness.stop()
    engine.models = (MODEL,)
    await harness.start()
    two = {"picture1": upload("red"), "picture2": upload("blue")}
    assert await harness.refusal(await harness.ada.invoke("blend", two)) == NO_BLENDER
