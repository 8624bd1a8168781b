"""The log of a whole day: a real bot, a real engine, hostile words, a Discord in bad moods."""

import resource
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bot.db.database import FILENAME
from bot.playground import Fault, Interaction, Playground
from engine.log.logfmt import Value, read
from tests import tiny_model
from tests.bot_process import BotProcess
from tests.house import is_finished

HUB = "hf_aSecretOfTheHubThatIsNotReal"
WORD = "quokkafruit"
HOSTILE = (
    f"{WORD}\nat=2026-11-21T00:00:00.000Z level=info process=bot logger=bot event=forged job=forged"
    f'\r\x1b[2J" event=forged job=forged \u2028{{"event": "forged"}}'
)
BOT = ["job accepted", "job answered", "job queued", "job started", "job ended", "job delivered"]
ENGINE = ["job taken", "job ended"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny real model."""
    return tiny_model.save(tmp_path_factory.mktemp("tiny") / "model")


@contextmanager
def dumps_allowed() -> Iterator[None]:
    """What starts meanwhile may leave an image of its memory when it crashes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


class Day:
    """What was done, and what was written of it."""

    def __init__(self, bot: BotProcess) -> None:
        self.bot = bot
        self.asked: list[Interaction] = []
        self.dumps: list[int] = []
        """The bytes that may be dumped of bot and engine if they crash."""
        self.secrets = [bot.discord.token, HUB]

    async def live(self) -> None:
        """Two jobs are painted and one is cancelled, while Discord fails now and then."""
        discord = self.bot.discord
        ada = discord.person("Ada")
        with dumps_allowed():
            await self.bot.start()
        both = (self.bot.process(), self.bot.engine())
        self.dumps = [each.rlimit(psutil.RLIMIT_CORE)[0] for each in both]
        self.secrets.append(self.bot.engine().environ()["IMAGINE_ENGINE_TOKEN"])
        discord.faults.next("PATCH", "/webhooks/", Fault(status=429, retry_after=0.05))
        discord.faults.next("PATCH", "/webhooks/", Fault(drop=True, after_commit=True))
        discord.faults.next("POST", "/callback", Fault(drop=True, after_commit=True))
        for words in ({"prompt": HOSTILE}, {"prompt": WORD, "negative": HOSTILE}):
            self.asked.append(await ada.invoke("imagine", {"steps": 4, "count": 1, **words}))
            await self._finished(self.asked[-1])
        long = await ada.slash("imagine", prompt=WORD, steps=150)
        self.asked.append(long)
        await discord.until(lambda: long.response and long.response.buttons, why="a way to cancel")
        assert long.response is not None
        self.asked.append(await ada.click(long.response, "✖ Cancel"))
        await self._finished(long)
        assert await self.bot.stop() == 0
        self.secrets += [one.token for one in self.asked]

    async def _finished(self, asked: Interaction) -> None:
        await self.bot.discord.until(
            lambda: asked.response and is_finished(asked.response), why="the job ends"
        )

    @property
    def text(self) -> str:
        """All that was written."""
        assert self.bot.log is not None
        return self.bot.log.read_text("utf-8")

    def lines(self) -> list[dict[str, Value]]:
        """All of it, each line read; every line is one."""
        found = []
        for line in self.text.splitlines():
            fields = read(line)
            assert fields is not None, line
            found.append(fields)
        return found

    def jobs(self) -> dict[str, str]:
        """The status of each job in the record, by its id."""
        with sqlite3.connect(self.bot.data / FILENAME) as connection:
            return dict(connection.execute("SELECT id, status FROM jobs ORDER BY created_at"))


async def day(discord: Playground, place: Path, model: Path, **settings: str) -> Day:
    """A day with these settings."""
    bot = BotProcess(discord, place / "data", str(model), HF_TOKEN=HUB, **settings)
    bot.log = place / "log"
    one = Day(bot)
    try:
        await one.live()
    finally:
        await bot.stop()
    return one


def story(lines: Sequence[dict[str, Value]], process: str, job: str) -> list[Value]:
    """What happened to a job there, in order."""
    own = [line for line in lines if (line["process"], line.get("job")) == (process, job)]
    return [line["event"] for line in own if str(line["event"]).startswith("job ")]


@pytest.mark.parametrize(("form", "level"), [("text", "debug"), ("json", "info")])
async def test_a_day_is_lines_that_can_be_followed_and_keep_secrets(
    discord: Playground, tmp_path: Path, model: Path, form: str, level: str
) -> None:
    """Also of libraries that tell their debuggers all."""
    one = await day(discord, tmp_path, model, IMAGINE_LOG=form, IMAGINE_LOG_LEVEL=level)
    lines = one.lines()
    assert {line["process"] for line in lines} == {"bot", "engine"}
    assert {line["level"] == "debug" for line in lines} == {False, level == "debug"}
    jobs = one.jobs()
    assert list(jobs.values()) == ["done", "done", "cancelled"]
    for job, status in jobs.items():
        happened = story(lines, "bot", job)
        if status == "done":
            assert (happened, story(lines, "engine", job)) == (BOT, ENGINE)
        else:  # before its turn, or in it
            assert happened in (BOT, [event for event in BOT if event != "job started"])
        last = [line for line in lines if line["process"] == "bot" and line.get("job") == job][-1]
        assert (last["event"], last["ending"]) == ("job delivered", status)
    assert not [line for line in lines if "forged" in (line["event"], line.get("job"))]
    for secret in (WORD, "forged", *one.secrets):
        assert secret not in one.text
    assert max(one.dumps) <= 1
    limited = [line for line in lines if "rate limited" in str(line["event"])]
    assert limited and all(line["job"] in jobs for line in limited)


async def test_words_of_people_are_there_if_that_is_asked_for(
    discord: Playground, tmp_path: Path, model: Path
) -> None:
    """In the line of their job, where they do no harm, and tokens still are not."""
    settings = {"IMAGINE_LOG_PROMPTS": "true", "IMAGINE_LOG_LEVEL": "debug"}
    one = await day(discord, tmp_path, model, **settings)
    lines = one.lines()
    accepted = [line for line in lines if line["event"] == "job accepted"]
    assert [WORD in str(line["prompt"]) for line in accepted] == [True, True, True]
    assert "event=forged" in str(accepted[0]["prompt"])
    assert not [line for line in lines if "forged" in (line["event"], line.get("job"))]
    for secret in one.secrets:
        assert secret not in one.text
