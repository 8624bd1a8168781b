"""What a server refuses: banned words, blocked people, and the one rule; on the local Discord."""

import pytest

from bot.playground import Person
from bot.playground.client.options import Value
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.fake_engine import FakeEngine
from tests.house import House, eventually


def admin(house: House) -> Person:
    """One who manages the server."""
    return house.discord.person("Eve", admin=True)


async def told(house: House, person: Person, command: str, /, **values: Value) -> str:
    """What somebody is told by a command of the admins'."""
    asked = await person.invoke(f"admin {command}", values)
    await house.discord.until(
        lambda: asked.ephemerals and not asked.ephemerals[0].loading, why="a private answer"
    )
    return asked.ephemerals[0].content


async def log_of(house: House, person: Person) -> str:
    """The newest page of the audit log."""
    return await told(house, person, "audit")


async def test_a_banned_word_is_refused_in_private(house: House, engine: FakeEngine) -> None:
    """Nothing is queued or shown to others, and the log has a line with what stood around it."""
    eve = admin(house)
    assert await told(house, eve, "words add", word="Blood") == "“blood” is now banned."
    asked = await house.ada.slash("imagine", prompt="a house of B1OOD")
    assert await house.refusal(asked) == (
        "The prompt has a word that is banned on this server. Nothing was queued."
    )
    assert house.discord.messages() == []
    assert house.query("SELECT * FROM jobs") == []
    assert engine.paints == []
    log = await log_of(house, eve)
    assert f"<@{house.ada.id}> refused" in log
    assert "rule words: blood; in “a house of B1OOD”" in log
    assert f"<@{eve.id}> word added: blood" in log


async def test_the_one_rule_needs_no_list_and_keeps_no_prompt(house: House) -> None:
    """Also in direct messages; the record holds the terms and a digest."""
    for where in (None, house.ada.dm):
        asked = await house.ada.slash("imagine", prompt="ice, nude child", where=where)
        assert "no sexual content with minors" in await house.refusal(asked)
    rows = house.query("SELECT * FROM audit ORDER BY id")
    assert [row["guild"] is None for row in rows] == [False, True]
    for row in rows:
        assert row["detail"].startswith("rule minors: child, nude*; sha256 ")
        assert "ice" not in row["detail"]
        assert (row["actor"], row["action"]) == (house.ada.id, "refused")
    assert house.query("SELECT * FROM jobs") == []


async def test_a_negative_prompt_counts_only_where_it_takes_away(
    house: House, engine: FakeEngine
) -> None:
    """And not at all without guidance, for then nothing is taken away."""
    await told(house, admin(house), "words add", word="blood")
    await house.imagine(prompt="a house", negative="blood, nude, child")
    await house.imagine(prompt="a child at a lake", negative="clothes", guidance=1.0)
    asked = await house.ada.slash("imagine", prompt="a child at a lake", negative="clothes")
    assert "minors" in await house.refusal(asked)
    assert len(engine.paints) == 2


@pytest.mark.parametrize("label", ["🔄", "V2"])
async def test_what_is_banned_later_is_not_painted_again(
    house: House, engine: FakeEngine, label: str
) -> None:
    """By no button; the old picture can still be seen."""
    grid = await house.imagine(prompt="a red house")
    await told(house, admin(house), "words add", word="red house")
    assert "banned on this server" in await house.refusal(await house.ada.click(grid, label))
    assert len(engine.paints) == 1
    assert (await house.result(await house.ada.click(grid, "U1"))).attachments


async def test_a_reaction_is_refused_without_saying_why_to_all(
    house: House, engine: FakeEngine
) -> None:
    """The one sentence there goes away by itself."""
    grid = await house.imagine(prompt="a red house")
    await told(house, admin(house), "words add", word="red")
    await house.ada.react(grid, "🔁")
    await house.discord.until(lambda: len(house.discord.messages()) == 2, why="an answer")
    assert house.discord.messages()[-1].content == "This is not allowed here."
    assert len(engine.paints) == 1
    assert len(house.query("SELECT * FROM audit WHERE action = 'refused'")) == 1


async def test_lists_belong_to_their_server(house: House) -> None:
    """Elsewhere the word is a word."""
    await told(house, admin(house), "words add", word="red")
    other = house.discord.add_guild("Another")
    house.ada.join(other)
    message = await house.result(
        await house.ada.slash("imagine", prompt="a red house", where=other.channel)
    )
    assert message.attachments
    direct = await house.ada.slash("imagine", prompt="a red house", where=house.ada.dm)
    assert (await house.result(direct)).attachments


