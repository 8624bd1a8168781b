"""Measure what one bot carries.

`python -m tests.capacity_limits [database|history|events|memory|jobs]` prints one line a figure, of
all parts by default. The bot is a process of its own (`capacity_bot.py`), and this one is its
Discord and its engine. It takes some minutes. Take the best of several runs: other programs make
all figures worse.
"""

import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from PIL import Image

from bot.db.database import FILENAME, Database
from bot.db.rows import from_job
from bot.db.tables import insert_sql
from bot.db.usage import UsageRecord
from bot.domain.history import PAGE_SIZE, HistoryFilter
from bot.domain.job import ResponseTarget
from bot.playground import Playground
from bot.playground.gateway.sessions import Session
from engine.contract import BatchSizes, Paint, PaintedImage, Work, pixels_sha256
from engine.contract.metadata import with_metadata
from tests import samples
from tests.bot_harness import is_finished
from tests.fake_engine import MODEL, FakeEngine, png
from tests.new_database import create_database

DATABASE_JOBS: Final = 1_000
DISK_WRITES: Final = 2_000
DATABASE_USERS: Final = 16
"""Tasks that store jobs at the same time, as the bot's jobs do."""
WRITES: Final = 8
"""Transactions of a job of four pictures that arrive in pairs; 10 if they arrive apart."""
HISTORY_JOBS: Final = 100_000
HISTORY_ROUNDS: Final = 10
EVENTS: Final = 20_000
SHARDS: Final = 10
GUILDS: Final = 1_000
CHANNELS: Final = 30
ROLES: Final = 20
"""Channels and roles of a guild in the measurement of memory."""
BOT_ROUNDS: Final = 8
BOT_USERS: Final = 5
SIDE: Final = 512
"""Of the pictures of the jobs, in pixels."""
CARD: Final = msgspec.structs.replace(
    MODEL,
    native_size=SIDE,
    max_pixels=SIDE * SIDE,
    batch_sizes=(BatchSizes(pixels=SIDE * SIDE, default=(2,), under_load=(2,)),),
)


class CapacityBot:
    """The bot as a process that prints JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> Mapping[str, float]:
        """The next line that it prints."""
        assert self._process.stdout is not None
        line: Mapping[str, float] = json.loads(await self._process.stdout.readline())
        return line

    def cpu_seconds(self) -> float:
        """What it has computed so far, in all threads."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def start_bot(*arguments: object) -> AsyncIterator[CapacityBot]:
    """Run `capacity_bot.py` with these arguments while the body runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "tests.capacity_bot", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield CapacityBot(process)
    finally:
        process.kill()
        await process.wait()


async def live(db: Database, name: str) -> None:
    """Store the whole life of a job, with the queries that decide on it, as the bot does."""
    user = zlib.crc32(name.encode()) % 500
    await db.jobs.queue_depth(user, 1)
    job = samples.job(
        name, user_id=user, target=ResponseTarget(channel_id=10, guild_id=1, token=name * 20)
    )
    await db.jobs.add(job)
    await db.jobs.set_message(name, int(time.time() * 1e6))
    await db.jobs.mark_queued(name, job.recipes)
    claimed = await db.jobs.claim(name, now=101.0)
    assert claimed is not None
    pictures = [samples.picture(name, nth) for nth in range(1, 5)]
    await db.jobs.add_pictures(name, claimed.attempt, pictures[:2])
    await db.jobs.add_pictures(name, claimed.attempt, pictures[2:])
    usage = UsageRecord(
        job_id=name,
        attempt=claimed.attempt,
        user_id=user,
        seconds=4.0,
        created_at=time.time(),
        revision="0" * 40,
        pixels=SIDE * SIDE,
        work=80.0,
    )
    assert await db.jobs.complete(name, claimed.attempt, [], 105.0, usage)
    await db.jobs.pictures(name)
    await db.jobs.mark_delivered(name, now=106.0)


def measure_disk() -> None:
    """Commits of bare SQLite with the bot's settings, which the disk alone limits."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / FILENAME, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE rows (text TEXT)")
        start = time.perf_counter()
        for _ in range(DISK_WRITES):
            connection.execute("INSERT INTO rows VALUES (?)", ("x" * 1_200,))
        write(f"disk: {DISK_WRITES / (time.perf_counter() - start):.0f} commits/s of bare SQLite")
        connection.close()


