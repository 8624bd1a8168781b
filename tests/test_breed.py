"""👍 votes, and /breed: the favourites of a channel are crossed."""

import asyncio
import json

import pytest

from bot.domain.job_input import InputRole
from bot.domain.kinds import blend, breed
from bot.domain.kinds.imagine import parse
from bot.domain.plan import PlanContext
from bot.domain.votes import Favourite, favourites
from bot.messages import vote_reader
from bot.playground import Fault, Message, Person
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.changing import painted
from tests.deletion import delete, ephemeral_response
from tests.fake_engine import MODEL, FakeEngine
from tests.samples import picture, recipe
from tests.steered_model import STEERED

VOTES = "SELECT * FROM votes"
PARENTS = (
    picture("j1", recipe=recipe(prompt="a red house", seed=3)),
    picture("j2", recipe=recipe(prompt="a blue boat", seed=4)),
)


def request(**options: object) -> breed.BreedRequest:
    """Three votes for the first picture, and one for the second."""
    return breed.BreedRequest(
        options=parse(prompt=blend.PROMPT, **options),
        votes=(3, 1),
    )


def test_parents_are_blended_by_their_votes() -> None:
    """Each child has them all as parents; the message has their words."""
    context = PlanContext(models=(MODEL, STEERED), seed=5, parents=PARENTS)
    plan = breed.plan(request(count=2), context)
    assert plan.prompt == "a red house × a blue boat"
    assert [edge.parent for edge in plan.edges] == ["j1-1", "j2-1"] * 2
    assert {item.role for item in plan.inputs} == {InputRole.BLEND}
    assert [item.picture_id for item in plan.inputs] == ["j1-1", "j2-1"]
    assert [item.scale for item in plan.recipes[0].recipe.references] == [0.75, 0.25]


def test_without_a_model_that_blends_words_and_noise_are_mixed() -> None:
    """The same seed makes the same children, and another one others."""
    context = PlanContext(models=(MODEL,), seed=5, parents=PARENTS)
    plan = breed.plan(request(seed=9), context)
    assert [work.prompt for work in plan.recipes] == ["a red house, a blue boat"] * 4
    first = plan.recipes[0].recipe
    assert (first.seed, first.subseeds[0].seed, first.subseeds[0].share) == (3, 4, 0.25)
    assert [work.recipe.subseeds[-1].seed for work in plan.recipes] == [9, 10, 11, 12]
    assert plan == breed.plan(request(seed=9), context)
    assert plan != breed.plan(request(seed=10), context)
    assert plan.inputs == ()


def favourite(job_id: str, nth: int, votes: int, *, is_chosen: bool) -> Favourite:
    """A picture with votes."""
    return Favourite(picture(job_id, nth), votes, is_chosen)


def test_favourites_are_of_different_jobs_first() -> None:
    """Siblings follow if users chose each of them, and not only their grid."""
    grid = [favourite("j1", nth, 2, is_chosen=False) for nth in (1, 2, 3)]
    assert favourites(grid, 2) == grid[:1]
    ranked = [
        favourite("j1", 1, 3, is_chosen=True),
        favourite("j1", 2, 2, is_chosen=True),
        favourite("j2", 1, 1, is_chosen=False),
    ]
    assert favourites(ranked, 2) == [ranked[0], ranked[2]]
    assert favourites(ranked, 5) == [ranked[0], ranked[2], ranked[1]]
    assert favourites([], 2) == []


# In Discord


async def vote(harness: BotHarness, message: Message, *people: Person) -> None:
    """Return when the votes are stored."""
    before = len(harness.query(VOTES))
    await asyncio.gather(*(person.react(message, "👍") for person in people))
    await eventually(lambda: len(harness.query(VOTES)) == before + len(people))


@pytest.fixture
def ben(harness: BotHarness) -> Person:
    """Another user."""
    return harness.discord.person("Ben")


