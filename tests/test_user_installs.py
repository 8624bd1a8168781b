"""Users who installed the bot for themselves, in servers and chats of which it is no member."""

import pytest
from PIL import Image

from bot.domain.limits import MAX_TOKEN_WAIT, out_of_time
from bot.messages.job_messages import LAST_WORD_SECONDS
from bot.messages.message_client import TOKEN_SECONDS
from bot.playground import Channel, Interaction, Permission, Upload
from bot.playground.errors import UnknownCommand
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.changing import PAINTER, menu_of
from tests.deletion import ephemeral_response
from tests.fake_engine import FakeEngine
from tests.samples import encoded

GUILD, GROUP, DM = "guild", "group", "dm"


@pytest.fixture
def places(harness: BotHarness) -> dict[str, Channel]:
    """Where Ada, who installed the bot, is with Ben, who did not; and not the bot."""
    discord, ada, ben = harness.discord, harness.ada, harness.discord.person("Ben")
    ada.user.has_app = True
    guild = discord.add_foreign_guild("Elsewhere")
    ada.join(guild)
    ben.join(guild)
    return {
        GUILD: guild.channel,
        GROUP: discord.add_private_channel(ada, ben, discord.person("Zoe")),
        DM: discord.add_private_channel(ada, ben),
    }


@pytest.fixture(params=[GUILD, GROUP, DM])
def place(request: pytest.FixtureRequest, places: dict[str, Channel]) -> Channel:
    """One of these places."""
    return places[request.param]


async def imagine(harness: BotHarness, place: Channel, **options: str | int) -> Interaction:
    """A request by Ada."""
    return await harness.ada.invoke(
        "imagine", {"prompt": "a red house", "seed": 7, **options}, where=place
    )


async def painting(harness: BotHarness, engine: FakeEngine, place: Channel) -> Interaction:
    """A job that shows its progress until the engine's gate opens."""
    engine.gate.clear()
    interaction = await imagine(harness, place)
    await harness.discord.until(
        lambda: interaction.response and "Painting" in interaction.response.content, why="progress"
    )
    return interaction


def channel_requests(harness: BotHarness, place: Channel) -> list[str]:
    """The requests that do not go by an interaction's token."""
    path = f"/channels/{place.id}"
    return [request.path for request in harness.discord.requests if path in request.path]


def followups(interaction: Interaction) -> int:
    """How many followups an interaction has, of which Discord takes five here."""
    return len(interaction.responses) - 1


async def test_results_and_their_buttons(
    harness: BotHarness, engine: FakeEngine, place: Channel
) -> None:
    """Everything goes by tokens, as edits of the response, also after a restart."""
    engine.models = (PAINTER,)
    await harness.stop()
    await harness.start()
    first = await imagine(harness, place)
    grid = await harness.result(first)
    assert grid.buttons == ALL_BUTTONS and not grid.ephemeral
    click = await harness.ada.click(grid, "U2")
    single = await harness.result(click)
    assert len(single.attachments) == 1
    link = await harness.refusal(await harness.ada.click(grid, "U2"))
    assert "Picture 2 is here already" in link
    panned = await harness.ada.choose(single, menu_of(harness), "panup")
    await harness.result(panned)
    await harness.ada.choose(single, menu_of(harness), "delete")
    await harness.discord.until(lambda: single.deleted, why="no picture")
    interaction = await painting(harness, engine, place)
    await harness.stop()
    await harness.start()
    engine.gate.set()
    last = await harness.result(interaction)
    varied = await harness.result(await harness.ada.click(last, "V1"))
    assert varied.buttons == ALL_BUTTONS
    assert channel_requests(harness, place) == []
    assert [followups(item) for item in (first, click, panned, interaction)] == [0] * 4


async def test_others_press_the_buttons(
    harness: BotHarness, engine: FakeEngine, place: Channel
) -> None:
    """Ben, who did not install the bot, gets his own job; he cannot cancel Ada's."""
    ben = harness.discord.person("Ben")
    grid = await harness.result(await imagine(harness, place))
    varied = await harness.result(await ben.click(grid, "V2"))
    assert f"<@{ben.id}>" in varied.content
    running = await painting(harness, engine, place)
    assert running.response is not None
    refusal = await harness.refusal(await ben.click(running.response, "✖ Cancel"))
    assert refusal.startswith("Only the user who requested this")
    await harness.ada.click(running.response, "✖ Cancel")
    assert "Cancelled" in (await harness.result(running)).content


