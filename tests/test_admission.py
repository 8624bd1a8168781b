"""Which users and prompts are admitted."""

import pytest

from bot.db.database import Database
from bot.domain.job import RequestContext, ResponseTarget
from bot.domain.moderation import Block
from bot.domain.plan import Edge, Relation
from bot.errors import PolicyViolation
from bot.services.admission import AdmissionPolicy
from tests.samples import recipe
from tests.stored_jobs import delivered_job

HERE = RequestContext(
    idempotency_key="interaction:5", user_id=1, target=ResponseTarget(channel_id=10, guild_id=3)
)


@pytest.fixture
def admission(db: Database) -> AdmissionPolicy:
    """A policy whose clock stands at 12 seconds."""
    return AdmissionPolicy(db.moderation, db.lineage, db.audit_log, lambda: 12.0)


async def test_allowed_prompts_are_not_logged(admission: AdmissionPolicy, db: Database) -> None:
    """The audit log stays empty."""
    await admission.check_prompts([recipe(), recipe(seed=8)], HERE)
    assert await db.audit_log.page(3, 1, 10) == []


async def test_a_repeated_violation_is_logged_once(
    admission: AdmissionPolicy, db: Database
) -> None:
    """The gateway may deliver the same interaction twice; the audit log has one entry."""
    for _ in range(2):
        with pytest.raises(PolicyViolation, match="no sexual content with minors"):
            await admission.check_prompts([recipe(prompt="nude child")], HERE)
    [entry] = await db.audit_log.page(3, 1, 10)
    assert (entry.created_at, entry.actor_id, entry.channel_id, entry.idempotency_key) == (
        12.0,
        1,
        10,
        "interaction:5",
    )


async def test_each_recipe_is_checked(admission: AdmissionPolicy) -> None:
    """The variations of several pictures may have several prompts; each is checked."""
    with pytest.raises(PolicyViolation):
        await admission.check_prompts([recipe(), recipe(prompt="nude child")], HERE)


async def test_equal_prompts_have_equal_digests(admission: AdmissionPolicy, db: Database) -> None:
    """The audit log shows repeated attempts, although it does not contain the prompt."""
    for name, prompt in (("a", "nude child"), ("b", "nude child"), ("c", "nude children")):
        context = RequestContext(idempotency_key=name, user_id=1, target=HERE.target)
        with pytest.raises(PolicyViolation):
            await admission.check_prompts([recipe(prompt=prompt)], context)
    third, second, first = await db.audit_log.page(3, 1, 10)
    assert first.detail == second.detail != third.detail


async def test_a_long_prompt_is_truncated_in_the_audit_log(
    admission: AdmissionPolicy, db: Database
) -> None:
    """An excerpt is enough for a moderator to judge a banned word."""
    await db.moderation.ban_word(3, "blood", actor_id=9, now=1.0)
    with pytest.raises(PolicyViolation, match="banned on this server"):
        await admission.check_prompts([recipe(prompt="blood " + "x" * 900)], HERE)
    newest, _ = await db.audit_log.page(3, 1, 10)
    assert len(newest.detail) < 260


async def test_a_block_applies_to_one_user_in_one_guild(
    admission: AdmissionPolicy, db: Database
) -> None:
    """The user can use the bot in other guilds and in DMs, and other users are not blocked."""
    await db.moderation.block(
        Block(guild_id=3, user_id=1, reason="rude", moderator_id=9, created_at=2.0)
    )
    with pytest.raises(PolicyViolation, match="blocked you from using me here: rude"):
        await admission.check_prompts([recipe()], HERE)
    for guild_id, user_id in ((4, 1), (None, 1), (3, 2)):
        target = ResponseTarget(channel_id=10, guild_id=guild_id)
        context = RequestContext(idempotency_key="b", user_id=user_id, target=target)
        await admission.check_prompts([recipe()], context)


async def test_a_changed_reason_is_logged(db: Database) -> None:
    """Blocking a user again has an audit entry only if the reason is a new one."""
    for now, reason in ((1.0, "rude"), (2.0, "rude"), (3.0, "very rude")):
        block = Block(guild_id=3, user_id=1, reason=reason, moderator_id=9, created_at=now)
        assert await db.moderation.block(block) is (now != 2.0)
    assert [entry.reason for entry in await db.moderation.blocks(3)] == ["very rude"]
    assert [entry.detail for entry in await db.audit_log.page(3, 1, 10)] == [
        "very rude",
        "rude",
    ]


async def test_a_prompt_is_read_with_those_of_the_pictures_that_it_changes(
    admission: AdmissionPolicy, db: Database
) -> None:
    """What a picture shows was said long before: by the prompt of what it was made from."""
    await delivered_job(db, "j1", recipes=(recipe(prompt="a child on a beach"),))
    dark = recipe(prompt="make it night")
    await delivered_job(db, "j2", recipes=(dark,), edges=[Edge(1, "j1-1", Relation.EDIT)])
    undressed = [recipe(prompt="make it nude")]
    for parent in ("j1-1", "j2-1"):
        await admission.check_prompts([dark], HERE, parents=[parent])
        with pytest.raises(PolicyViolation, match="no sexual content with minors"):
            await admission.check_prompts(undressed, HERE, parents=[parent])
    await admission.check_prompts(undressed, HERE)
    await admission.check_prompts(undressed, HERE, parents=["j9-1"])
