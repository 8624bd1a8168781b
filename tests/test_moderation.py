"""Banned words, blocked users, the built-in rule and the audit log."""

import pytest

from bot.playground import Person, Upload
from bot.playground.client.options import Value
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from bot.prompt_filter.filter import MAX_WORDS
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine


def admin(harness: BotHarness) -> Person:
    """A user who manages the server."""
    return harness.discord.person("Eve", admin=True)


async def run_admin(harness: BotHarness, person: Person, command: str, /, **values: Value) -> str:
    """Run an /admin command; return the text of the response."""
    interaction = await person.invoke(f"admin {command}", values)
    await harness.discord.until(
        lambda: interaction.ephemerals and not interaction.ephemerals[0].loading,
        why="an ephemeral response",
    )
    return interaction.ephemerals[0].content


async def audit_log(harness: BotHarness, person: Person) -> str:
    """The newest page of the audit log."""
    return await run_admin(harness, person, "audit")


async def test_a_banned_word_is_refused(harness: BotHarness, engine: FakeEngine) -> None:
    """The response is ephemeral, nothing is queued, and the audit log has the details."""
    eve = admin(harness)
    assert await run_admin(harness, eve, "words add", word="Blood") == "“blood” is now banned."
    interaction = await harness.ada.slash("imagine", prompt="a house of B1OOD")
    assert await harness.refusal(interaction) == (
        "The prompt has a word that is banned on this server. Nothing was queued."
    )
    assert harness.discord.messages() == []
    assert harness.query("SELECT * FROM jobs") == []
    assert engine.paints == []
    log = await audit_log(harness, eve)
    assert f"<@{harness.ada.id}> refused" in log
    assert "rule words: blood; in “a house of B1OOD”" in log
    assert f"<@{eve.id}> word added: blood" in log


async def test_the_built_in_rule_applies_everywhere(harness: BotHarness) -> None:
    """It applies in DMs too; the audit log has the terms and a digest, but no prompt."""
    for where in (None, harness.ada.dm):
        interaction = await harness.ada.slash("imagine", prompt="ice, nude child", where=where)
        assert "no sexual content with minors" in await harness.refusal(interaction)
    rows = harness.query("SELECT * FROM audit_log ORDER BY id")
    assert [row["guild"] is None for row in rows] == [False, True]
    for row in rows:
        assert row["detail"].startswith("rule minors: child, nude*; sha256 ")
        assert "ice" not in row["detail"]
        assert (row["actor"], row["action"]) == (harness.ada.id, "refused")
    assert harness.query("SELECT * FROM jobs") == []


