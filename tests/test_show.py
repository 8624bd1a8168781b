"""/show brings a result back as a new message, with working buttons."""

import pytest

from bot.playground import Fault, Interaction, Message, Permission
from bot.playground.model.permissions import EVERYONE
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.deletion import request_deletion
from tests.fake_engine import FakeEngine, flat
from tests.nsfw_watch import choose
from tests.samples import pixels_digest

UNDELIVERED = "SELECT 1 FROM deliveries WHERE kind = 'shown' AND delivered_at IS NULL"


def job_id(harness: BotHarness) -> str:
    """The newest job."""
    [row] = harness.query("SELECT id FROM jobs ORDER BY rowid DESC LIMIT 1")
    return str(row["id"])


def link_of(message: Message) -> str:
    """As Copy Message Link gives it."""
    return f"https://discord.com/channels/1/{message.channel.id}/{message.id}"


async def show(harness: BotHarness, job: str) -> Message:
    """The result of /show by Ada."""
    return await harness.result(await harness.ada.slash("show", job=job))


@pytest.mark.parametrize("by", ["id", "file name", "link"])
async def test_a_result_comes_back_with_live_buttons(
    harness: BotHarness, engine: FakeEngine, by: str
) -> None:
    """As a new message; nothing is painted. V of the new message varies the picture."""
    grid = await harness.imagine()
    name = job_id(harness)
    text = {"id": name, "file name": f"{name}.png", "link": link_of(grid)}[by]
    message = await show(harness, text)
    assert message is not grid and message.content == grid.content
    assert message.attachments[0].data == grid.attachments[0].data
    assert message.buttons == ALL_BUTTONS and len(engine.paints) == 1
    varied = await harness.result(await harness.ada.click(message, "V2"))
    assert varied.attachments and len(engine.paints) == 2
    await eventually(lambda: harness.query(UNDELIVERED) == [])


async def test_reactions_to_the_new_message_work(harness: BotHarness, engine: FakeEngine) -> None:
    """The message is recorded as one that shows the job."""
    await harness.imagine()
    message = await show(harness, job_id(harness))
    await harness.ada.react(message, "3\ufe0f\u20e3")
    await eventually(lambda: len(engine.paints) == 2)


async def test_one_picture_is_shown_at_full_size(harness: BotHarness, engine: FakeEngine) -> None:
    """By its id."""
    await harness.imagine()
    message = await show(harness, f"{job_id(harness)}-3")
    digest = pixels_digest(message.attachments[0].data)
    assert digest == pixels_digest(flat(engine.paints[0].recipes[2]))


async def test_the_latest_results_are_offered(harness: BotHarness) -> None:
    """Those of the person alone, by words in any order and in any case."""
    await harness.imagine(prompt="Ein BLAUES Boot für Ünal", count=1)
    await harness.imagine(prompt="a red house")
    newest = job_id(harness)
    assert next(value for _, value in await offered(harness, "")) == newest
    [(name, _)] = await offered(harness, "ünal boot")
    assert name.startswith("Ein BLAUES Boot für Ünal · 1 picture · 20")
    assert await offered(harness, "100%") == []
    ben = harness.discord.person("Ben")
    interaction = await ben.complete("show", "job", "")
    await harness.discord.until(lambda: interaction.choices is not None, why="choices")
    assert interaction.choices == []


async def offered(harness: BotHarness, typed: str) -> list[tuple[str, str]]:
    """The names and values of the choices for Ada."""
    interaction = await harness.ada.complete("show", "job", typed)
    await harness.discord.until(lambda: interaction.choices is not None, why="choices")
    return [(choice["name"], choice["value"]) for choice in interaction.choices or ()]


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ("nonsense", "That is no picture of mine."),
        ("0123456789abcdef-1", "That picture no longer exists."),
        ("https://discord.com/channels/1/2/3", "That is no picture of mine."),
        ("<@1> **x** " + "y" * 5900, "That is no picture of mine."),
    ],
)
async def test_what_is_no_job_is_refused(harness: BotHarness, job: str, sentence: str) -> None:
    """Privately, in one sentence."""
    interaction = await harness.ada.slash("show", job=job)
    assert sentence in await harness.refusal(interaction)


async def refused(harness: BotHarness, job: str) -> str:
    """The private response to /show; there is no public one."""
    before = harness.discord.messages()
    text = await harness.refusal(await harness.ada.slash("show", job=job))
    assert harness.discord.messages() == before
    return text


