"""/breed with a poll: members vote, and its winners are crossed."""

import asyncio
import json
from functools import partial

import pytest

from bot.domain.polls import Winner, winners
from bot.features import breed_poll
from bot.playground import Channel, Fault, Interaction, Message, Permission, Person
from bot.playground.model.permissions import EVERYONE
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.changing import painted
from tests.deletion import delete, ephemeral_response
from tests.fake_engine import FakeEngine
from tests.reporting import response_text
from tests.test_breed import vote

POLLS = "SELECT * FROM polls"
HOUR = 3600
END = "End the poll now"


def test_winners_have_votes() -> None:
    """Those with the most come first; of equals, the first of the poll."""
    ids = ("a-1", "b-1", "c-2")
    assert winners(ids, {1: 1, 2: 3, 3: 1}, 2) == [Winner("b-1", 3), Winner("a-1", 1)]
    assert winners(ids, {2: 1, 3: 0}, 3) == [Winner("b-1", 1)]
    assert winners(ids, {}, 2) == []


@pytest.fixture
def ben(harness: BotHarness) -> Person:
    """Another user."""
    return harness.discord.person("Ben")


async def favourites(harness: BotHarness, ben: Person) -> None:
    """A house with two 👍, a boat and a cat with one."""
    for prompt, seed in (("a house", 30), ("a boat", 40), ("a cat", 50)):
        message = await harness.imagine(count=1, prompt=prompt, seed=seed)
        await vote(harness, message, *([harness.ada, ben] if seed == 30 else [ben]))


async def poll_of(harness: BotHarness, where: Channel | None = None) -> Message:
    """The newest poll in a channel."""
    await eventually(lambda: harness.query(POLLS))
    return next(m for m in reversed(harness.discord.messages(where)) if m.poll)


async def started(harness: BotHarness, **options: int | str) -> tuple[Message, Message]:
    """The message with the pictures, and the poll."""
    interaction = await harness.ada.invoke("breed", {"poll": 1, "seed": 5, "count": 2, **options})
    ballot = await harness.result(interaction)
    await harness.discord.until(lambda: ballot.attachments, why="the pictures")
    return ballot, await poll_of(harness)


def end(harness: BotHarness) -> None:
    """Let the hour of the poll pass."""
    harness.discord.clock.advance(HOUR + 60)


async def reply(harness: BotHarness, poll: Message) -> Message:
    """The bot's reply to the poll, once it is finished."""

    def replies() -> list[Message]:
        messages = harness.discord.messages()
        return [m for m in messages if m.reference is poll and m.content and not m.loading]

    await harness.discord.until(
        lambda: replies() and "✖ Cancel" not in replies()[0].buttons, why="a reply"
    )
    return replies()[0]


async def test_winners_are_crossed(harness: BotHarness, engine: FakeEngine, ben: Person) -> None:
    """The poll has the favourites, in order; its votes decide, and not the 👍."""
    await favourites(harness, ben)
    ballot, poll = await started(harness)
    assert poll.poll is not None and poll.reference is ballot
    assert [answer["text"] for answer in poll.poll.answers] == ["a house", "a cat", "a boat"]
    assert [answer["emoji"]["name"] for answer in poll.poll.answers] == ["1️⃣", "2️⃣", "3️⃣"]
    assert poll.poll.allow_multiselect
    assert ballot.content.splitlines()[1:] == ["**1** a house", "**2** a cat", "**3** a boat"]
    assert ballot.attachments[0].description == "1: a house; 2: a cat; 3: a boat"
    await harness.ada.vote(poll, 2, 3)
    await ben.vote(poll, 3)
    end(harness)
    result = await reply(harness, poll)
    assert result.content.startswith(f"Bred: **a boat × a cat** · <@{harness.ada.id}>")
    assert [work.subseeds[-1].seed for work in painted(engine)] == [5, 6]
    assert painted(engine)[0].seed == 40
    await eventually(lambda: not harness.query(POLLS))
    await harness.result(await ben.click(result, "V1"))