async def test_a_negative_prompt_is_checked_for_what_it_removes(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Without guidance it has no effect and is not checked."""
    await run_admin(harness, admin(harness), "words add", word="blood")
    await harness.imagine(prompt="a house", negative="blood, nude, child")
    await harness.imagine(prompt="a child at a lake", negative="clothes", guidance=1.0)
    interaction = await harness.ada.slash("imagine", prompt="a child at a lake", negative="clothes")
    assert "minors" in await harness.refusal(interaction)
    assert len(engine.paints) == 2


@pytest.mark.parametrize("label", ["🔄", "V2"])
async def test_a_word_banned_later_stops_rerolls_and_variations(
    harness: BotHarness, engine: FakeEngine, label: str
) -> None:
    """The existing picture can still be shown."""
    grid = await harness.imagine(prompt="a red house")
    await run_admin(harness, admin(harness), "words add", word="red house")
    assert "banned on this server" in await harness.refusal(await harness.ada.click(grid, label))
    assert len(engine.paints) == 1
    assert (await harness.result(await harness.ada.click(grid, "U1"))).attachments


async def test_a_public_refusal_does_not_state_the_rule(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The reply to a reaction is temporary."""
    grid = await harness.imagine(prompt="a red house")
    await run_admin(harness, admin(harness), "words add", word="red")
    await harness.ada.react(grid, "🔁")
    await harness.discord.until(lambda: len(harness.discord.messages()) == 2, why="a response")
    assert harness.discord.messages()[-1].content == "This is not allowed here."
    assert len(engine.paints) == 1
    assert len(harness.query("SELECT * FROM audit_log WHERE action = 'refused'")) == 1


async def test_banned_words_apply_to_their_server_only(harness: BotHarness) -> None:
    """Other servers and DMs are not affected."""
    await run_admin(harness, admin(harness), "words add", word="red")
    another = harness.discord.add_guild("Another")
    harness.ada.join(another)
    message = await harness.result(
        await harness.ada.slash("imagine", prompt="a red house", where=another.channel)
    )
    assert message.attachments
    direct = await harness.ada.slash("imagine", prompt="a red house", where=harness.ada.dm)
    assert (await harness.result(direct)).attachments


async def test_words_can_be_listed_and_allowed_again(harness: BotHarness) -> None:
    """The list is in alphabetical order."""
    eve = admin(harness)
    assert await run_admin(harness, eve, "words list") == "No word is banned here."
    await run_admin(harness, eve, "words add", word="pear")
    await run_admin(harness, eve, "words add", word="apple*")
    assert await run_admin(harness, eve, "words add", word="PEAR") == "“pear” is already banned."
    assert await run_admin(harness, eve, "words list") == "apple\\*\npear"
    assert await run_admin(harness, eve, "words remove", word="Pear") == "“pear” is allowed again."
    assert "is not banned" in await run_admin(harness, eve, "words remove", word="pear")
    assert "two letters" in await run_admin(harness, eve, "words add", word="!!")
    assert (await harness.imagine(prompt="a pear")).attachments


async def test_a_blocked_user_is_refused_with_the_reason(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The block applies in that server until it is removed; public replies hide its reason."""
    eve = admin(harness)
    grid = await harness.imagine()
    answer = await run_admin(harness, eve, "block", person=harness.ada, reason="rude pictures")
    assert answer == f"<@{harness.ada.id}> is blocked in this server."
    sentence = "Moderators of this server have blocked you from using me here: rude pictures"
    for label in ("U1", "V1", "🔄"):
        assert await harness.refusal(await harness.ada.click(grid, label)) == sentence
    for name in ("Show recipe", "Film"):
        assert await harness.refusal(await harness.ada.use(name, grid)) == sentence
    upload = Upload("a.png", grid.attachments[0].data)
    assert await harness.refusal(await harness.ada.slash("recipe", file=upload)) == sentence
    assert await harness.refusal(await harness.ada.slash("imagine", prompt="a house")) == sentence
    await harness.ada.react(grid, "✉️")
    await harness.discord.until(lambda: len(harness.discord.messages()) == 2, why="a response")
    assert harness.discord.messages()[-1].content == "This is not allowed here."
    assert harness.discord.dms(harness.ada) == []
    direct = await harness.ada.slash("imagine", prompt="a house", where=harness.ada.dm)
    assert (await harness.result(direct)).attachments
    assert "rude pictures" in await run_admin(harness, eve, "blocked")
    assert "is already blocked" in await run_admin(
        harness, eve, "block", person=harness.ada, reason="rude pictures"
    )
    assert "is no longer blocked here" in await run_admin(
        harness, eve, "unblock", person=harness.ada
    )
    assert "is not blocked" in await run_admin(harness, eve, "unblock", person=harness.ada)
    assert await run_admin(harness, eve, "blocked") == "Nobody is blocked here."
    assert (await harness.imagine()).attachments


async def test_a_block_cancels_unfinished_jobs(harness: BotHarness, engine: FakeEngine) -> None:
    """Jobs in other servers and of other users continue."""
    engine.gate.clear()
    ben = harness.discord.person("Ben")
    ada_job = await harness.ada.slash("imagine", prompt="mine")
    ben_job = await ben.slash("imagine", prompt="theirs")
    direct = await harness.ada.slash("imagine", prompt="alone", where=harness.ada.dm)
    await eventually(lambda: len(engine.paints) == 3)
    answer = await run_admin(harness, admin(harness), "block", person=harness.ada, reason="x")
    assert "Cancelled their unfinished jobs (1)" in answer
    assert (await harness.result(ada_job)).content.endswith("Cancelled.")
    engine.gate.set()
    assert (await harness.result(ben_job)).attachments
    assert (await harness.result(direct)).attachments


async def test_blocks_are_stored(harness: BotHarness) -> None:
    """They still apply after a restart."""
    await run_admin(harness, admin(harness), "block", person=harness.ada, reason="x")
    await harness.stop()
    await harness.start()
    assert "blocked you" in await harness.refusal(await harness.ada.slash("imagine", prompt="a"))


@pytest.mark.parametrize("command", ["words list", "blocked", "audit", "moderators"])
async def test_only_managers_and_moderators_can_use_admin_commands(
    harness: BotHarness, command: str
) -> None:
    """This holds even if the server shows /admin to others."""
    response = await admin(harness).slash(f"admin {command}")
    forged = harness.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND,
        harness.ada.user,
        harness.discord.channel,
        response.data,
    )
    harness.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), forged.channel)
    assert "Only members who manage or moderate this server" in await harness.refusal(forged)
    await response.finished()


async def test_the_audit_log_has_pages(harness: BotHarness) -> None:
    """The newest entries come first."""
    eve = admin(harness)
    for n in range(10):
        await run_admin(harness, eve, "words add", word=f"word{n}")
    first = await run_admin(harness, eve, "audit")
    assert "word9" in first
    assert "older: /admin audit page:2" in first
    second = await run_admin(harness, eve, "audit", page=2)
    assert "word0" in second
    assert "older" not in second
    assert "no entries here" in await run_admin(harness, eve, "audit", page=3)


async def test_the_number_of_banned_words_is_limited(harness: BotHarness) -> None:
    """The refusal states the limit."""
    eve = admin(harness)
    await run_admin(harness, eve, "words add", word="apple")
    await harness.execute(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO banned_words (guild, word) SELECT ?, 'word' || i FROM n",
        MAX_WORDS,
        harness.discord.guild_id,
    )
    assert f"at most {MAX_WORDS} words" in await run_admin(harness, eve, "words add", word="pear")
    assert "is already banned" in await run_admin(harness, eve, "words add", word="apple")