async def test_commands_of_messages(harness: BotHarness, place: Channel) -> None:
    """On a result, and on a picture of somebody else, as messages of others are not the bot's."""
    grid = await harness.result(await imagine(harness, place))
    recipe = await ephemeral_response(await harness.ada.use("Show recipe", grid))
    assert "a red house" in recipe.content
    form = await harness.ada.use("Remix ✏️", grid)
    await harness.discord.until(lambda: form.modal, why="the form")
    remixed = await harness.result(await harness.ada.submit(form, {"prompt": "a hut"}))
    assert remixed.content.startswith("Remix: **a hut**") and not remixed.ephemeral
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), "red")))
    message = await harness.discord.person("Ben").say("look", sketch, where=place)
    form = await harness.ada.use("Use as sketch", message)
    await harness.discord.until(lambda: form.modal or form.ephemerals, why="an answer")
    assert form.modal is not None
    assert channel_requests(harness, place) == []


async def test_commands_for_their_user_alone(harness: BotHarness, place: Channel) -> None:
    """History, queue, settings, privacy and help; no reactions, and nothing of the server."""
    await harness.result(await imagine(harness, place))
    ada = harness.ada

    async def private(command: str, **options: str) -> str:
        interaction = await ada.invoke(command, options, where=place)
        return (await ephemeral_response(interaction)).content

    assert "a red house" in await private("history")
    queue = await ada.invoke("queue", {}, where=place)
    await harness.discord.until(lambda: queue.ephemerals, why="the queue")
    assert "I store 1" in await private("privacy show")
    assert "licence" in (await private("about")).casefold()
    message = await ephemeral_response(await ada.invoke("help", {}, where=place))
    await ada.choose(message, "v1:help:menu:0", "reactions")
    await harness.discord.until(lambda: "I am no member here" in message.content, why="a page")
    for name in ("breed", "stats", "admin nsfw"):
        with pytest.raises(UnknownCommand):
            await ada.invoke(name, {}, where=place)
    refusal = await harness.refusal(await ada.invoke("help", {"command": "breed"}, where=place))
    assert refusal.startswith("There is no command")


async def test_a_result_is_shown_elsewhere(harness: BotHarness, place: Channel) -> None:
    """What was painted there is the user's own everywhere, and the other way round."""
    await harness.result(await imagine(harness, place))
    [job] = harness.query("SELECT id FROM jobs")
    shown = await harness.result(await harness.ada.slash("show", job=job["id"]))
    assert len(shown.attachments) == 1
    back = await harness.result(await harness.ada.slash("show", where=place, job=job["id"]))
    assert back.buttons == ALL_BUTTONS


async def test_settings_of_the_user_count(
    harness: BotHarness, engine: FakeEngine, place: Channel
) -> None:
    """Those of the server do not, and cannot be set, even by who manages it."""
    ada = harness.ada
    if place.guild is not None:
        harness.discord.set_owner(ada, place.guild)
    panel = await ephemeral_response(
        await ada.invoke("settings", {"setting": "count", "value": "2"}, where=place)
    )
    assert "Count: now **2** for you." in panel.content and panel.buttons == []
    assert "Allowed channels" not in panel.content
    await harness.result(await imagine(harness, place))
    assert len(engine.paints[-1].recipes) == 2
    refusal = await harness.refusal(
        await ada.invoke("settings", {"for": "guild"}, where=place, checked=False)
    )
    assert refusal.startswith(
        "This server has not added me" if place.guild else "Only members with the permission"
    )


async def test_a_copy_by_direct_message(harness: BotHarness, place: Channel) -> None:
    """The setting works for chats too."""
    ada = harness.ada
    await ada.invoke("settings", {"setting": "direct", "value": "on"}, where=place)
    await eventually(lambda: harness.query("SELECT * FROM preferences"))
    await harness.result(await imagine(harness, place))
    await harness.discord.until(lambda: harness.discord.dms(ada), why="a copy")
    assert len(harness.discord.dms(ada)[0].attachments) == 4


async def test_a_queue_that_is_longer_than_the_token_lives(
    harness: BotHarness, engine: FakeEngine, place: Channel
) -> None:
    """A job is refused before anything is public, with what works instead, which then works."""
    await harness.imagine()
    await eventually(lambda: harness.query("SELECT * FROM usage WHERE work > 0"))
    await harness.execute("UPDATE usage SET seconds = ?", 2 * MAX_TOKEN_WAIT)
    engine.gate.clear()
    await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: len(harness.query("SELECT * FROM jobs")) == 2)
    refusal = await harness.refusal(await imagine(harness, place))
    where = "a member of this server" if place.guild else "in this chat"
    assert f"I am not {where}, so Discord gives me only 15 minutes to answer." in refusal
    assert "in a direct message to me" in refusal
    assert harness.discord.messages(place) == []
    accepted = await harness.ada.slash("imagine", where=harness.ada.dm, prompt="a house")
    engine.gate.set()
    await harness.result(accepted)


