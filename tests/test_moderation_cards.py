"""Cases, blocks and the audit log in words."""

from bot.domain.moderation import Action, Block, Case, Entry, Report, State
from bot.messages import moderation_cards
from tests.samples import job, picture, recipe


def report(**changes: object) -> Report:
    """By person 5, of the whole job."""
    values = {
        "job": "j1",
        "guild": 3,
        "channel": 10,
        "message": 20,
        "nth": None,
        "reporter": 5,
        "reason": "ugly",
        "at": 100.0,
    }
    return Report(**values | changes)  # type: ignore[arg-type]


def case(*reports: Report, state: State = State.OPEN, moderator: int | None = None) -> Case:
    """The case of job j1."""
    return Case(
        job="j1",
        guild=3,
        state=state,
        moderator=moderator,
        card_channel=None,
        card=None,
        reports=reports or (report(),),
    )


def test_a_card_holds_what_moderators_need() -> None:
    """Link, person, recipe, picture ids, who reported and why."""
    text = moderation_cards.case(case(), job(), [picture(), picture(nth=2, removed=True)], None)
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


def test_a_card_says_how_a_case_ended_and_who_is_blocked() -> None:
    """And by whom."""
    text = moderation_cards.case(case(state=State.REMOVED, moderator=9), job(), [], "rude")
    assert "**Removed** by <@9>" in text
    assert "<@1> is blocked: rude" in text
    assert "not painted yet" in text


def test_many_reports_are_counted() -> None:
    """The newest are shown."""
    crowd = [report(reporter=n, reason="" if n == 14 else "x" * 400) for n in range(5, 15)]
    text = moderation_cards.case(
        case(*crowd), job(recipes=(recipe(prompt="*" * 900),)), [picture()], "y"
    )
    assert len(text) <= 2000
    assert "<@14> reported <t:100:R>: no reason given" in text
    assert "… and 7 earlier reports" in text


def test_what_people_wrote_is_shown_and_not_obeyed() -> None:
    """No marks, no pings, no links."""
    text = moderation_cards.case(case(report(reason="**@everyone** https://x.y")), job(), [], None)
    assert "\\*\\*@\u200beveryone\\*\\* https:\u200b//x.y" in text


def test_the_log_tells_who_did_what_to_whom() -> None:
    """A line each."""
    entry = Entry(
        at=100.0, guild=3, channel=10, actor=9, action=Action.BLOCKED, person=1, detail="rude"
    )
    assert moderation_cards.audit([entry]) == ["<t:100:f> <@9> blocked <@1> in <#10>: rude"]
    block = Block(guild=3, person=1, reason="rude", moderator=9, at=100.0)
    assert moderation_cards.blocks([block]) == ["<@1> by <@9> <t:100:R>: rude"]


def test_the_log_names_roles_and_channels_that_were_set() -> None:
    """As Discord shows them: these words are ours."""
    entry = Entry(at=100.0, guild=3, actor=9, action=Action.SET, detail="<@&7>: 2 running")
    assert moderation_cards.audit([entry]) == ["<t:100:f> <@9> set: <@&7>: 2 running"]


def test_pages_hold_whole_lines() -> None:
    """All lines, on as few pages as fit; one too high is the last."""
    lines = [f"{n} " + "x" * 500 for n in range(10)]
    pages = [moderation_cards.page(lines, number) for number in range(1, 5)]
    assert [page.count("\n") for page in pages] == [3, 3, 3, 1]
    assert pages[0].endswith("page 1 of 4")
    assert moderation_cards.page(lines, 99) == pages[-1]
    assert moderation_cards.page(["one"], 1) == "one"
    assert moderation_cards.page([], 1) == ""