async def test_favourites_are_crossed(harness: BotHarness, engine: FakeEngine, ben: Person) -> None:
    """Those of the channel with the most votes, in the order of their votes."""
    engine.models = (MODEL, STEERED)
    await harness.stop()
    await harness.start()
    house = await harness.imagine(count=1, prompt="a house", seed=30)
    boats = await harness.imagine(prompt="a boat", seed=40)
    boat = await harness.result(await harness.ada.click(boats, "U2"))
    await vote(harness, house, harness.ada)
    await vote(harness, boat, harness.ada, ben)
    elsewhere = await harness.ada.slash(
        "imagine", prompt="a cat", count=1, where=harness.discord.restricted
    )
    await vote(harness, await harness.result(elsewhere), harness.ada, ben)
    result = await harness.result(await ben.invoke("breed", {"seed": 5, "count": 2}))
    assert result.content.startswith(f"Bred: **a boat × a house** · <@{ben.id}>")
    first, second = painted(engine)
    assert (first.seed, first.subseeds[0].seed) == (41, 30)
    assert [item.scale for item in first.references] == pytest.approx([2 / 3, 1 / 3])
    assert [work.subseeds[-1].seed for work in (first, second)] == [5, 6]
    parents = harness.query("SELECT DISTINCT parent FROM lineage WHERE relation = 'blend'")
    assert len(parents) == 2
    again = await harness.result(await harness.ada.invoke("breed", {"seed": 5, "count": 2}))
    assert painted(engine) == (first, second)
    await harness.result(await harness.ada.click(again, "V1"))


