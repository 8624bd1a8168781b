"""The texts of moderation cards and of the audit log."""

from bot.domain.moderation import AuditAction, AuditEntry, Block, Case, CaseState, Report
from bot.messages import moderation_cards
from tests.samples import job, picture, recipe


def report(**changes: object) -> Report:
    """A report by user 5 about a whole job."""
    values = {
        "job_id": "j1",
        "guild_id": 3,
        "channel_id": 10,
        "message_id": 20,
        "nth": None,
        "reporter_id": 5,
        "reason": "ugly",
        "created_at": 100.0,
    }
    return Report(**values | changes)  # type: ignore[arg-type]


def case(*reports: Report, state: CaseState = CaseState.OPEN, moderator: int | None = None) -> Case:
    """The case of job j1."""
    return Case(
        job_id="j1",
        guild_id=3,
        state=state,
        moderator_id=moderator,
        card_channel_id=None,
        card_message_id=None,
        reports=reports or (report(),),
    )


def test_a_card_has_the_details_of_the_report() -> None:
    """These are link, user, recipe, picture ids, reporter and reason."""
    text = moderation_cards.case(case(), job(), [picture(), picture(nth=2, is_removed=True)], None)
    for part in (
        "https://discord.com/channels/3/10/20",
        "by <@1>",
        "**a red house**",
        "4 steps",
        "seeds `7`",
        "`j1-1` · `j1-2` (removed by moderators)",
        "<@5> reported <t:100:R>: ugly",
    ):
        assert part in text


def test_a_card_has_the_decision_and_the_block() -> None:
    """The card names the moderator who decided."""
    text = moderation_cards.case(case(state=CaseState.REMOVED, moderator=9), job(), [], "rude")
    assert "**Removed** by <@9>" in text
    assert "<@1> is blocked: rude" in text
    assert "no pictures yet" in text


def test_older_reports_are_counted() -> None:
    """Only the newest are shown in full."""
    crowd = [report(reporter_id=n, reason="" if n == 14 else "x" * 400) for n in range(5, 15)]
    text = moderation_cards.case(
        case(*crowd), job(recipes=(recipe(prompt="*" * 900),)), [picture()], "y"
    )
    assert len(text) <= 2000
    assert "<@14> reported <t:100:R>: no reason given" in text
    assert "… and 7 earlier reports" in text


def test_reasons_are_escaped() -> None:
    """They contain no Markdown, mentions or links."""
    text = moderation_cards.case(case(report(reason="**@everyone** https://x.y")), job(), [], None)
    assert "\\*\\*@\u200beveryone\\*\\* https:\u200b//x.y" in text


def test_an_audit_entry_has_actor_action_and_target() -> None:
    """They are on one line."""
    entry = AuditEntry(
        created_at=100.0,
        guild_id=3,
        channel_id=10,
        actor_id=9,
        action=AuditAction.BLOCKED,
        target_id=1,
        detail="rude",
    )
    assert moderation_cards.audit([entry]) == ["<t:100:f> <@9> blocked <@1> in <#10>: rude"]
    block = Block(guild_id=3, user_id=1, reason="rude", moderator_id=9, created_at=100.0)
    assert moderation_cards.blocks([block]) == ["<@1> by <@9> <t:100:R>: rude"]


def test_the_mentions_of_settings_are_not_escaped() -> None:
    """They are written by the bot, not by a user."""
    entry = AuditEntry(
        created_at=100.0, guild_id=3, actor_id=9, action=AuditAction.SET, detail="<@&7>: 2 running"
    )
    assert moderation_cards.audit([entry]) == ["<t:100:f> <@9> set: <@&7>: 2 running"]


def test_pages_hold_whole_lines() -> None:
    """Lines are not split; a page number that is too high means the last page."""
    lines = [f"{n} " + "x" * 500 for n in range(10)]
    pages = [moderation_cards.page(lines, number) for number in range(1, 5)]
    assert [page.count("\n") for page in pages] == [3, 3, 3, 1]
    assert pages[0].endswith("page 1 of 4")
    assert moderation_cards.page(lines, 99) == pages[-1]
    assert moderation_cards.page(["one"], 1) == "one"
    assert moderation_cards.page([], 1) == ""
