"""What users see when Discord refuses a request, by the meaning of the refusal."""

import asyncio

import pytest

from bot.playground import Channel, Fault, Interaction, Message, Person, Upload
from tests.bot_harness import BotHarness, eventually
from tests.delivering import running_job, wait_for_delivered_jobs, wait_until_delivered
from tests.fake_engine import FakeEngine
from tests.reporting import cards, report, response_text

JUNK = Upload("a.png", b"junk")
NO_FAULT = Fault()
"""The request is executed."""


async def shown_progress(harness: BotHarness, interaction: Interaction) -> Message:
    """The original response, once it shows the job."""
    await harness.discord.until(
        lambda: interaction.original and interaction.original.buttons, why="progress"
    )
    assert interaction.original is not None
    return interaction.original


async def refused_sketch(harness: BotHarness, where: Channel) -> tuple[Interaction, asyncio.Event]:
    """A job with a broken sketch, which is downloaded after the event."""
    download = asyncio.Event()
    harness.discord.faults.next("GET", "/attachments/", Fault(until=download))
    interaction = await harness.ada.slash("imagine", where=where, prompt="a house", sketch=JUNK)
    await shown_progress(harness, interaction)
    return interaction, download


@pytest.mark.parametrize(
    "followup", [NO_FAULT, Fault(status=404, code=10008)], ids=["taken", "refused once"]
)
async def test_a_refusal_arrives_though_the_response_was_deleted(
    harness: BotHarness, followup: Fault
) -> None:
    """Discord may take the first followup for an edit of the deleted response."""
    interaction, download = await refused_sketch(harness, harness.discord.channel)
    assert interaction.original is not None
    await harness.discord.person("Mo", moderator=True).delete(interaction.original)
    harness.discord.faults.next("POST", "/webhooks/", followup)
    download.set()
    assert "PNG, JPEG, WebP" in await harness.refusal(interaction)
    await wait_until_delivered(harness)
    assert harness.discord.messages() == []


async def test_a_refusal_arrives_in_an_archived_thread(harness: BotHarness) -> None:
    """The thread is opened for it, because the public response is deleted."""
    thread = harness.discord.add_thread(harness.discord.channel, "sketches")
    interaction, download = await refused_sketch(harness, thread)
    harness.discord.archive(thread)
    download.set()
    assert "PNG, JPEG, WebP" in await harness.refusal(interaction)
    await wait_until_delivered(harness)
    assert harness.discord.messages(thread) == []


@pytest.mark.parametrize(
    "followup", [NO_FAULT, Fault(status=404, code=10008)], ids=["taken", "refused once"]
)
async def test_an_error_is_reported_though_the_response_was_deleted(
    harness: BotHarness, followup: Fault
) -> None:
    """A moderator deletes it while the picture is uploaded."""
    grid = await harness.imagine()
    upload = asyncio.Event()
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(until=upload))
    interaction = await harness.ada.click(grid, "U2")
    await eventually(lambda: harness.discord.faults.pending == 0)
    assert interaction.original is not None
    await harness.discord.person("Mo", moderator=True).delete(interaction.original)
    harness.discord.faults.next("POST", "/webhooks/", followup)
    upload.set()
    assert "Discord rejected my response" in await harness.refusal(interaction)


async def test_a_repeated_response_counts_as_sent(
    harness: BotHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """Discord refuses it (40060), because only the reply to the first one was lost."""
    harness.discord.faults.next("POST", "/callback", Fault(drop=True, after_commit=True))
    refused = await harness.ada.slash("imagine", prompt="a", seed=-2, checked=False)
    assert "seed is -2" in await harness.refusal(refused)
    await harness.imagine()
    assert "Could not respond" not in caplog.text
    harness.discord.violations.clear()  # the repeated response is a violation


@pytest.mark.parametrize(
    "fault",
    [Fault(status=403, html=True), Fault(status=404, html=True), Fault(status=401, code=50014)],
    ids=["blocked by Cloudflare", "page of a load balancer", "invalid bot token"],
)
async def test_a_refusal_that_is_not_about_the_channel_loses_no_job(
    harness: BotHarness, fault: Fault
) -> None:
    """The message is sent later."""
    grid = await harness.imagine()
    harness.discord.faults.next("POST", "/channels/", fault, times=2)
    await harness.ada.react(grid, "🔁")
    await wait_for_delivered_jobs(harness, 2)
    assert [row["status"] for row in harness.query("SELECT status FROM jobs")] == ["done"] * 2
    assert "U1" in harness.discord.messages()[-1].buttons


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(status=503, html=True), "could not delete 1 of 1"),
        (Fault(status=404, html=True), "could not delete 1 of 1"),
        (Fault(status=403, code=50001), "could not delete 1 of 1"),
        (Fault(status=404, code=10008), "and all of my messages"),
    ],
)
async def test_only_a_missing_message_counts_as_deleted(
    harness: BotHarness, mo: Person, fault: Fault, sentence: str
) -> None:
    """The page of a proxy and missing access say nothing about it."""
    grid = await harness.imagine()
    harness.discord.faults.next("DELETE", "/channels/", fault)
    interaction = await mo.use("Remove picture", grid)
    assert sentence in await response_text(harness, interaction)


