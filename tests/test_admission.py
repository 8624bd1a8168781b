"""Who may ask for what."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.jobs import JobStore
from bot.db.moderation import ModerationStore
from bot.domain.job import RequestContext, ResponseTarget
from bot.domain.moderation import Block
from bot.errors import PolicyViolation
from bot.services.admission import AdmissionPolicy
from tests.samples import recipe

HERE = RequestContext(
    idempotency_key="interaction:5", user_id=1, target=ResponseTarget(channel_id=10, guild_id=3)
)


@pytest.fixture
async def moderation(tmp_path: Path) -> AsyncIterator[ModerationStore]:
    """An empty record."""
    migrations.migrate(tmp_path / "imagine.db")
    async with JobStore(tmp_path / "imagine.db") as ledger:
        yield ModerationStore(ledger)


@pytest.fixture
def gate(moderation: ModerationStore) -> AdmissionPolicy:
    """At noon."""
    return AdmissionPolicy(moderation, lambda: 12.0)


async def test_what_breaks_no_rule_passes_and_leaves_no_trace(
    gate: AdmissionPolicy, moderation: ModerationStore
) -> None:
    """Nearly everything."""
    await gate.check_prompts([recipe(), recipe(seed=8)], HERE)
    await gate.check_not_blocked(3, 1)
    assert await moderation.audit_log.page(3, 1, 10) == []


async def test_a_request_that_comes_again_is_refused_again_and_noted_once(
    gate: AdmissionPolicy, moderation: ModerationStore
) -> None:
    """As when the gateway replays it."""
    for _ in range(2):
        with pytest.raises(PolicyViolation, match="no sexual content with minors"):
            await gate.check_prompts([recipe(prompt="nude child")], HERE)
    [entry] = await moderation.audit_log.page(3, 1, 10)
    assert (entry.created_at, entry.actor_id, entry.channel_id, entry.idempotency_key) == (
        12.0,
        1,
        10,
        "interaction:5",
    )


async def test_each_picture_of_a_request_is_looked_at(gate: AdmissionPolicy) -> None:
    """Variations of several pictures may have several prompts."""
    with pytest.raises(PolicyViolation):
        await gate.check_prompts([recipe(), recipe(prompt="nude child")], HERE)


async def test_the_same_words_have_the_same_digest(
    gate: AdmissionPolicy, moderation: ModerationStore
) -> None:
    """So repeated attempts are known, though the prompt is not kept."""
    for name, prompt in (("a", "nude child"), ("b", "nude child"), ("c", "nude children")):
        origin = RequestContext(idempotency_key=name, user_id=1, target=HERE.target)
        with pytest.raises(PolicyViolation):
            await gate.check_prompts([recipe(prompt=prompt)], origin)
    third, second, first = await moderation.audit_log.page(3, 1, 10)
    assert first.detail == second.detail != third.detail


async def test_a_long_prompt_is_cut_in_the_log(
    gate: AdmissionPolicy, moderation: ModerationStore
) -> None:
    """A banned word needs no more than what stood around it."""
    await moderation.ban_word(3, "blood", actor_id=9, now=1.0)
    with pytest.raises(PolicyViolation, match="banned on this server"):
        await gate.check_prompts([recipe(prompt="blood " + "x" * 900)], HERE)
    newest, _ = await moderation.audit_log.page(3, 1, 10)
    assert len(newest.detail) < 260


async def test_a_block_counts_in_its_server_alone(
    gate: AdmissionPolicy, moderation: ModerationStore
) -> None:
    """Not elsewhere, not in direct messages, not for others."""
    await moderation.block(
        Block(guild_id=3, user_id=1, reason="rude", moderator_id=9, created_at=2.0)
    )
    with pytest.raises(PolicyViolation, match="blocked you from using me here: rude"):
        await gate.check_prompts([recipe()], HERE)
    with pytest.raises(PolicyViolation):
        await gate.check_not_blocked(3, 1)
    for guild, person in ((4, 1), (None, 1), (3, 2)):
        await gate.check_not_blocked(guild, person)


async def test_a_new_reason_is_noted_and_the_same_one_is_not(moderation: ModerationStore) -> None:
    """The log tells what changed."""
    for at, reason in ((1.0, "rude"), (2.0, "rude"), (3.0, "very rude")):
        block = Block(guild_id=3, user_id=1, reason=reason, moderator_id=9, created_at=at)
        assert await moderation.block(block) is (at != 2.0)
    assert [one.reason for one in await moderation.blocks(3)] == ["very rude"]
    assert [one.detail for one in await moderation.audit_log.page(3, 1, 10)] == [
        "very rude",
        "rude",
    ]
