"""Banned words, blocked users, the built-in rule and the audit log."""

import pytest

from bot.playground import Person
from bot.playground.client.options import Value
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.fake_engine import FakeEngine
from tests.house import House, eventually


def admin(house: House) -> Person:
    """A user who manages the server."""
    return house.discord.person("Eve", admin=True)


async def run_admin(house: House, person: Person, command: str, /, **values: Value) -> str:
    """Run an /admin command; return the text of the response."""
    interaction = await person.invoke(f"admin {command}", values)
    await house.discord.until(
        lambda: interaction.ephemerals and not interaction.ephemerals[0].loading,
        why="a private answer",
    )
    return interaction.ephemerals[0].content


async def audit_log(house: House, person: Person) -> str:
    """The newest page of the audit log."""
    return await run_admin(house, person, "audit")


async def test_a_banned_word_is_refused(house: House, engine: FakeEngine) -> None:
    """The response is ephemeral, nothing is queued, and the audit log has the details."""
    eve = admin(house)
    assert await run_admin(house, eve, "words add", word="Blood") == "“blood” is now banned."
    interaction = await house.ada.slash("imagine", prompt="a house of B1OOD")
    assert await house.refusal(interaction) == (
        "The prompt has a word that is banned on this server. Nothing was queued."
    )
    assert house.discord.messages() == []
    assert house.query("SELECT * FROM jobs") == []
    assert engine.paints == []
    log = await audit_log(house, eve)
    assert f"<@{house.ada.id}> refused" in log
    assert "rule words: blood; in “a house of B1OOD”" in log
    assert f"<@{eve.id}> word added: blood" in log


async def test_the_built_in_rule_applies_everywhere(house: House) -> None:
    """It applies in DMs too; the audit log has the terms and a digest, but no prompt."""
    for where in (None, house.ada.dm):
        interaction = await house.ada.slash("imagine", prompt="ice, nude child", where=where)
        assert "no sexual content with minors" in await house.refusal(interaction)
    rows = house.query("SELECT * FROM audit_log ORDER BY id")
    assert [row["guild"] is None for row in rows] == [False, True]
    for row in rows:
        assert row["detail"].startswith("rule minors: child, nude*; sha256 ")
        assert "ice" not in row["detail"]
        assert (row["actor"], row["action"]) == (house.ada.id, "refused")
    assert house.query("SELECT * FROM jobs") == []


async def test_a_negative_prompt_is_checked_for_what_it_removes(
    house: House, engine: FakeEngine
) -> None:
    """Without guidance it has no effect and is not checked."""
    await run_admin(house, admin(house), "words add", word="blood")
    await house.imagine(prompt="a house", negative="blood, nude, child")
    await house.imagine(prompt="a child at a lake", negative="clothes", guidance=1.0)
    interaction = await house.ada.slash("imagine", prompt="a child at a lake", negative="clothes")
    assert "minors" in await house.refusal(interaction)
    assert len(engine.paints) == 2


@pytest.mark.parametrize("label", ["🔄", "V2"])
async def test_a_word_banned_later_stops_rerolls_and_variations(
    house: House, engine: FakeEngine, label: str
) -> None:
    """The existing picture can still be shown."""
    grid = await house.imagine(prompt="a red house")
    await run_admin(house, admin(house), "words add", word="red house")
    assert "banned on this server" in await house.refusal(await house.ada.click(grid, label))
    assert len(engine.paints) == 1
    assert (await house.result(await house.ada.click(grid, "U1"))).attachments


async def test_a_public_refusal_does_not_state_the_rule(house: House, engine: FakeEngine) -> None:
    """The reply to a reaction is temporary."""
    grid = await house.imagine(prompt="a red house")
    await run_admin(house, admin(house), "words add", word="red")
    await house.ada.react(grid, "🔁")
    await house.discord.until(lambda: len(house.discord.messages()) == 2, why="an answer")
    assert house.discord.messages()[-1].content == "This is not allowed here."
    assert len(engine.paints) == 1
    assert len(house.query("SELECT * FROM audit_log WHERE action = 'refused'")) == 1


async def test_banned_words_apply_to_their_server_only(house: House) -> None:
    """Other servers and DMs are not affected."""
    await run_admin(house, admin(house), "words add", word="red")
    another = house.discord.add_guild("Another")
    house.ada.join(another)
    message = await house.result(
        await house.ada.slash("imagine", prompt="a red house", where=another.channel)
    )
    assert message.attachments
    direct = await house.ada.slash("imagine", prompt="a red house", where=house.ada.dm)
    assert (await house.result(direct)).attachments


