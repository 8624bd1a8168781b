"""A hard day: `python tests/soak.py` has many people use the real bot while everything goes wrong.

People ask, press buttons, react and cancel, at random but seeded; Discord's answers fail, come
late or get lost; bot and engine are killed. Then the record, what people see and the memory of both
processes are looked at: nothing may be lost, and nothing may be there twice, or it exits with 1.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image

from bot.playground import Fault, Interaction, Message, Person, Playground, Upload
from bot.playground.client.options import Value
from bot.playground.errors import NoSuchButton, NotAcknowledged, NotPermitted
from tests import tiny_model
from tests.bot_process import BotProcess
from tests.house import is_finished, query
from tests.samples import encoded

MOODS: Final = (
    ("PATCH", "/webhooks/", Fault(status=502)),
    ("PATCH", "/webhooks/", Fault(status=502, after_commit=True)),
    ("PATCH", "/webhooks/", Fault(drop=True)),
    ("PATCH", "/webhooks/", Fault(drop=True, after_commit=True)),
    ("PATCH", "/webhooks/", Fault(status=429, retry_after=0.5)),
    ("PATCH", "/webhooks/", Fault(delay=1.0)),
    ("PATCH", "/webhooks/", Fault(status=401, code=50027)),
    ("POST", "/callback", Fault(status=502, after_commit=True)),
    ("POST", "/callback", Fault(drop=True, after_commit=True)),
    ("POST", "/callback", Fault(status=404, code=10062)),
    ("POST", "/messages", Fault(drop=True, after_commit=True)),
    ("POST", "/messages", Fault(status=502)),
    ("PATCH", "/messages/", Fault(status=500)),
)
GROWTH: Final = 0.05
"""Of memory in the second half, at most."""
LOOKS: Final = 120
"""At memory, at least: a process that is young still grows."""
ACK_SECONDS: Final = 1.0
"""Within which 99 of 100 people are answered."""
PATIENCE: Final = 120.0
SKETCH: Final = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))
WORDS: Final = ("a red house", "a blue boat at night", "a cat", "two suns", "snow")


@dataclass
class Plan:
    """How hard the day is."""

    people: int = 50
    jobs: int = 1000
    seed: int = 1
    kills: int = 6
    """Of bot and engine, all in the first third: the second half is for looking at memory."""
    fault_seconds: float = 0.3
    """Between two faults, on average."""


@dataclass
class Day:
    """What happened."""

    plan: Plan
    asked: list[Interaction] = field(default_factory=list)
    lonely: set[int] = field(default_factory=set)
    """Interactions that were open when the bot was killed: nobody may have heard them."""
    did: Counter[str] = field(default_factory=Counter)
    memory: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """Of bot and engine: when, and bytes."""
    findings: list[str] = field(default_factory=list)


class Soak:
    """One day with one bot."""

    def __init__(self, plan: Plan, discord: Playground, bot: BotProcess) -> None:
        self.day = Day(plan)
        self._plan = plan
        self._discord = discord
        self._bot = bot
        self._rng = random.Random(plan.seed)
        self._left = plan.jobs
        self._alive = asyncio.Event()
        self._alive.set()

    async def run(self) -> Day:
        """The whole day, and the look at what is left of it."""
        people = [self._discord.person(f"Person {n}") for n in range(self._plan.people)]
        beside = [
            asyncio.create_task(part) for part in (self._moods(), self._kills(), self._weigh())
        ]
        await asyncio.gather(*(self._live(person) for person in people))
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        self._discord.faults.clear()
        with suppress(TimeoutError):
            await self._discord.until(self._settled, timeout=PATIENCE, why="all is delivered")
        self._judge()
        return self.day

    # What people do

    async def _live(self, person: Person) -> None:
        mine: list[Interaction] = []
        while self._left > 0:
            await self._alive.wait()
            await asyncio.sleep(self._rng.uniform(0.0, 0.5))
            with suppress(NotAcknowledged, NoSuchButton, NotPermitted, TimeoutError):
                await self._act(person, mine)

    async def _act(self, person: Person, mine: list[Interaction]) -> None:
        finished = [each.response for each in mine if each.response and _shows(each.response)]
        chance = self._rng.random()
        if not finished or chance < 0.5:
            await self._imagine(person, mine)
        elif chance < 0.7:
            label = self._rng.choice(["U1", "V2", "V1", "🔄"])
            await self._press(person, mine, self._rng.choice(finished), label)
        elif chance < 0.85:
            await self._react(person, self._rng.choice(finished))
        else:
            self.day.did["nonsense"] += 1
            wild: dict[str, Value] = {"prompt": "x", "seed": 2**40}
            self._ask(mine, await person.invoke("imagine", wild, checked=False))

    async def _imagine(self, person: Person, mine: list[Interaction]) -> None:
        self._left -= 1
        self.day.did["imagine"] += 1
        options: dict[str, Value] = {
            "prompt": self._rng.choice(WORDS),
            "steps": self._rng.randint(1, 12),
            "count": self._rng.randint(1, 4),
        }
        if self._rng.random() < 0.1:
            options["sketch"] = SKETCH
        asked = await person.invoke("imagine", options)
        self._ask(mine, asked)
        await asked.acknowledged()
        if self._rng.random() < 0.1 and asked.response and "✖ Cancel" in asked.response.buttons:
            self.day.did["cancel"] += 1
            await self._press(person, mine, asked.response, "✖ Cancel")
        await self._discord.until(lambda: _over(asked), timeout=PATIENCE, why="it ends")

    async def _press(
        self, person: Person, mine: list[Interaction], message: Message, label: str
    ) -> None:
        asked = await person.click(message, label)
        if label in ("V1", "V2", "🔄"):
            self._left -= 1
        self.day.did[label] += 1
        self._ask(mine, asked)
        await asked.acknowledged()
        await self._discord.until(lambda: _over(asked), timeout=PATIENCE, why="it ends")

    async def _react(self, person: Person, message: Message) -> None:
        sign = self._rng.choice(["1️⃣", "🔁", "✉️", "❌", "👍"])
        self.day.did[sign] += 1
        await person.react(message, sign)

    def _ask(self, mine: list[Interaction], asked: Interaction) -> None:
        mine.append(asked)
        self.day.asked.append(asked)

    # What goes wrong

    async def _moods(self) -> None:
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / self._plan.fault_seconds))
            if self.day.did["fault"] % 20 == 0:
                self._discord.faults.clear()  # of what nobody has met, or it would hit all retries
            self.day.did["fault"] += 1
            self._discord.faults.next(*self._rng.choice(MOODS))

    async def _kills(self) -> None:
        for nth in range(self._plan.kills):
            share = (nth + 1) / (self._plan.kills + 1) / 3
            while self._left > self._plan.jobs * (1 - share):  # noqa: ASYNC110 # nobody tells
                await asyncio.sleep(0.05)
            if nth % 2:
                self.day.did["engine killed"] += 1
                for engine in self._bot.process().children():
                    engine.kill()
            else:
                await self._kill_bot()

    async def _kill_bot(self) -> None:
        self.day.did["bot killed"] += 1
        self._alive.clear()
        await self._bot.kill()
        self.day.lonely |= {each.id for each in self.day.asked if not _over(each)}
        await self._bot.start()
        self._alive.set()

    async def _weigh(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            if self._left > self._plan.jobs / 2:
                continue
            with suppress(psutil.Error, ValueError):
                bot, engine = self._bot.process(), self._bot.engine()
                for who, process in (("bot", bot), ("engine", engine)):
                    entry = (time.monotonic(), process.memory_info().rss)
                    self.day.memory.setdefault(f"{who} {process.pid}", []).append(entry)

    # What is left of it

    def _settled(self) -> bool:
        rows = query(self._bot.data, "SELECT delivered_at FROM jobs")
        return all(row["delivered_at"] for row in rows) and all(map(self._ended, self.day.asked))

    def _ended(self, asked: Interaction) -> bool:
        unheard = asked.original is None and asked.id in self.day.lonely
        return _over(asked) or asked.failed or unheard

    def _judge(self) -> None:
        find = self.day.findings.append
        if (said := query(self._bot.data, "PRAGMA integrity_check")[0][0]) != "ok":
            find(f"The database is damaged: {said}")
        jobs = query(self._bot.data, "SELECT * FROM jobs")
        for job in jobs:
            if not job["delivered_at"]:
                find(f"Job {job['id']} is {job['status']} and was not delivered.")
        self._judge_messages({job["message"]: job for job in jobs if job["message"]})
        for asked in self.day.asked:
            if not self._ended(asked):
                find(f"Interaction {asked.id} by {asked.user.name} has no ending.")
        self._judge_memory()

    def waits(self) -> list[float]:
        """Seconds from each wish to its first answer, of those that had one."""
        answered = [each for each in self.day.asked if each.responded_at is not None]
        return [(each.responded_at or 0.0) - each.created_at for each in answered]

    def _judge_messages(self, jobs: dict[int, object]) -> None:
        """Each is a job's, or the answer to a press, and none is there twice."""
        responses = {each.original.id for each in self.day.asked if each.original is not None}
        for message in self._discord.messages():
            ours = message.author.bot and not message.deleted and not message.ephemeral
            if not ours or _brief(message):
                continue
            if message.id not in jobs and message.id not in responses:
                self.day.findings.append(f"Nobody asked for this: {message!r}")
            elif not is_finished(message):
                self.day.findings.append(f"This never ended: {message!r}")

    def _judge_memory(self) -> None:
        for who, entries in self.day.memory.items():
            if len(entries) < LOOKS:
                continue
            fifth = len(entries) // 5
            before = statistics.median(size for _, size in entries[:fifth])
            after = statistics.median(size for _, size in entries[-fifth:])
            self.day.did[f"{who} MiB before"] = round(before / 2**20)
            self.day.did[f"{who} MiB after"] = round(after / 2**20)
            if after > before * (1 + GROWTH):
                self.day.findings.append(
                    f"The memory of the {who} grew from {before / 2**20:.1f} to "
                    f"{after / 2**20:.1f} MiB."
                )