async def test_a_poll_that_ends_while_the_bot_is_away(
    harness: BotHarness, engine: FakeEngine, ben: Person
) -> None:
    """It is evaluated at the next start, once; an open one waits."""
    await favourites(harness, ben)
    _, poll = await started(harness)
    await harness.ada.vote(poll, 1, 2)
    await harness.stop()
    await harness.start()
    jobs = len(harness.query("SELECT * FROM jobs"))
    await harness.stop()
    end(harness)
    await harness.start()
    assert (await reply(harness, poll)).buttons == ["U1", "U2", "🔄", "✏️", "V1", "V2"]
    await harness.stop()
    await harness.start()
    assert len(harness.query("SELECT * FROM jobs")) == jobs + 1
    assert harness.query(POLLS) == []


async def test_a_result_that_discord_does_not_give_is_read_again(
    harness: BotHarness, ben: Person
) -> None:
    """At the next connection, if need be."""
    await favourites(harness, ben)
    _, poll = await started(harness)
    await harness.ada.vote(poll, 1, 2)
    harness.discord.faults.next("GET", f"/messages/{poll.id}", Fault(status=503), times=100)
    end(harness)
    await harness.discord.until(lambda: harness.discord.messages()[-1].reference, why="the end")
    await harness.stop()
    assert len(harness.query(POLLS)) == 1
    harness.discord.faults.clear()
    await harness.start()
    assert (await reply(harness, poll)).content.startswith("Bred: ")


