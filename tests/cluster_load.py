"""Users of a bot whose engine is a cluster, who have pictures painted all the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bot.playground import Interaction, Person, Playground
from tests.bot_harness import ALL_BUTTONS, final_response, query
from tests.bot_process import BotProcess
from tests.cluster import RECOVERY_SECONDS, Cluster

PEOPLE: Final = 4
PAUSE_SECONDS: Final = 0.3
"""Between two requests of a user, so that processes that start get a share of the cores."""
STEPS: Final = 60
"""So that a job takes about a second beside the others."""


class Load:
    """Each user sends the next request when the last one is finished."""

    def __init__(self, bot: BotProcess) -> None:
        self.interactions: list[Interaction] = []
        self._bot = bot
        self._goes_on = True

    def stop(self) -> None:
        """Send no more requests."""
        self._goes_on = False

    async def use(self, person: Person) -> None:
        """Send requests until `stop`; each must end with all its pictures."""
        while self._goes_on:
            interaction = await person.slash("imagine", prompt="a red house", steps=STEPS)
            self.interactions.append(interaction)
            message = await final_response(self._bot.discord, interaction, RECOVERY_SECONDS)
            assert message.buttons == ALL_BUTTONS, message.content
            await asyncio.sleep(PAUSE_SECONDS)


def bot_of(cluster: Cluster, discord: Playground, data: Path) -> BotProcess:
    """A bot that uses the cluster; it is not started."""
    endpoint = cluster.endpoint
    return BotProcess(
        discord,
        data,
        str(cluster.model),
        IMAGINE_ENGINE=f"ray://{endpoint.host}:{endpoint.port}",
        IMAGINE_ENGINE_TOKEN=endpoint.token,
    )


@asynccontextmanager
async def load_on(bot: BotProcess) -> AsyncIterator[Load]:
    """Users while the body runs; after it, all their jobs must end, each exactly once."""
    load = Load(bot)
    count = len(query(bot.data, "SELECT id FROM jobs"))
    people = [bot.discord.person(f"Person {nth}") for nth in range(PEOPLE)]
    tasks = [asyncio.create_task(load.use(person)) for person in people]
    try:
        yield load
        load.stop()
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await bot.discord.until(
        lambda: not query(bot.data, "SELECT id FROM jobs WHERE delivered_at IS NULL"),
        timeout=RECOVERY_SECONDS,
        why="all jobs are delivered",
    )
    assert len(query(bot.data, "SELECT id FROM jobs")) == count + len(load.interactions)
    assert problems(bot) == []


def problems(bot: BotProcess) -> list[str]:
    """What was lost or is there twice, in the database and in Discord; a sentence each."""
    rows = query(
        bot.data,
        "SELECT jobs.id, status, count(pictures.id) AS stored, count(DISTINCT nth) AS different, "
        "count(failed) AS failed FROM jobs LEFT JOIN pictures ON job = jobs.id GROUP BY jobs.id",
    )
    texts = [
        f"Job {row['id']}: {dict(row)}." for row in rows if tuple(row)[1:] != ("done", 4, 4, 0)
    ]
    messages = [
        message
        for message in bot.discord.messages()
        if message.author.bot and not message.deleted and not message.ephemeral
    ]
    if len(messages) != len(rows):
        texts.append(f"{len(rows)} jobs have {len(messages)} messages.")
    sql = (
        "SELECT id FROM pictures GROUP BY prompt, seed, steps, row_class "
        "HAVING count(DISTINCT sha256) > 1"
    )
    return texts + [f"Picture {row['id']} has two versions." for row in query(bot.data, sql)]