async def test_a_job_that_outlasts_the_token(
    harness: BotHarness, engine: FakeEngine, place: Channel
) -> None:
    """Its message says so while it can; it costs nothing."""
    interaction = await painting(harness, engine, place)
    harness.clock_offset = TOKEN_SECONDS - LAST_WORD_SECONDS + 1
    message = await harness.result(interaction)
    guild_id = place.guild.id if place.guild else None
    assert out_of_time(is_private=False, guild_id=guild_id) in message.content
    await harness.stop()
    assert harness.query("SELECT * FROM usage") == []
    assert channel_requests(harness, place) == []


async def test_a_token_that_expired_while_the_bot_was_down(
    harness: BotHarness, engine: FakeEngine, place: Channel
) -> None:
    """The job ends, costs nothing, and nothing is sent to a channel."""
    await painting(harness, engine, place)
    await harness.stop()
    harness.clock_offset = 15 * 60.0
    harness.discord.clock.advance(15 * 60.0)
    await harness.start()
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE delivered_at IS NOT NULL"))
    await harness.stop()
    assert harness.query("SELECT * FROM usage") == []
    assert len(harness.discord.messages(place)) == 1


async def test_a_user_who_removes_the_application(
    harness: BotHarness, engine: FakeEngine, place: Channel
) -> None:
    """Discord takes no more edits, so the job costs nothing."""
    await painting(harness, engine, place)
    harness.ada.user.has_app = False
    engine.gate.set()
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE delivered_at IS NOT NULL"))
    await harness.stop()
    assert [row["person"] for row in harness.query("SELECT person FROM usage")] in ([], [0])


async def test_a_bad_sketch(harness: BotHarness, place: Channel) -> None:
    """The reason is the only followup, and private; the public response is deleted."""
    interaction = await harness.ada.invoke(
        "imagine", {"prompt": "a house", "sketch": Upload("a.png", b"no picture")}, where=place
    )
    assert "sketch" in await harness.refusal(interaction)
    await harness.discord.until(lambda: not harness.discord.messages(place), why="no message")
    assert followups(interaction) == 1


async def test_a_member_without_the_permission(
    harness: BotHarness, engine: FakeEngine, places: dict[str, Channel]
) -> None:
    """Where members may not use external apps, Discord shows responses to their user alone."""
    channel = places[GUILD]
    harness.discord.set_overwrite(channel, harness.ada, deny=Permission.USE_EXTERNAL_APPS)
    grid = await harness.result(await imagine(harness, channel))
    assert grid.ephemeral and grid.buttons == ALL_BUTTONS
    single = await harness.result(await harness.ada.click(grid, "U1"))
    varied = await harness.result(await harness.ada.click(single, "V subtle"))
    assert single.ephemeral and varied.ephemeral
    [job, _] = harness.query("SELECT id FROM jobs ORDER BY rowid")
    harness.discord.set_overwrite(channel, harness.ada, deny=Permission.SEND_MESSAGES)
    shown = await harness.ada.slash("show", where=channel, job=job["id"])
    assert (await harness.result(shown)).ephemeral
    assert harness.discord.messages(channel) == []


async def test_flagged_pictures_are_withheld(
    harness: BotHarness, engine: FakeEngine, places: dict[str, Channel]
) -> None:
    """Also in an age-restricted channel: its server never chose otherwise."""
    channel = places[GUILD]
    channel.nsfw = True
    engine.flagged = {2}
    grid = await harness.result(await imagine(harness, channel))
    assert "Picture 2 withheld" in grid.content
    assert not engine.paints[0].include_flagged


async def test_where_the_bot_is_a_member(harness: BotHarness) -> None:
    """The server's rules count for users who installed the bot too."""
    harness.ada.user.has_app = True
    boss = harness.discord.person("Boss", admin=True)
    await boss.invoke("settings", {"setting": "commands", "value": "edit", "for": "guild"})
    await eventually(lambda: harness.query("SELECT * FROM preferences"))
    refusal = await harness.refusal(await harness.ada.slash("imagine", prompt="a house"))
    assert refusal == "This server does not allow this. It allows: /edit."
