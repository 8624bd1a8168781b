"""/replay paints a picture again and compares it; /recipe takes ids and links."""

import pytest
from PIL import Image

from bot.domain.fingerprint import fingerprint_changes
from bot.messages.pixel_difference import difference
from bot.playground import Message
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine
from tests.fake_server import UPSCALER
from tests.test_recipe_feature import answer
from tests.test_show import job_id, link_of


async def replay(harness: BotHarness, picture: str) -> Message:
    """The result of /replay by Ada."""
    return await harness.result(await harness.ada.slash("replay", picture=picture))


async def test_a_replay_is_identical(harness: BotHarness, engine: FakeEngine) -> None:
    """It says so with both digests; the same recipe is painted, and the family has no new one."""
    await harness.imagine()
    name = job_id(harness)
    message = await replay(harness, f"{name}-2")
    [row] = harness.query("SELECT sha256 FROM pictures WHERE nth = 2")
    digest = row["sha256"]
    assert "✅ Identical, to the bit." in message.content
    assert f"then `{digest}`\nnow `{digest}`" in message.content
    assert engine.paints[1].recipes == (engine.paints[0].recipes[1],)
    family = await harness.ada.slash("lineage", picture=f"{name}-2")
    assert "no relatives" in (await answer(harness, family)).content


async def test_a_difference_is_measured_and_explained(harness: BotHarness) -> None:
    """The recorded picture has other pixels and another fingerprint."""
    await harness.imagine(count=1)
    [row] = harness.query("SELECT id, path FROM pictures")
    path = harness.data / row["path"]
    with Image.open(path) as image:
        changed = image.convert("RGB")
    red = changed.getpixel((3, 4))[0]  # type: ignore[index]
    changed.putpixel((3, 4), ((red + 128) % 256, *changed.getpixel((3, 4))[1:]))  # type: ignore[index]
    changed.save(path)
    await harness.execute("UPDATE pictures SET sha256 = ?, fingerprint = 'flat paint'", "b" * 64)
    message = await replay(harness, row["id"])
    assert "❌ Not identical: 1 of 4,096 pixels differ (0.024 %)" in message.content
    assert "the largest difference is 128 of 255" in message.content
    assert f"then `{'b' * 64}`" in message.content
    assert "What changed since: `flat paint` -> `flat colours`." in message.content


async def test_an_enlargement_is_replayed(harness: BotHarness, engine: FakeEngine) -> None:
    """From the stored picture that it enlarges."""
    engine.upscalers = (UPSCALER,)
    await harness.stop()
    await harness.start()
    single = await harness.imagine(count=1)
    enlarged = await harness.result(await harness.ada.click(single, "⬆ 2x"))
    message = await replay(harness, link_of(enlarged))
    assert "✅ Identical, to the bit." in message.content


@pytest.mark.parametrize("command", ["replay", "recipe"])
async def test_what_cannot_be_replayed_is_refused(harness: BotHarness, command: str) -> None:
    """An unknown picture, one of another place, and a removed one."""
    private = harness.ada.dm
    secret = await harness.ada.slash("imagine", prompt="a secret", count=1, where=private)
    await harness.result(secret)
    name = job_id(harness)
    ben = harness.discord.person("Ben")
    for picture, sentence in [
        ("who knows", "That is no picture of mine."),
        ("0123456789abcdef-1", "That picture no longer exists."),
        (name, "That picture no longer exists."),
    ]:
        interaction = await ben.slash(command, picture=picture)
        assert sentence in await harness.refusal(interaction)
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    interaction = await harness.ada.slash(command, picture=name)
    assert "Moderators removed this" in await harness.refusal(interaction)


async def test_the_apps_menu_replays_what_a_message_shows(harness: BotHarness) -> None:
    """A message without a picture is refused privately."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U3"))
    message = await harness.result(await harness.ada.use("Replay", single))
    assert "✅ Identical, to the bit." in message.content and "seed 9" in message.content
    interaction = await harness.ada.use("Replay", await harness.ada.say("hello"))
    assert "That is no picture of mine." in await harness.refusal(interaction)


async def test_a_recipe_is_shown_by_id_and_by_link(harness: BotHarness) -> None:
    """Of one picture, or of all pictures of a message."""
    grid = await harness.imagine()
    single = await answer(
        harness, await harness.ada.slash("recipe", picture=f"{job_id(harness)}-3")
    )
    assert "Seed: 9," in single.content and "seed 10" not in single.content
    every = await answer(harness, await harness.ada.slash("recipe", picture=link_of(grid)))
    assert "Seed: 7," in every.content and "4: seed 10" in every.content
    neither = await harness.ada.slash("recipe")
    assert "Give either `picture`" in await harness.refusal(neither)


def test_fingerprints_are_compared_part_by_part() -> None:
    """Parts of the same name are one change; a device is not a version of another."""
    then = "arithmetic 2, torch 2.7.0, NVIDIA H100, float16, 8 threads"
    now = "arithmetic 2, torch 2.8.0, Intel Xeon, float16, 8 threads"
    assert fingerprint_changes(then, now) == [
        "`torch 2.7.0` -> `torch 2.8.0`",
        "`NVIDIA H100` -> `Intel Xeon`",
    ]
    assert fingerprint_changes(then, then) == []
    assert fingerprint_changes("", now[:12]) == ["`unknown` -> `arithmetic 2`"]


def test_pictures_of_other_sizes_are_not_compared() -> None:
    """Pixel by pixel they cannot be."""
    assert difference(Image.new("RGB", (2, 2)), Image.new("RGB", (2, 3))) is None