async def measure_database() -> None:
    """Whole lives of jobs in a new database, by one task and by several."""
    measure_disk()
    for users in (1, DATABASE_USERS):
        with tempfile.TemporaryDirectory() as folder:
            create_database(Path(folder))
            names = iter([f"j{number:06}" for number in range(DATABASE_JOBS)])
            async with Database(Path(folder) / FILENAME) as db:

                async def work(db: Database = db, names: Any = names) -> None:  # noqa: ANN401
                    for name in names:
                        await live(db, name)

                start = time.perf_counter()
                await asyncio.gather(*(work() for _ in range(users)))
                seconds = time.perf_counter() - start
            size = (Path(folder) / FILENAME).stat().st_size
        write(
            f"database, {users} at once: {DATABASE_JOBS / seconds:.0f} jobs/s, "
            f"{WRITES * DATABASE_JOBS / seconds:.0f} writes/s, {size / DATABASE_JOBS:.0f} bytes/job"
        )


async def measure_history() -> None:
    """Pages of a user with many jobs: the newest, the oldest, and those of searches."""
    with tempfile.TemporaryDirectory() as folder:
        create_database(Path(folder))
        _fill_history(Path(folder) / FILENAME)
        async with Database(Path(folder) / FILENAME) as db:
            for title, words, number in (
                ("the first page", "", 0),
                ("the last page", "", HISTORY_JOBS),
                ("a word of all jobs", "house", 0),
                ("a word of a tenth of them", "house7", 0),
                ("a word of none", "quokka", 0),
            ):
                chosen, times = HistoryFilter(words=words), list[float]()
                for _ in range(HISTORY_ROUNDS):
                    start = time.perf_counter()
                    await db.history.page(1, chosen, number, PAGE_SIZE)
                    times.append(time.perf_counter() - start)
                write(f"history, {title}: {1000 * min(times):.1f} ms of {HISTORY_JOBS} jobs")


def _fill_history(path: Path) -> None:
    """Store finished jobs of user 1."""
    jobs, words = list[dict[str, Any]](), list[tuple[object, ...]]()
    ended = {"status": "done", "ended_at": 1e9, "attempt": 1}
    for number in range(HISTORY_JOBS):
        job = samples.job(f"j{number:06}", created_at=float(number))
        jobs.append({**from_job(job), **ended})
        text = f"a red house{number % 10} by the sea, {number}, evening light, highly detailed"
        words.append((1, job.created_at, job.id, "\nflat\n", text))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(insert_sql("jobs", jobs[0]), jobs)
        connection.executemany(
            "INSERT INTO history (person, created_at, job, models, words) VALUES (?, ?, ?, ?, ?)",
            words,
        )


