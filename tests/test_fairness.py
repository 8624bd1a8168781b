"""Nobody pays for another's greed: days of twenty people, with the real decisions of bot and
engine, and a smaller one with the whole bot."""

import random
from collections.abc import Sequence
from statistics import mean

import pytest

from bot.domain.fair_queue import MAX_LEAD
from bot.domain.limits import Limits
from tests.fake_engine import FakeEngine
from tests.house import House as WholeHouse
from tests.house import eventually
from tests.simulation import House, Wish

GREEDY = 0
GREED = [Wish(1e-9 * nth, GREEDY) for nth in range(50)]
"""200 pictures at once."""
RAISED = Limits(max_unfinished=50)
ALONE = 2.0
"""Seconds that four pictures take alone."""


def crowd(seed: int, gap: float, people: int = 19, until: float = 600.0) -> list[Wish]:
    """People who each wish for four pictures every `gap` seconds, by chance."""
    chance = random.Random(seed)
    wishes = []
    for person in range(1, people + 1):
        at = chance.expovariate(1 / gap)
        while at < until:
            wishes.append(Wish(at, person))
            at += chance.expovariate(1 / gap)
    return wishes


def growth(others: Sequence[Wish], greed: Sequence[Wish], limits: Limits) -> list[float]:
    """By what factor each of the others waits longer when the greedy one is there."""
    without = House(limits).live(others).mean_waits()
    beside = House(limits).live([*others, *greed]).mean_waits()
    return [beside[person] / without[person] for person in without]


@pytest.mark.parametrize("limits", [Limits(), RAISED], ids=["refused at times", "all waits"])
@pytest.mark.parametrize("gap", [400.0, 120.0, 65.0, 45.0])
@pytest.mark.parametrize("seed", range(3))
def test_nobody_waits_twice_as_long_for_one_who_wants_200_pictures(
    seed: int, gap: float, limits: Limits
) -> None:
    """Not one of nineteen, who keep the engine busy for a tenth to four fifths of the time."""
    assert max(growth(crowd(seed, gap), GREED, limits)) < 2.0


def test_when_all_come_at_once_nobody_waits_twice_as_long() -> None:
    """Twenty people in the same second."""
    rush = [Wish(0.0, person) for person in range(1, 20)]
    assert max(growth(rush, GREED, RAISED)) < 2.0


@pytest.mark.parametrize("seed", range(2))
def test_where_there_is_too_much_to_do_the_others_wait_twice_as_long_at_most_in_the_mean(
    seed: int,
) -> None:
    """More than the engine can do: the greedy one gets no more than his share."""
    assert mean(growth(crowd(seed, 40.0), GREED, RAISED)) < 1.5


def test_the_greedy_one_is_served_too() -> None:
    """He gets what the others leave, and is done soon after them."""
    house = House(RAISED).live([*crowd(0, 45.0), *GREED])
    assert house.worked[GREEDY] == pytest.approx(50 * ALONE, rel=0.2)
    assert house.mean_waits()[GREEDY] < 300.0


def test_four_large_jobs_get_no_more_of_the_engine_than_four_small_ones() -> None:
    """While both wait for pictures, each has half, whatever they ask for."""
    large = [Wish(0.0, 1, steps=100, side=128) for _ in range(8)]
    small = [Wish(0.0, 2, pictures=1) for _ in range(400)]
    house = House(Limits(max_unfinished=500, max_unfinished_total=1000, guild_share=1.0)).live(
        [*large, *small]
    )
    last_small = max(
        wait for wish, waits in house.waits.items() for wait in waits if wish.person == 2
    )
    had = house.worked[2]
    assert last_small == pytest.approx(2 * had, rel=0.35)


def test_somebody_with_one_small_job_does_not_wait_for_huge_ones() -> None:
    """Though four people paint 100 steps at four times the size."""
    huge = [Wish(0.0, person, steps=100, side=128) for person in (1, 2, 3, 4) for _ in range(3)]
    for at in (50.0, 100.0, 150.0):
        house = House().live([*huge, Wish(at, 5)])
        [[wait]] = [waits for wish, waits in house.waits.items() if wish.person == 5]
        assert wait < 4 * ALONE