async def test_words_can_be_listed_and_allowed_again(house: House) -> None:
    """The list is in alphabetical order."""
    eve = admin(house)
    assert await run_admin(house, eve, "words list") == "No word is banned here."
    await run_admin(house, eve, "words add", word="pear")
    await run_admin(house, eve, "words add", word="apple*")
    assert await run_admin(house, eve, "words add", word="PEAR") == "“pear” is already banned."
    assert await run_admin(house, eve, "words list") == "apple\\*\npear"
    assert await run_admin(house, eve, "words remove", word="Pear") == "“pear” is allowed again."
    assert "is not banned" in await run_admin(house, eve, "words remove", word="pear")
    assert "two letters" in await run_admin(house, eve, "words add", word="!!")
    assert (await house.imagine(prompt="a pear")).attachments


async def test_a_blocked_user_is_refused_with_the_reason(house: House, engine: FakeEngine) -> None:
    """The block applies in that server until it is removed; public replies hide its reason."""
    eve = admin(house)
    grid = await house.imagine()
    answer = await run_admin(house, eve, "block", person=house.ada, reason="rude pictures")
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
    assert "rude pictures" in await run_admin(house, eve, "blocked")
    assert "is already blocked" in await run_admin(
        house, eve, "block", person=house.ada, reason="rude pictures"
    )
    assert "is no longer blocked here" in await run_admin(house, eve, "unblock", person=house.ada)
    assert "is not blocked" in await run_admin(house, eve, "unblock", person=house.ada)
    assert await run_admin(house, eve, "blocked") == "Nobody is blocked here."
    assert (await house.imagine()).attachments


async def test_a_block_cancels_unfinished_jobs(house: House, engine: FakeEngine) -> None:
    """Jobs in other servers and of other users continue."""
    engine.gate.clear()
    ben = house.discord.person("Ben")
    ada_job = await house.ada.slash("imagine", prompt="mine")
    ben_job = await ben.slash("imagine", prompt="theirs")
    direct = await house.ada.slash("imagine", prompt="alone", where=house.ada.dm)
    await eventually(lambda: len(engine.paints) == 3)
    answer = await run_admin(house, admin(house), "block", person=house.ada, reason="x")
    assert "Cancelled their unfinished jobs (1)" in answer
    assert (await house.result(ada_job)).content.endswith("Cancelled.")
    engine.gate.set()
    assert (await house.result(ben_job)).attachments
    assert (await house.result(direct)).attachments


async def test_blocks_are_stored(house: House) -> None:
    """They still apply after a restart."""
    await run_admin(house, admin(house), "block", person=house.ada, reason="x")
    await house.stop()
    await house.start()
    assert "blocked you" in await house.refusal(await house.ada.slash("imagine", prompt="a"))


@pytest.mark.parametrize("command", ["words list", "blocked", "audit", "moderators"])
async def test_only_managers_and_moderators_can_use_admin_commands(
    house: House, command: str
) -> None:
    """This holds even if the server shows /admin to others."""
    response = await admin(house).slash(f"admin {command}")
    forged = house.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND, house.ada.user, house.discord.channel, response.data
    )
    house.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), forged.channel)
    assert "Only members who manage or moderate this server" in await house.refusal(forged)
    await response.finished()


async def test_the_audit_log_has_pages(house: House) -> None:
    """The newest entries come first."""
    eve = admin(house)
    for n in range(10):
        await run_admin(house, eve, "words add", word=f"word{n}")
    first = await run_admin(house, eve, "audit")
    assert "word9" in first
    assert "older: /admin audit page:2" in first
    second = await run_admin(house, eve, "audit", page=2)
    assert "word0" in second
    assert "older" not in second
    assert "no entries here" in await run_admin(house, eve, "audit", page=3)


async def test_the_number_of_banned_words_is_limited(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal states the limit."""
    monkeypatch.setattr("bot.db.moderation.MAX_WORDS", 1)
    eve = admin(house)
    await run_admin(house, eve, "words add", word="apple")
    assert "at most 1 words" in await run_admin(house, eve, "words add", word="pear")
    assert "is already banned" in await run_admin(house, eve, "words add", word="apple")
