"""Which queued job starts next."""

from collections.abc import Sequence
from itertools import chain, repeat

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.job import Job, ResponseTarget
from bot.domain.limits import Limits
from bot.domain.seats import next_to_start
from tests.samples import job

LIMITS = Limits()


def jobs_of(
    user_id: int, guild_id: int | None = None, count: int = 1, **changes: object
) -> list[Job]:
    """So many jobs of this user in this guild."""
    target = ResponseTarget(channel_id=1, guild_id=guild_id)
    return [
        job(f"{user_id}-{guild_id}-{nth}", user_id=user_id, target=target, **changes)
        for nth in range(count)
    ]


def next_user(queue: Sequence[Job], running: Sequence[Job], replicas: int = 1) -> int | None:
    """The user whose job starts."""
    job_to_start = next_to_start(queue, running, LIMITS, replicas)
    return None if job_to_start is None else job_to_start.user_id


def test_the_first_job_starts_while_seats_are_free() -> None:
    """There are eight seats. If the queue is empty, nothing starts."""
    others = [queued for user_id in range(10, 17) for queued in jobs_of(user_id)]
    assert next_user(jobs_of(1), others) == 1
    assert next_user(jobs_of(1), [*others, *jobs_of(17)]) is None
    assert next_to_start([], [], LIMITS) is None


def test_users_yield_to_others_beyond_their_own_seats() -> None:
    """A user with three running jobs lets the next in the queue go first."""
    assert next_user([*jobs_of(1), *jobs_of(2)], jobs_of(1, count=2)) == 1
    assert next_user([*jobs_of(1), *jobs_of(2)], jobs_of(1, count=3)) == 2


def test_idle_seats_are_lent() -> None:
    """A single user may use all eight, but not a ninth."""
    assert next_user(jobs_of(1), jobs_of(1, count=7)) == 1
    assert next_user(jobs_of(1), jobs_of(1, count=8)) is None


def test_a_user_without_running_jobs_gets_a_seat() -> None:
    """This holds beside a user who has all eight, until eight users have running jobs."""
    running = jobs_of(1, count=8)
    for user_id in range(2, 9):
        assert (
            next_user([*jobs_of(1), *jobs_of(2, count=user_id - 2), *jobs_of(user_id)], running)
            == user_id
        )
        running += jobs_of(user_id)
    assert next_user(jobs_of(9), running) is None


def test_running_jobs_are_less_than_twice_the_seats() -> None:
    """This holds even if two users have all of them."""
    running = [queued for user_id in (1, 2) for queued in jobs_of(user_id, count=8)]
    assert next_user(jobs_of(3), running) is None
    assert next_user(jobs_of(3), running[1:]) == 3


def test_a_role_may_grant_more_seats() -> None:
    """The job stores how many its user has."""
    queue = [*jobs_of(1, count=1, max_concurrent=5), *jobs_of(2)]
    assert next_user(queue, jobs_of(1, count=4, max_concurrent=5)) == 1
    assert next_user(queue, jobs_of(1, count=5, max_concurrent=5)) == 2


def test_guilds_yield_to_others_beyond_their_share() -> None:
    """A guild has six of eight seats; idle ones are lent, and a newcomer need not wait."""
    large = [queued for user_id in range(10, 16) for queued in jobs_of(user_id, guild_id=5)]
    assert next_user([*jobs_of(1, guild_id=5), *jobs_of(2, guild_id=6)], large[:5]) == 1
    assert next_user([*jobs_of(1, guild_id=5), *jobs_of(2, guild_id=6)], large) == 2
    assert next_user([*jobs_of(1, guild_id=5), *jobs_of(2)], large) == 2
    assert next_user(jobs_of(1, guild_id=5), large) == 1
    full = [
        *large[:5],
        *jobs_of(16, guild_id=5),
        *jobs_of(16, guild_id=5),
        *jobs_of(16, guild_id=5),
    ]
    assert next_user([*jobs_of(1, guild_id=5), *jobs_of(2, guild_id=6)], full) == 2
    assert next_user([*jobs_of(1, guild_id=5)], full) == 1


def test_a_job_of_a_dead_engine_runs_alone() -> None:
    """It waits until nothing runs; no job overtakes it, and none starts beside it."""
    suspect = jobs_of(1, crashes=1)
    assert next_user([*suspect, *jobs_of(2)], []) == 1
    assert next_user([*suspect, *jobs_of(2)], jobs_of(3)) is None
    assert next_user([*suspect, *jobs_of(2)], jobs_of(3, count=8)) is None
    assert next_user(jobs_of(2), suspect) is None
    full = [*jobs_of(3, count=7), *jobs_of(4)]
    assert next_user([*jobs_of(4), *suspect], full) is None
    assert next_user([*jobs_of(4), *suspect, *jobs_of(2)], full) == 2