async def test_a_poll_whose_user_has_too_many_jobs(
    harness: BotHarness, engine: FakeEngine, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until they are done."""
    await favourites(harness, ben)
    _, poll = await started(harness)
    await harness.ada.vote(poll, 1, 2)
    engine.gate.clear()
    for _ in range(5):
        await (await harness.ada.slash("imagine", prompt="a dog")).acknowledged()
    await eventually(lambda: len(harness.query("SELECT * FROM jobs WHERE ended_at IS NULL")) == 5)
    monkeypatch.setattr(breed_poll, "_DELAYS", (0.1,) * 300)
    end(harness)
    await harness.discord.until(
        lambda: any(item.reference is poll for item in harness.discord.messages()), why="the end"
    )
    engine.gate.set()
    assert (await reply(harness, poll)).content.startswith("Bred: **a house × a cat**")


async def test_the_poll_is_ended_by_a_button(harness: BotHarness, ben: Person) -> None:
    """By who started it, or a moderator; after that it says so."""
    await favourites(harness, ben)
    ballot, poll = await started(harness)
    await ben.vote(poll, 1, 3)
    refusal = await harness.refusal(await ben.click(ballot, END))
    assert refusal == "Only the user who started this poll and moderators can end it."
    await harness.stop()
    await harness.start()
    moderator = harness.discord.person("Mo", moderator=True)
    release = asyncio.Event()
    harness.discord.faults.next("POST", f"/polls/{poll.id}/expire", Fault(until=release))
    click = await moderator.click(ballot, END)
    await click.acknowledged()  # Discord waits three seconds for it
    release.set()
    assert await response_text(harness, click) == "The poll has ended."
    assert (await reply(harness, poll)).content.startswith("Bred: **a house × a boat**")
    await eventually(lambda: not harness.query(POLLS))
    refusal = await harness.refusal(await harness.ada.click(ballot, END))
    assert refusal == "That poll has ended already."


async def test_too_few_votes(harness: BotHarness, ben: Person) -> None:
    """One sentence as a reply, and nothing is crossed."""
    await favourites(harness, ben)
    _, poll = await started(harness)
    await ben.vote(poll, 2)
    end(harness)
    assert "fewer than two pictures" in (await reply(harness, poll)).content
    await eventually(lambda: not harness.query(POLLS))


async def test_pictures_that_are_deleted_meanwhile(harness: BotHarness, ben: Person) -> None:
    """The next ones take their place; the settings of the poll go with its user's data."""
    house = await harness.imagine(ben, count=1, prompt="a house", seed=30)
    await vote(harness, house, harness.ada, ben)
    for prompt in ("a boat", "a cat"):
        await vote(harness, await harness.imagine(count=1, prompt=prompt), harness.ada)
    _, poll = await started(harness)
    await harness.ada.vote(poll, 1, 2, 3)
    await delete(harness, ben)
    end(harness)
    assert (await reply(harness, poll)).content.startswith("Bred: **a cat × a boat**")


async def test_pictures_that_moderators_remove(harness: BotHarness, ben: Person) -> None:
    """Nothing shows them any more, and they are not crossed."""
    await favourites(harness, ben)
    house = harness.discord.messages()[0]
    ballot, poll = await started(harness)
    await harness.ada.vote(poll, 1, 2, 3)
    moderator = harness.discord.person("Mo", moderator=True)
    text = (await ephemeral_response(await moderator.use("Remove picture", house))).content
    assert "all of my messages" in text
    assert not {ballot.id, house.id} & {message.id for message in harness.discord.messages()}
    assert harness.query("SELECT * FROM ballots") == []
    end(harness)
    assert (await reply(harness, poll)).content.startswith("Bred: **a cat × a boat**")


async def test_polls_are_exported_and_deleted(harness: BotHarness, ben: Person) -> None:
    """Also if there is nothing else of their user; then nothing is crossed."""
    await favourites(harness, ben)
    zoe = harness.discord.person("Zoe")
    await harness.result(await zoe.slash("breed", poll=2, prompt="a secret"))
    await eventually(lambda: harness.query(POLLS))
    response = await ephemeral_response(await zoe.slash("privacy show"))
    assert "I store 1 poll of yours." in response.content
    [record] = json.loads(response.attachments[0].data)
    assert len(record["poll_about"]) == 3 and record["options"]["prompt"] == "a secret"
    assert "1 poll" in await delete(harness, zoe)
    assert harness.query(POLLS) == []


async def test_a_poll_whose_message_is_deleted(harness: BotHarness, ben: Person) -> None:
    """It is forgotten."""
    await favourites(harness, ben)
    _, poll = await started(harness)
    await harness.discord.person("Mo", moderator=True).delete(poll)
    await harness.stop()
    await harness.start()
    await eventually(lambda: not harness.query(POLLS))


async def test_refusals(harness: BotHarness, ben: Person) -> None:
    """Before anything public, each in one private sentence."""

    async def refused(**options: int) -> str:
        interaction: Interaction = await harness.ada.invoke("breed", options, checked=False)
        return await harness.refusal(interaction)

    assert await refused(poll=0) == "The option poll is 0; it must be 1 to 168."
    assert (await refused(poll=1)).startswith("This channel has no favourites")
    await favourites(harness, ben)
    deny = partial(harness.discord.set_bot_permissions, harness.discord.channel)
    deny(EVERYONE & ~Permission.SEND_POLLS)
    assert "the permission Create Polls in this channel" in await refused(poll=1)
    deny(EVERYONE)
    guild = harness.discord.add_foreign_guild("Elsewhere", has_commands=True)
    harness.ada.join(guild)
    interaction = await harness.ada.slash("breed", where=guild.channel, poll=1)
    assert (await harness.refusal(interaction)).startswith("I am no member of this server")
    assert harness.query(POLLS) == []


async def test_a_user_has_three_polls(harness: BotHarness, ben: Person) -> None:
    """More are refused in private; other users have their own."""
    await favourites(harness, ben)
    for _ in range(3):
        await started(harness)
    refusal = await harness.refusal(await harness.ada.invoke("breed", {"poll": 1}))
    assert refusal.startswith("You have 3 polls that have not ended")
    await harness.result(await ben.invoke("breed", {"poll": 1}))


async def test_long_and_hostile_prompts(harness: BotHarness, ben: Person) -> None:
    """Answers have at most 55 characters, and nobody is mentioned."""
    prompt = "@everyone **x** " + "word " * 30
    for seed in (1, 2):
        message = await harness.imagine(count=1, prompt=prompt, seed=seed, raw=True)
        await vote(harness, message, ben)
    ballot, poll = await started(harness)
    assert poll.poll is not None
    assert {len(answer["text"]) for answer in poll.poll.answers} == {55}
    assert "**x**" not in ballot.content and "@everyone" not in ballot.content
    assert not ballot.mentions.everyone
    await ben.vote(poll, 1, 2)
    end(harness)
    assert (await reply(harness, poll)).buttons[:2] == ALL_BUTTONS[:2]
