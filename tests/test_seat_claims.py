"""Seats at the engine for work that is no job."""

import asyncio

import pytest

from bot.domain.job import ResponseTarget
from bot.domain.limits import Limits, QueueDepth
from bot.errors import Refused
from bot.services.scheduler import Schedule
from bot.services.seat_claims import SeatClaim, SeatClaims
from tests.samples import job


async def use(claim: SeatClaim, seconds: float, end: asyncio.Event) -> None:
    """Hold the seat until this event."""
    async with claim:
        claim.engine_seconds = seconds
        await end.wait()


async def test_a_seat_is_waited_for_and_charged() -> None:
    """While it is held, it counts as a running job; its user goes later afterwards."""
    schedule, end = Schedule(Limits()), asyncio.Event()
    claims, changes = SeatClaims(schedule), list[None]()
    work = job("j1", target=ResponseTarget(channel_id=10, guild_id=3))
    claims.subscribe(lambda: changes.append(None))
    task = asyncio.create_task(use(claims.claim(work), 9.0, end))
    await asyncio.sleep(0)
    assert (claims.waiting, schedule.running, len(changes)) == ([work], 0, 1)
    assert claims.has(work) and not claims.has(job("j2")) and not claims.grant(job("j2"))
    assert claims.grant(work) and not claims.grant(work)
    await asyncio.sleep(0)
    assert (claims.waiting, schedule.running) == ([], 1)
    assert claims.of_user(work.user_id) == [work]
    assert claims.depth(work.user_id, 3) == QueueDepth(1, 1, 1)
    assert claims.depth(9, None) == QueueDepth(0, 0, 1)
    end.set()
    await task
    assert (schedule.running, len(changes), claims.of_user(work.user_id)) == (0, 2, [])
    assert schedule.virtual_time(work.user_id) == pytest.approx(9.0)


async def test_a_shared_seat_is_only_charged() -> None:
    """A running job has it."""
    schedule = Schedule(Limits())
    async with SeatClaims(schedule).share(job("j1")) as claim:
        claim.engine_seconds = 9.0
        assert schedule.running == 0
    assert schedule.virtual_time(claim.job.user_id) == pytest.approx(9.0)


@pytest.mark.parametrize("is_granted", [False, True])
async def test_who_gives_up_has_no_seat(*, is_granted: bool) -> None:
    """Also if the seat becomes free at the same moment."""
    schedule = Schedule(Limits())
    claims, work = SeatClaims(schedule), job("j1")
    task = asyncio.create_task(use(claims.claim(work), 9.0, asyncio.Event()))
    await asyncio.sleep(0)
    if is_granted:
        claims.grant(work)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (schedule.running, claims.waiting, claims.of_user(work.user_id)) == (0, [], [])


async def test_at_a_stop_all_who_wait_are_refused() -> None:
    """And those who come later; what has a seat goes on."""
    schedule, end = Schedule(Limits()), asyncio.Event()
    claims = SeatClaims(schedule)
    tasks = [asyncio.create_task(use(claims.claim(job(name)), 1.0, end)) for name in ("j1", "j2")]
    await asyncio.sleep(0)
    claims.grant(claims.waiting[0])
    claims.close()
    with pytest.raises(Refused, match="restarting"):
        await tasks[1]
    with pytest.raises(Refused, match="restarting"):
        claims.claim(job("j3"))
    end.set()
    await tasks[0]
    assert schedule.running == 0
