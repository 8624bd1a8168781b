"""Which job goes to the engine."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.job import Job, ResponseTarget
from bot.domain.limits import Limits
from bot.domain.seats import next_to_start
from tests.samples import job

LIMITS = Limits()


def of(person: int, guild: int | None = None, count: int = 1, **changes: object) -> list[Job]:
    """So many jobs of this person, on this server."""
    address = ResponseTarget(channel_id=1, guild_id=guild)
    return [
        job(f"{person}-{guild}-{nth}", user_id=person, target=address, **changes)
        for nth in range(count)
    ]


def next_person(line: Sequence[Job], at_engine: Sequence[Job]) -> int | None:
    """Whose job is started."""
    found = next_to_start(line, at_engine, LIMITS)
    return None if found is None else found.user_id


def test_the_first_in_line_goes_as_long_as_there_is_a_place() -> None:
    """Eight are at the engine together; an empty line sends nobody."""
    others = [each for person in range(10, 17) for each in of(person)]
    assert next_person(of(1), others) == 1
    assert next_person(of(1), [*others, *of(17)]) is None
    assert next_to_start([], [], LIMITS) is None


def test_while_others_wait_nobody_has_more_than_their_places() -> None:
    """Who has three at the engine lets the next in line go first."""
    assert next_person([*of(1), *of(2)], of(1, count=2)) == 1
    assert next_person([*of(1), *of(2)], of(1, count=3)) == 2


def test_places_that_nobody_else_wants_are_lent() -> None:
    """Somebody alone has all eight, and not a ninth."""
    assert next_person(of(1), of(1, count=7)) == 1
    assert next_person(of(1), of(1, count=8)) is None


def test_who_has_nothing_at_the_engine_finds_a_place() -> None:
    """Beside somebody who has eight, until there are eight people; nobody gets a second there."""
    painting = of(1, count=8)
    for person in range(2, 9):
        assert next_person([*of(1), *of(2, count=person - 2), *of(person)], painting) == person
        painting += of(person)
    assert next_person(of(9), painting) is None


def test_there_are_never_twice_as_many_jobs_as_places() -> None:
    """Even if a few people got so far."""
    painting = [each for person in (1, 2) for each in of(person, count=8)]
    assert next_person(of(3), painting) is None
    assert next_person(of(3), painting[1:]) == 3


def test_a_role_may_give_more_places() -> None:
    """The job knows how many its person has."""
    line = [*of(1, count=1, max_concurrent=5), *of(2)]
    assert next_person(line, of(1, count=4, max_concurrent=5)) == 1
    assert next_person(line, of(1, count=5, max_concurrent=5)) == 2


def test_while_other_servers_wait_none_has_more_than_its_share() -> None:
    """Six of eight places; who wants none leaves the others' to it, and who comes need not wait."""
    large = [each for person in range(10, 16) for each in of(person, guild=5)]
    assert next_person([*of(1, guild=5), *of(2, guild=6)], large[:5]) == 1
    assert next_person([*of(1, guild=5), *of(2, guild=6)], large) == 2
    assert next_person([*of(1, guild=5), *of(2)], large) == 2
    assert next_person(of(1, guild=5), large) == 1
    full = [*large[:5], *of(16, guild=5), *of(16, guild=5), *of(16, guild=5)]
    assert next_person([*of(1, guild=5), *of(2, guild=6)], full) == 2
    assert next_person([*of(1, guild=5)], full) == 1


def test_a_job_that_was_at_an_engine_that_died_is_painted_alone() -> None:
    """It waits until the engine is empty, nobody passes it, and nobody joins it."""
    suspect = of(1, crashes=1)
    assert next_person([*suspect, *of(2)], []) == 1
    assert next_person([*suspect, *of(2)], of(3)) is None
    assert next_person([*suspect, *of(2)], of(3, count=8)) is None
    assert next_person(of(2), suspect) is None
    full = [*of(3, count=7), *of(4)]
    assert next_person([*of(4), *suspect], full) is None
    assert next_person([*of(4), *suspect, *of(2)], full) == 2


PEOPLE = st.tuples(st.integers(1, 4), st.sampled_from([None, 5, 6]), st.sampled_from([None, 1, 8]))


@given(st.lists(PEOPLE, max_size=60))
def test_the_engine_is_never_crowded_and_never_idle(
    asked: list[tuple[int, int | None, int]],
) -> None:
    """Lent places and all, there are fewer than twice the places; with less than eight at work,
    whoever waits is started, in the end everybody."""
    line = [
        job(
            f"j{n}",
            user_id=person,
            target=ResponseTarget(channel_id=1, guild_id=guild),
            max_concurrent=places,
        )
        for n, (person, guild, places) in enumerate(asked)
    ]
    at_engine: list[Job] = []
    while line or at_engine:
        found = next_to_start(line, at_engine, LIMITS)
        assert found or not line or len(at_engine) >= LIMITS.max_running_total
        if found:
            line.remove(found)
            at_engine.append(found)
        else:
            at_engine.pop(0)
        assert len(at_engine) <= 2 * LIMITS.max_running_total