async def test_a_card_in_an_inaccessible_channel_is_replaced(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """The moderators chose another channel, and the bot lost access to the first."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    harness.discord.faults.next(
        "PATCH", f"/channels/{mod_channel.id}", Fault(status=403, code=50001)
    )
    await report(harness, harness.discord.person("Cy"), grid)
    assert len(cards(harness, mod_channel)) == 2


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(status=503, html=True), "Discord has a problem (503 Service Unavailable)"),
        (Fault(status=403, code=50001), "Give me the permissions"),
    ],
)
async def test_a_mod_channel_that_cannot_be_used_has_a_reason(
    harness: BotHarness, mod_channel: Channel, fault: Fault, sentence: str
) -> None:
    """Permissions are not blamed for an outage, and the page of a proxy is not quoted."""
    harness.discord.faults.next("POST", f"/channels/{mod_channel.id}", fault)
    admin = harness.discord.person("Admin", admin=True)
    interaction = await admin.slash("admin moderators", channel=mod_channel)
    text = await response_text(harness, interaction)
    assert sentence in text and "I changed nothing" in text and "<html>" not in text


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=503, html=True), "Discord has a problem"),
        (Fault(status=400, code=50035), "did not accept them"),
        (Fault(status=403, code=20026), "does not let me open new DMs"),
    ],
)
async def test_a_dm_that_was_not_sent_is_reported(
    harness: BotHarness, fault: Fault, reason: str
) -> None:
    """In the channel, for a short time."""
    grid = await harness.imagine()
    harness.discord.faults.next("POST", "/users/@me/channels", fault)
    await harness.ada.react(grid, "✉️")
    await harness.discord.until(lambda: len(harness.discord.messages()) > 1, why="a reply")
    assert reason in harness.discord.messages()[-1].content


async def test_progress_is_shown_without_a_refused_preview(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The server may have lost the right to upload files."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    message = await shown_progress(harness, interaction)
    await eventually(lambda: engine.paints)
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(status=403, code=400001))
    engine.gate.set()
    engine.gate.clear()  # one step, which has a preview
    await harness.discord.until(lambda: "Painting" in message.content, why="the step")
    assert harness.discord.faults.pending == 0 and not message.attachments


# Pictures that nobody can see


@pytest.mark.parametrize("lost", ["message", "thread", "channel", "guild"])
async def test_a_job_that_ends_unseen_costs_nothing(
    harness: BotHarness, engine: FakeEngine, lost: str
) -> None:
    """Nothing was shown between the loss and the end. The record stays as a sample of costs."""
    thread = harness.discord.add_thread(harness.discord.channel, "sketches")
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", where=thread, prompt="a house", steps=1)
    message = await shown_progress(harness, interaction)
    await eventually(lambda: engine.paints)
    if lost == "message":
        await harness.discord.person("Mo", moderator=True).delete(message)
    elif lost == "thread":
        harness.discord.delete_channel(thread)
    elif lost == "channel":
        harness.discord.delete_channel(harness.discord.channel)
    else:
        harness.discord.remove_bot(harness.discord.world.default_guild)
    engine.gate.set()
    await wait_until_delivered(harness)
    await harness.stop()
    assert [row["status"] for row in harness.query("SELECT status FROM jobs")] == ["done"]
    assert [row["person"] for row in harness.query("SELECT person FROM usage")] == [0]


async def test_a_job_in_a_locked_thread_costs_nothing(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its result cannot be shown there."""
    thread = harness.discord.add_thread(harness.discord.channel, "sketches")
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", where=thread, prompt="a house", steps=1)
    await shown_progress(harness, interaction)
    harness.discord.archive(thread, locked=True)
    engine.gate.set()
    await wait_until_delivered(harness)
    assert [row["person"] for row in harness.query("SELECT person FROM usage")] == [0]


async def test_a_cancelled_job_is_paid_for_though_its_message_is_deleted(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """❌ does both; otherwise it would make all cancelled jobs free."""
    interaction = await running_job(harness, engine)
    await eventually(lambda: engine.paints)
    await harness.ada.react(await shown_progress(harness, interaction), "❌")
    await eventually(lambda: harness.query("SELECT * FROM usage"))
    await wait_until_delivered(harness)
    await harness.stop()
    assert [row["person"] for row in harness.query("SELECT person FROM usage")] == [harness.ada.id]