def test_each_replica_has_seats() -> None:
    """Two replicas have sixteen, and none has none; guilds and newcomers share them all."""
    others = [queued for user_id in range(10, 25) for queued in jobs_of(user_id)]
    assert next_user(jobs_of(1), others, replicas=2) == 1
    assert next_user(jobs_of(1), [*others, *jobs_of(25)], replicas=2) is None
    assert next_user(jobs_of(1), [], replicas=0) is None
    assert next_user([*jobs_of(1), *jobs_of(2)], jobs_of(1, count=16), replicas=2) == 2
    large = [queued for user_id in range(10, 22) for queued in jobs_of(user_id, guild_id=5)]
    queue = [*jobs_of(1, guild_id=5), *jobs_of(2, guild_id=6)]
    assert next_user(queue, large[:11], replicas=2) == 1
    assert next_user(queue, large, replicas=2) == 2


def test_a_suspect_takes_a_whole_replica_of_several() -> None:
    """The others have the seats of the other replicas, whatever runs when it starts."""
    suspect = jobs_of(1, crashes=1)
    full = [queued for user_id in range(10, 18) for queued in jobs_of(user_id)]
    assert next_user(suspect, full, replicas=2) == 1
    assert next_user(jobs_of(2), [*suspect, *full[1:]], replicas=2) == 2
    assert next_user(jobs_of(2), [*suspect, *full], replicas=2) is None
    assert next_user(jobs_of(2), [*suspect, *full], replicas=3) == 2


def test_half_of_the_replicas_are_left_to_the_others() -> None:
    """A suspect that has to wait blocks nobody, and starts when another suspect has ended."""
    suspect, other = jobs_of(1, crashes=1), jobs_of(2, crashes=2)
    assert next_user([*other, *jobs_of(3)], suspect, replicas=2) == 3
    assert next_user(other, suspect, replicas=2) is None
    assert next_user(other, suspect, replicas=3) is None
    assert next_user(other, suspect, replicas=4) == 2
    assert next_user([*other, *jobs_of(3)], jobs_of(4), replicas=2) == 2


def test_replicas_may_vanish_while_suspects_run() -> None:
    """Nothing starts until they fit again."""
    suspects = [queued for user_id in (1, 2, 3) for queued in jobs_of(user_id, crashes=1)]
    for replicas in (0, 1, 2, 3):
        assert next_user(jobs_of(4), suspects, replicas) is None
    assert next_user(jobs_of(4), suspects, replicas=4) == 4


REQUESTS = st.tuples(st.integers(1, 4), st.booleans())


@given(st.lists(REQUESTS, max_size=40), st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_each_job_starts_however_many_replicas_there_are(
    requests: list[tuple[int, bool]], sizes: list[int]
) -> None:
    """Suspects never start beside others on the only replica, nor on more than half of several."""
    queue = [
        job(f"j{n}", user_id=user_id, crashes=int(is_suspect))
        for n, (user_id, is_suspect) in enumerate(requests)
    ]
    running: list[Job] = []
    turns = chain(sizes, repeat(max(1, sizes[-1])))
    for replicas in turns:
        while job_to_start := next_to_start(queue, running, LIMITS, replicas):
            queue.remove(job_to_start)
            running.append(job_to_start)
            suspects = sum(one.crashes for one in running)
            if replicas == 1:
                assert not suspects or len(running) == 1
            elif job_to_start.crashes:
                assert suspects <= replicas // 2
        if running:
            running.pop(0)
        elif replicas:
            break
    assert not queue


USERS = st.tuples(st.integers(1, 4), st.sampled_from([None, 5, 6]), st.sampled_from([None, 1, 8]))


@given(st.lists(USERS, max_size=60))
def test_seats_are_bounded_and_never_idle(
    requests: list[tuple[int, int | None, int]],
) -> None:
    """Fewer than twice the seats are taken; while seats are free, queued jobs start."""
    queue = [
        job(
            f"j{n}",
            user_id=user_id,
            target=ResponseTarget(channel_id=1, guild_id=guild_id),
            max_concurrent=seats,
        )
        for n, (user_id, guild_id, seats) in enumerate(requests)
    ]
    running: list[Job] = []
    while queue or running:
        job_to_start = next_to_start(queue, running, LIMITS)
        assert job_to_start or not queue or len(running) >= LIMITS.max_running_total
        if job_to_start:
            queue.remove(job_to_start)
            running.append(job_to_start)
        else:
            running.pop(0)
        assert len(running) <= 2 * LIMITS.max_running_total