async def test_favourites_are_crossed_without_an_adapter(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Two pictures of one grid, if users chose each."""
    grid = await harness.imagine()
    for label in ("U1", "U3"):
        single = await harness.result(await harness.ada.click(grid, label))
        await vote(harness, single, harness.ada)
    result = await harness.result(await harness.ada.slash("breed"))
    assert result.buttons == ALL_BUTTONS
    first = painted(engine)[0]
    assert {first.seed, first.subseeds[0].seed} == {7, 9}
    typed = "a castle --count 2 --seed 3"
    result = await harness.result(await harness.ada.slash("breed", prompt=typed, count=1))
    assert [item.prompt for item in painted(engine)] == ["a castle"]
    assert "The option count counts, so --count 2 has no effect." in result.content
    for prompt, sentence in (
        ("a castle --ar 3:2", "There is no flag --ar here. These are: --seed, --count, --model."),
        ("a {red, blue} castle", "Permutations and wildcards, as in `{red, blue} __animals__`, do"),
    ):
        refused = await harness.refusal(await harness.ada.slash("breed", prompt=prompt))
        assert refused.startswith(sentence)


async def test_too_few_favourites_are_refused(harness: BotHarness) -> None:
    """In one private sentence; a grid with votes is one favourite."""
    refusal = await harness.refusal(await harness.ada.slash("breed"))
    assert refusal.startswith("This channel has no favourites of the last 24 hours, and it takes")
    grid = await harness.imagine()
    await vote(harness, grid, harness.ada)
    refusal = await harness.refusal(await harness.ada.slash("breed", days=2))
    assert refusal.startswith("This channel has one favourite of the last 2 days, and it takes two")
    for name, value, allowed in (("favourites", 6, "2 to 5"), ("days", 0, "1 to 7")):
        interaction = await harness.ada.invoke("breed", {name: value}, checked=False)
        expected = f"The option {name} is {value}; it must be {allowed}."
        assert await harness.refusal(interaction) == expected


async def test_a_vote_ends_with_its_reaction(harness: BotHarness, ben: Person) -> None:
    """Added again it counts again, also after a restart; moderators can clear all."""
    grid = await harness.imagine()
    await vote(harness, grid, harness.ada, ben)
    await harness.ada.unreact(grid, "👍")
    await eventually(lambda: [row["person"] for row in harness.query(VOTES)] == [ben.id])
    await harness.stop()
    await harness.start()
    await vote(harness, grid, harness.ada)
    await harness.discord.person("Mo", moderator=True).clear_reactions(grid, "👍")
    await eventually(lambda: not harness.query(VOTES))


async def test_votes_are_exported_and_deleted(harness: BotHarness, ben: Person) -> None:
    """Those that a user gave, also without jobs; and those for a deleted job."""
    grid = await harness.imagine()
    await vote(harness, grid, ben)
    response = await ephemeral_response(await ben.slash("privacy show"))
    assert "I store 1 vote of yours." in response.content
    [record] = json.loads(response.attachments[0].data)
    [row] = harness.query(VOTES)
    assert (record["vote_for"], record["message"]) == (row["job"], str(grid.id))
    assert "1 vote" in await delete(harness, ben)
    assert harness.query(VOTES) == []
    second_grid = await harness.imagine()
    await vote(harness, second_grid, ben)
    await delete(harness)
    assert harness.query(VOTES) == []


async def test_votes_of_the_time_when_the_bot_was_away(harness: BotHarness, ben: Person) -> None:
    """They are read from Discord before favourites are chosen: new ones, and those taken back."""
    house = await harness.imagine(count=1, prompt="a house", seed=30)
    boat = await harness.imagine(count=1, prompt="a boat", seed=40)
    cat = await harness.imagine(count=1, prompt="a cat", seed=50)
    await vote(harness, cat, harness.ada, ben)
    await harness.stop()
    await harness.ada.unreact(cat, "👍")
    await ben.unreact(cat, "👍")
    await harness.ada.react(house, "👍🏽")
    await asyncio.gather(*(person.react(boat, "👍") for person in (harness.ada, ben)))
    await harness.start()
    result = await harness.result(await ben.invoke("breed", {"seed": 5, "count": 1}))
    assert result.content.startswith("Bred: **a boat × a house**")
    rows = harness.query("SELECT message, count(*) AS votes FROM votes GROUP BY message")
    assert {row["message"]: row["votes"] for row in rows} == {boat.id: 2, house.id: 1}


async def test_votes_are_caught_up_by_few_requests(harness: BotHarness, ben: Person) -> None:
    """One, if nothing has changed; and none of the votes of blocked users or bots."""
    grid = await harness.imagine()
    await vote(harness, grid, ben)
    await harness.refusal(await harness.ada.slash("breed"))
    path = f"/channels/{harness.discord.channel.id}/messages"
    requests = [r for r in harness.discord.requests if r.method == "GET" and path in r.path]
    assert len(requests) == 1
    admin = harness.discord.person("Root", admin=True)
    zoe = harness.discord.person("Zoe")
    await admin.slash("admin block", person=zoe, reason="spam")
    await eventually(lambda: harness.query("SELECT * FROM blocks"))
    await harness.stop()
    await zoe.react(grid, "👍")
    await harness.start()
    await harness.refusal(await harness.ada.slash("breed"))
    assert [row["person"] for row in harness.query(VOTES)] == [ben.id]


async def test_a_vote_of_the_time_when_votes_are_read(harness: BotHarness, ben: Person) -> None:
    """It is not taken for one that was taken back; two requests read once."""
    house = await harness.imagine(count=1, prompt="a house")
    boat = await harness.imagine(count=1, prompt="a boat")
    await harness.stop()
    await asyncio.gather(*(harness.ada.react(item, "👍") for item in (house, boat)))
    await harness.start()
    release, path = asyncio.Event(), f"/messages/{house.id}/reactions"
    harness.discord.faults.next("GET", path, Fault(until=release))
    for _ in range(2):
        await harness.refusal(await harness.ada.slash("breed"))
    await ben.react(boat, "👍")
    mine = f"{VOTES} WHERE person = {ben.id}"
    await eventually(lambda: harness.query(mine))
    release.set()
    await eventually(lambda: len(harness.query(VOTES)) == 3)
    assert harness.query(mine)
    path = f"/channels/{harness.discord.channel.id}/messages?"
    requests = [r for r in harness.discord.requests if r.method == "GET" and path in f"{r.path}?"]
    assert len(requests) == 1


async def test_a_message_with_more_votes_than_are_read(
    harness: BotHarness, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are not read are not taken back."""
    monkeypatch.setattr(vote_reader, "_MAX_VOTERS", 1)
    grid = await harness.imagine()
    await vote(harness, grid, harness.ada, ben)
    await harness.stop()
    await harness.discord.person("Zoe").react(grid, "👍")
    await harness.start()
    await harness.refusal(await harness.ada.slash("breed"))
    voters = {row["person"] for row in harness.query(VOTES)}
    assert voters >= {harness.ada.id, ben.id}


async def test_discord_does_not_tell_the_votes(harness: BotHarness, ben: Person) -> None:
    """Then those count that are known."""
    for prompt in ("a house", "a boat"):
        await vote(harness, await harness.imagine(count=1, prompt=prompt), ben)
    harness.discord.faults.next("GET", "/channels/", Fault(status=503), times=100)
    result = await harness.result(await ben.invoke("breed", {"count": 1}))
    assert result.content.startswith("Bred: ")