def test_who_joins_in_the_middle_waits_as_one_who_came_first() -> None:
    """And not behind all that others have asked for by then."""
    others = [Wish(0.0, person) for person in range(1, 11) for _ in range(5)]
    house = House().live([*others, Wish(40.0, 99)])
    [[wait]] = [waits for wish, waits in house.waits.items() if wish.person == 99]
    assert wait < 11 * ALONE


def test_a_small_server_is_served_beside_a_large_one() -> None:
    """Forty people of one server fill three quarters of the backlog, and no more; the two of
    another wait as long as those of the large one at most."""
    large = [Wish(0.0, person, guild=1) for person in range(40) for _ in range(5)]
    small = [Wish(5.0, person, guild=2) for person in (90, 91)]
    waits = House().live([*large, *small]).mean_waits()
    assert max(waits[90], waits[91]) < mean(waits[person] for person in range(40)) / 4


def test_a_role_that_allows_more_changes_nothing_for_others() -> None:
    """More places and a longer line are no larger share of the engine."""
    others = crowd(1, 65.0)
    raised = [Wish(1e-9 * nth, GREEDY, seats=8) for nth in range(50)]
    assert max(growth(others, raised, RAISED)) < 2.0


@pytest.mark.parametrize("seed", range(3))
def test_the_place_that_people_are_told_is_true(seed: int) -> None:
    """As many jobs start before theirs as they were told, if nobody else comes, in seven cases of
    ten; what jobs cost is known when they have ended, so some move by a few places."""
    chance = random.Random(seed)
    wishes = [
        Wish(0.0, person, pictures=chance.choice([1, 4]), steps=chance.choice([10, 20, 50]))
        for person in range(12)
        for _ in range(chance.randint(1, 5))
    ]
    house = House().live(wishes)
    starts = {name: nth for nth, name in enumerate(house.starts)}
    wrong = [abs(starts[name] - nth) for name, nth in house.foretold]
    assert len(wrong) > 100
    assert max(wrong) <= 6
    assert mean(each == 0 for each in wrong) > 0.7


def test_what_is_remembered_is_more_than_a_job() -> None:
    """Or a newcomer could not go before somebody who is always there."""
    assert MAX_LEAD > 10 * ALONE


async def test_the_whole_bot_takes_turns(house: WholeHouse, engine: FakeEngine) -> None:
    """A role lets Ada have twelve jobs; eight are at the engine when twelve others come. Seven of
    them go there at once, and all before her ninth."""
    boss = house.discord.person("Boss", admin=True)
    role = house.discord.add_role("Painters")
    house.ada.give(role)
    await house.refusal(await boss.slash("admin limits", role=role, waiting=12))
    engine.gate.clear()
    hers = [await house.ada.slash("imagine", prompt=f"ada {nth}", count=1) for nth in range(12)]
    await house.discord.until(lambda: len(engine.paints) == 8, why="her eight are at work")
    for one in hers:
        await one.acknowledged()
    others = [house.discord.person(f"Person {nth}") for nth in range(12)]
    theirs = [await person.slash("imagine", prompt="theirs", count=1) for person in others]
    await house.discord.until(lambda: len(engine.paints) == 15, why="seven have found a place")
    queued = "SELECT 1 FROM jobs WHERE status = 'queued'"
    await eventually(lambda: len(house.query(queued)) == 9)
    engine.gate.set()
    for one in [*hers, *theirs]:
        await house.result(one)
    order = [paint.recipes[0].prompt for paint in engine.paints]
    assert order[:8] == [f"ada {nth}" for nth in range(8)]
    assert order[8:20] == ["theirs"] * 12
    assert len({paint.owner for paint in engine.paints[8:20]}) == 12
    assert order[20:] == [f"ada {nth}" for nth in range(8, 12)]
    assert len({paint.owner for paint in engine.paints}) == 13