async def measure_events() -> None:
    """Reactions to messages of others, which are the most frequent events of a large server."""
    for shards in (1, SHARDS):
        async with Playground(port=0, identify_interval=0) as discord:
            _set_shards(discord, shards)
            async with start_bot("events", discord.api, discord.token, EVENTS) as bot:
                await bot.line()
                before = bot.cpu_seconds()
                for session in discord.gateway.sessions:
                    _flood(discord, session, EVENTS // shards)
                seconds = (await bot.line())["seconds"]
                share = (bot.cpu_seconds() - before) / seconds
        write(f"events, {shards} shards: {EVENTS / seconds:.0f} a second, {share:.0%} of a core")


def _flood(discord: Playground, session: Session, count: int) -> None:
    guild = discord.world.default_guild
    reaction = {
        "user_id": "1200000000000000001",
        "type": 0,
        "message_id": str(discord.world.snowflakes.new()),
        "message_author_id": "1200000000000000002",
        "channel_id": str(guild.channel.id),
        "guild_id": str(guild.id),
        "emoji": {"id": None, "name": "👍"},
        "burst": False,
        "member": {
            "user": {"id": "1200000000000000001", "username": "ada", "discriminator": "0"}
            | {"global_name": "Ada", "avatar": None, "public_flags": 0},
            "roles": [],
            "joined_at": "2026-01-01T00:00:00+00:00",
            "flags": 0,
            "deaf": False,
            "mute": False,
        },
    }
    assert session.transport is not None
    for number in range(count):
        frame = {"op": 0, "t": "MESSAGE_REACTION_ADD", "s": session.seq + number + 1}
        session.transport.send(frame | {"d": reaction})


async def measure_memory() -> None:
    """Resident memory of a connected bot, without and with guilds, on one and on many shards."""
    sizes = {}
    for shards, guilds in ((1, 1), (1, GUILDS), (SHARDS, 1)):
        async with Playground(port=0, identify_interval=0) as discord:
            _set_shards(discord, shards)
            for number in range(1, guilds):
                guild = discord.world.add_guild(f"Server {number}")
                for channel in range(1, CHANNELS):
                    discord.world.add_channel(f"channel-{channel}", guild)
                for role in range(ROLES):
                    discord.add_role(f"Role {role}", guild=guild)
            async with start_bot("events", discord.api, discord.token, EVENTS) as bot:
                sizes[shards, guilds] = (await bot.line())["rss"] / 2**20
    base = sizes[1, 1]
    write(
        f"memory: {base:.0f} MiB with one guild; {sizes[1, GUILDS] - base:+.1f} MiB with {GUILDS} "
        f"guilds of {CHANNELS} channels and {ROLES} roles; "
        f"{(sizes[SHARDS, 1] - base) / (SHARDS - 1):+.2f} MiB for each further shard"
    )


def _set_shards(discord: Playground, count: int) -> None:
    discord.session_starts.recommended_shards = discord.session_starts.max_concurrency = count


class PhotoEngine(FakeEngine):
    """Sends one picture, which compresses as badly as a photograph does."""

    def __init__(self) -> None:
        super().__init__(CARD)
        noise = Image.frombytes("RGB", (64, 64), random.Random(0).randbytes(64 * 64 * 3))
        image = noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        self._png, self._sha256 = png(image), pixels_sha256(image)

    def _painting(self, paint: Paint, nth: int, recipe: Work) -> PaintedImage:
        return msgspec.structs.replace(
            super()._painting(paint, nth, recipe),
            png=with_metadata(self._png, [recipe]),
            sha256=self._sha256,
        )


async def measure_jobs() -> None:
    """CPU time of the whole bot for jobs of four pictures, from command to message."""
    engine = PhotoEngine()
    async with Playground(port=0, identify_interval=0) as discord, engine.launch() as endpoint:
        with tempfile.TemporaryDirectory() as folder:
            arguments = (endpoint.host, endpoint.port, endpoint.token)
            async with start_bot("jobs", discord.api, discord.token, folder, *arguments) as bot:
                await discord.ready()
                await _imagine(discord)  # the first jobs load code
                before = bot.cpu_seconds()
                for _ in range(BOT_ROUNDS):
                    await _imagine(discord)
                used = (bot.cpu_seconds() - before) / (BOT_ROUNDS * BOT_USERS)
    write(f"jobs: {1000 * used:.0f} ms of CPU time a job of four pictures of {SIDE}x{SIDE}")


async def _imagine(discord: Playground) -> None:
    people = [discord.person(f"Person {number}") for number in range(BOT_USERS)]
    interactions = [
        await person.invoke("imagine", {"prompt": "a house", "seed": seed})
        for seed, person in enumerate(people)
    ]
    await discord.until(
        lambda: all(i.response and is_finished(i.response) for i in interactions),
        timeout=300,
        why="all grids",
    )
    assert all(i.response and i.response.attachments for i in interactions)


def write(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


PARTS: Final[Mapping[str, Callable[[], Awaitable[None]]]] = {
    "database": measure_database,
    "history": measure_history,
    "events": measure_events,
    "memory": measure_memory,
    "jobs": measure_jobs,
}


async def main(parts: list[str]) -> None:
    """Measure these parts, or all."""
    for part in parts or PARTS:
        await PARTS[part]()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
