"""When shards may start their sessions, in simulated time."""

import asyncio
import logging
from collections.abc import Coroutine

import pytest

from bot.gateway.identify_limit import GatewayBot, IdentifyLimit, SessionStartLimit
from tests.virtual_time import VirtualTimeLoop


def run(work: Coroutine[None, None, None]) -> None:
    """Run a test in simulated time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work)


class Starts:
    """Records when each shard starts a session; to connect takes `seconds`."""

    def __init__(self, answers: list[SessionStartLimit], seconds: float = 0.0) -> None:
        self.times: dict[int, list[float]] = {}
        self.answers = answers
        """What Discord answers when it is asked again, the next one first."""
        self.limit = IdentifyLimit(self._fetch)
        self._seconds = seconds

    async def start(self, shard_id: int) -> None:
        """Start a session as soon as it is allowed."""
        async with self.limit.slot(shard_id):
            await asyncio.sleep(self._seconds)
            now = asyncio.get_running_loop().time()
            self.times.setdefault(shard_id, []).append(round(now, 3))

    async def start_all(self, count: int) -> None:
        """Start the sessions of so many shards."""
        await asyncio.gather(*(self.start(shard_id) for shard_id in range(count)))

    async def _fetch(self) -> GatewayBot:
        return GatewayBot(1, self.answers.pop(0))


def limit(remaining: int = 1_000, reset_after: float = 0, buckets: int = 1) -> SessionStartLimit:
    """What Discord says; `reset_after` is in milliseconds."""
    return SessionStartLimit(remaining, reset_after, buckets)


def test_the_only_shard_does_not_wait() -> None:
    """A bot in few servers is as fast as without the limit."""

    async def test() -> None:
        starts = Starts([])
        starts.limit.update(limit())
        await starts.start_all(1)
        assert starts.times == {0: [0.0]}

    run(test())


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        (1, {0: [0.0], 1: [5.0], 2: [10.0], 3: [15.0]}),
        (2, {0: [0.0], 1: [0.0], 2: [5.0], 3: [5.0]}),
        (16, {0: [0.0], 1: [0.0], 2: [0.0], 3: [0.0]}),
    ],
)
def test_buckets_start_side_by_side(buckets: int, expected: dict[int, list[float]]) -> None:
    """In one bucket, five seconds pass between two sessions."""

    async def test() -> None:
        starts = Starts([])
        starts.limit.update(limit(buckets=buckets))
        await starts.start_all(4)
        assert starts.times == expected

    run(test())


def test_the_time_to_connect_does_not_shorten_the_pause() -> None:
    """It counts from the IDENTIFY of the last shard, not from the begin of its connection."""

    async def test() -> None:
        starts = Starts([], seconds=1.0)
        starts.limit.update(limit())
        await starts.start_all(3)
        assert starts.times == {0: [1.0], 1: [7.0], 2: [13.0]}

    run(test())


def test_without_sessions_left_it_waits_for_the_reset(caplog: pytest.LogCaptureFixture) -> None:
    """Discord would reset the token; the log says until when."""

    async def test() -> None:
        starts = Starts([limit(remaining=1_000, reset_after=86_400_000)])
        starts.limit.update(limit(remaining=1, reset_after=60_000, buckets=2))
        await starts.start_all(2)
        assert starts.times == {0: [0.0], 1: [60.0]}
        assert starts.answers == []

    with caplog.at_level(logging.WARNING):
        run(test())
    assert "has started all gateway sessions" in caplog.text


def test_discord_is_asked_again_after_a_day_of_counted_sessions() -> None:
    """The count of this process is over, but Discord's began anew meanwhile."""

    async def test() -> None:
        starts = Starts([limit(remaining=0, reset_after=3_000), limit(remaining=5)])
        starts.limit.update(limit(remaining=1, reset_after=1_000))
        await starts.start(0)
        await asyncio.sleep(10)
        await starts.start(0)
        assert starts.times == {0: [0.0, 15.0]}  # 10, and five seconds until the next question

    run(test())


def test_other_buckets_begin_with_a_pause() -> None:
    """When Discord changes their number, shards that have just started are in other buckets."""

    async def test() -> None:
        starts = Starts([])
        starts.limit.update(limit(buckets=1))
        await starts.start_all(1)
        starts.limit.update(limit(buckets=4))
        await starts.start_all(4)
        assert starts.times == {0: [0.0, 5.0], 1: [5.0], 2: [5.0], 3: [5.0]}

    run(test())