async def test_what_is_gone_is_refused(harness: BotHarness, engine: FakeEngine) -> None:
    """A removed picture, a failed job, a deleted one, and a number that the job does not have."""
    await harness.imagine()
    name = job_id(harness)
    assert "no longer exists" in await refused(harness, f"{name}-9")
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    assert "Moderators removed this" in await refused(harness, name)
    engine.failure = "Broken."
    await harness.imagine()
    assert "without a picture" in await refused(harness, job_id(harness))


async def test_a_deleted_job_says_so(harness: BotHarness) -> None:
    """Its author had it deleted."""
    await harness.imagine()
    name = job_id(harness)
    await eventually(lambda: harness.query("SELECT 1 FROM jobs WHERE delivered_at > 0"))
    await confirm_deletion(harness)
    assert await refused(harness, name) == "This was deleted at its author's request."


async def confirm_deletion(harness: BotHarness) -> None:
    """Ada has all of her data deleted."""
    question = await request_deletion(harness, harness.ada)
    await harness.ada.click(question, "Delete everything")
    await eventually(lambda: harness.query("SELECT 1 FROM jobs WHERE erased = 'wish'"))


async def test_jobs_of_other_places_are_not_shown(harness: BotHarness) -> None:
    """Those of another person's direct messages look like unknown ones; their author may show
    them anywhere."""
    secret = await harness.ada.slash("imagine", prompt="a secret", count=1, where=harness.ada.dm)
    await harness.result(secret)
    name = job_id(harness)
    ben = harness.discord.person("Ben")
    interaction = await ben.slash("show", job=name)
    assert await harness.refusal(interaction) == "That picture no longer exists."
    assert (await show(harness, name)).attachments


async def test_private_results_are_not_shown_to_others(harness: BotHarness) -> None:
    """Not in the channel of the request either."""
    interaction = await harness.ada.slash("imagine", prompt="a secret", count=1, private=True)
    await harness.discord.until(
        lambda: any(message.attachments for message in interaction.ephemerals), why="the result"
    )
    ben = await harness.discord.person("Ben").slash("show", job=job_id(harness))
    assert await harness.refusal(ben) == "That picture no longer exists."


async def test_private_results_stay_private(harness: BotHarness) -> None:
    """Only their user sees what is shown of them again, and their replays."""
    interaction = await harness.ada.slash("imagine", prompt="a secret", count=1, private=True)
    await harness.result(interaction)
    name = job_id(harness)
    for again in (
        await harness.ada.slash("show", job=name),
        await harness.ada.slash("replay", picture=name),
    ):
        assert (await harness.result(again)).ephemeral
    assert harness.discord.messages() == []


async def test_flagged_pictures_follow_the_new_channel(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """A picture that an age-restricted channel shows is withheld elsewhere."""
    engine.flagged = {1}
    await choose(harness, "spoiler")
    restricted = harness.discord.restricted
    painted = await harness.ada.slash("imagine", prompt="x", count=1, where=restricted)
    assert (await harness.result(painted)).attachments[0].spoiler
    for where, is_shown in ((restricted, True), (harness.ada.dm, False)):
        interaction = await harness.ada.slash("show", job=job_id(harness), where=where)
        message = await harness.result(interaction)
        assert ("withheld by the safety check" not in message.content) is is_shown


async def test_who_may_not_write_shows_nothing(harness: BotHarness) -> None:
    """The bot must be allowed to post, too."""
    await harness.imagine()
    name = job_id(harness)
    harness.discord.channel.bot_permissions = EVERYONE & ~Permission.ATTACH_FILES
    assert "Attach Files" in await refused(harness, name)


async def test_a_banned_word_of_the_new_server_is_not_shown(harness: BotHarness) -> None:
    """The message would have the prompt."""
    await harness.imagine()
    admin = harness.discord.person("Root", admin=True)
    await harness.refusal(await admin.slash("admin words add", word="house"))
    assert "banned on this server" in await refused(harness, job_id(harness))


async def test_an_interrupted_response_is_completed_after_a_restart(harness: BotHarness) -> None:
    """It is a row of `deliveries`."""
    grid = await harness.imagine()
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(delay=60.0))
    interaction: Interaction = await harness.ada.slash("show", job=job_id(harness))
    await eventually(lambda: harness.query(UNDELIVERED))
    await eventually(lambda: not harness.discord.faults.pending)
    await harness.stop()
    await harness.start()
    message = await harness.result(interaction)
    await harness.discord.until(lambda: message.attachments, why="the grid")
    assert message.attachments[0].data == grid.attachments[0].data
    assert harness.discord.messages() == [grid, message]
