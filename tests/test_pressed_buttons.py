"""What was pressed is shown: buttons turn blue, and a picture is shown once."""

import asyncio

from bot.playground import Message
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.fake_server import UPSCALER

GREY, BLUE = 2, 1


def styles(message: Message) -> dict[str, int]:
    """The styles of a message's buttons."""
    buttons = [item for row in message.components for item in row["components"]]
    return {item["label"]: item["style"] for item in buttons if "label" in item}


async def blue(harness: BotHarness, message: Message, *labels: str) -> None:
    """Wait until just these buttons are blue."""

    def is_so() -> bool:
        return {name for name, style in styles(message).items() if style == BLUE} == set(labels)

    await harness.discord.until(is_so, why=f"{labels} are blue")


async def test_a_pressed_button_turns_blue(harness: BotHarness, engine: FakeEngine) -> None:
    """And stays so, whoever presses the next one, and when."""
    grid = await harness.imagine()
    assert set(styles(grid).values()) == {GREY}
    await harness.result(await harness.ada.click(grid, "V2"))
    await blue(harness, grid, "V2")
    ben = harness.discord.person("Ben")
    both = await asyncio.gather(ben.click(grid, "U1"), ben.click(grid, "🔄"))
    for interaction in both:
        await harness.result(interaction)
    await blue(harness, grid, "V2", "U1", "🔄")
    await harness.stop()
    await harness.start()
    await harness.result(await harness.ada.click(grid, "U4"))
    await blue(harness, grid, "V2", "U1", "🔄", "U4")
    assert len(grid.attachments) == 1


async def test_a_button_stays_blue_when_the_pictures_are_enlarged(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The files of the message are replaced, and nothing else."""
    await harness.stop()
    engine.upscalers = (UPSCALER,)
    await harness.start()
    engine.display_gate.clear()
    grid = await harness.imagine()
    before = grid.attachments
    await harness.result(await harness.ada.click(grid, "V1"))
    await blue(harness, grid, "V1")
    engine.display_gate.set()
    await eventually(lambda: grid.attachments != before)
    assert styles(grid)["V1"] == BLUE


async def test_what_was_refused_stays_grey(harness: BotHarness, engine: FakeEngine) -> None:
    """Nothing came of it."""
    engine.flagged = {2}
    grid = await harness.imagine()
    await harness.refusal(await harness.ada.click(grid, "U2"))
    await harness.result(await harness.ada.click(grid, "U1"))
    await blue(harness, grid, "U1")


async def test_a_picture_is_shown_once(harness: BotHarness) -> None:
    """Another press, by anybody and after a restart, gets a private link to its message."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U2"))
    await harness.stop()
    await harness.start()
    for person in (harness.ada, harness.discord.person("Ben")):
        link = await harness.refusal(await person.click(grid, "U2"))
        assert link.startswith("Picture 2 is here already: https://discord.com/channels/")
        assert link.endswith(f"/{grid.channel.id}/{single.id}")
    assert harness.discord.messages() == [grid, single]
    third = await harness.result(await harness.ada.click(grid, "U3"))
    assert "picture 3" in third.content


async def test_a_picture_can_be_shown_again(harness: BotHarness) -> None:
    """By the button of the link, and by U itself if its message was deleted."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U2"))
    interaction = await harness.ada.click(grid, "U2")
    await harness.refusal(interaction)
    [link] = interaction.ephemerals
    again = await harness.result(await harness.ada.click(link, "Show it again"))
    assert again.attachments and again is not single
    mo = harness.discord.person("Mo", moderator=True)
    for message in (single, again):
        await mo.delete(message)
    last = await harness.result(await harness.ada.click(grid, "U2"))
    assert last.attachments


async def test_two_presses_at_once_show_one_picture(harness: BotHarness) -> None:
    """The second one says that it is on its way, or links to it."""
    grid = await harness.imagine()
    both = await asyncio.gather(*(harness.ada.click(grid, "U2") for _ in range(2)))
    await harness.discord.until(lambda: any(item.ephemerals for item in both), why="a link")
    [first] = [item for item in both if not item.ephemerals]
    single = await harness.result(first)
    assert harness.discord.messages() == [grid, single]


async def test_a_link_in_a_server_without_the_bot(harness: BotHarness) -> None:
    """Whether the message exists cannot be asked there; its button shows the picture again."""
    guild = harness.discord.add_foreign_guild("Elsewhere", has_commands=True)
    harness.ada.join(guild)
    interaction = await harness.ada.slash("imagine", where=guild.channel, prompt="a house")
    grid = await harness.result(interaction)
    await harness.result(await harness.ada.click(grid, "U1"))
    again = await harness.ada.click(grid, "U1")
    assert "Picture 1 is here already" in await harness.refusal(again)
    [link] = again.ephemerals
    assert (await harness.result(await harness.ada.click(link, "Show it again"))).attachments