async def test_words_are_listed_and_allowed_again(house: House) -> None:
    """In the order of the alphabet."""
    eve = admin(house)
    assert await told(house, eve, "words list") == "No word is banned here."
    await told(house, eve, "words add", word="pear")
    await told(house, eve, "words add", word="apple*")
    assert await told(house, eve, "words add", word="PEAR") == "“pear” is already banned."
    assert await told(house, eve, "words list") == "apple\\*\npear"
    assert await told(house, eve, "words remove", word="Pear") == "“pear” is allowed again."
    assert "is not banned" in await told(house, eve, "words remove", word="pear")
    assert "two letters" in await told(house, eve, "words add", word="!!")
    assert (await house.imagine(prompt="a pear")).attachments


async def test_a_blocked_person_is_told_so_and_others_are_not(
    house: House, engine: FakeEngine
) -> None:
    """Until they are unblocked; and only in that server."""
    eve = admin(house)
    grid = await house.imagine()
    answer = await told(house, eve, "block", person=house.ada, reason="rude pictures")
    assert answer == f"<@{house.ada.id}> is blocked in this server."
    sentence = "Moderators of this server have blocked you from using me here: rude pictures"
    for label in ("U1", "V1", "🔄"):
        assert await house.refusal(await house.ada.click(grid, label)) == sentence
    assert await house.refusal(await house.ada.slash("imagine", prompt="a house")) == sentence
    await house.ada.react(grid, "✉️")
    await house.discord.until(lambda: len(house.discord.messages()) == 2, why="an answer")
    assert house.discord.messages()[-1].content == "This is not allowed here."
    assert house.discord.dms(house.ada) == []
    direct = await house.ada.slash("imagine", prompt="a house", where=house.ada.dm)
    assert (await house.result(direct)).attachments
    assert "rude pictures" in await told(house, eve, "blocked")
    assert "is already blocked" in await told(
        house, eve, "block", person=house.ada, reason="rude pictures"
    )
    assert "is no longer blocked here" in await told(house, eve, "unblock", person=house.ada)
    assert "is not blocked" in await told(house, eve, "unblock", person=house.ada)
    assert await told(house, eve, "blocked") == "Nobody is blocked here."
    assert (await house.imagine()).attachments


async def test_blocking_cancels_what_is_not_finished(house: House, engine: FakeEngine) -> None:
    """In that server alone, and of that person alone."""
    engine.gate.clear()
    ben = house.discord.person("Ben")
    here = await house.ada.slash("imagine", prompt="mine")
    bens = await ben.slash("imagine", prompt="theirs")
    direct = await house.ada.slash("imagine", prompt="alone", where=house.ada.dm)
    await eventually(lambda: len(engine.paints) == 3)
    answer = await told(house, admin(house), "block", person=house.ada, reason="x")
    assert "Cancelled their unfinished jobs (1)" in answer
    assert (await house.result(here)).content.endswith("Cancelled.")
    engine.gate.set()
    assert (await house.result(bens)).attachments
    assert (await house.result(direct)).attachments


async def test_blocks_outlive_a_restart(house: House) -> None:
    """They are in the record."""
    await told(house, admin(house), "block", person=house.ada, reason="x")
    await house.stop()
    await house.start()
    assert "blocked you" in await house.refusal(await house.ada.slash("imagine", prompt="a"))


@pytest.mark.parametrize("command", ["words list", "blocked", "audit", "moderators"])
async def test_only_those_who_manage_the_server_or_moderate_it_decide(
    house: House, command: str
) -> None:
    """Whomever the server shows /admin to."""
    sent = await admin(house).slash(f"admin {command}")
    forged = house.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND, house.ada.user, house.discord.channel, sent.data
    )
    house.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), forged.channel)
    assert "Only people who manage or moderate this server" in await house.refusal(forged)
    await sent.finished()


async def test_the_log_has_pages(house: House) -> None:
    """The newest first."""
    eve = admin(house)
    for n in range(10):
        await told(house, eve, "words add", word=f"word{n}")
    first = await told(house, eve, "audit")
    assert "word9" in first
    assert "older: /admin audit page:2" in first
    second = await told(house, eve, "audit", page=2)
    assert "word0" in second
    assert "older" not in second
    assert "no entries here" in await told(house, eve, "audit", page=3)


async def test_a_full_list_takes_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said how many it holds."""
    monkeypatch.setattr("bot.db.moderation.MAX_WORDS", 1)
    eve = admin(house)
    await told(house, eve, "words add", word="apple")
    assert "holds 1 words" in await told(house, eve, "words add", word="pear")
    assert "is already banned" in await told(house, eve, "words add", word="apple")