def _late(waits: list[float]) -> float:
    """Seconds within which 99 of 100 are answered."""
    return sorted(waits)[int(0.99 * len(waits))]


def _over(asked: Interaction) -> bool:
    if asked.ephemerals:
        return True
    response = asked.response
    return response is not None and (response.deleted or is_finished(response))


def _shows(message: Message) -> bool:
    return "U1" in message.buttons and not message.deleted


def _brief(message: Message) -> bool:
    """A sentence about a reaction, which goes away by itself."""
    return not message.buttons and not message.attachments and message.reference is not None


async def soak(plan: Plan, data: Path) -> tuple[Day, list[float]]:
    """The day, and how long people waited for their answers."""
    model = tiny_model.save(data / "model")
    async with Playground(port=0) as discord:
        bot = BotProcess(discord, data / "data", str(model))
        (data / "data").mkdir()
        await bot.start()
        day = Soak(plan, discord, bot)
        try:
            found = await day.run()
        finally:
            await bot.stop()
        return found, day.waits()


def main() -> int:
    """Print what happened, and what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in vars(Plan()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    plan = Plan(**vars(parser.parse_args()))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        day, waits = asyncio.run(soak(plan, Path(folder)))
    say = sys.stdout.write
    slow = _late(waits)
    if slow > ACK_SECONDS:  # not in `findings`: beside other work it says nothing of the bot
        day.findings.append(f"1 in 100 was answered after {slow:.2f} s or later.")
    say(f"{len(day.asked)} wishes in {time.monotonic() - began:.0f} s: {dict(day.did)}\n")
    say(
        f"answered within {statistics.median(waits) * 1000:.0f} ms (median), "
        f"{slow * 1000:.0f} ms (99 of 100)\n"
    )
    for finding in day.findings:
        say(f"FOUND: {finding}\n")
    say("nothing lost, nothing twice\n" if not day.findings else f"{len(day.findings)} findings\n")
    return 1 if day.findings else 0


if __name__ == "__main__":
    sys.exit(main())
