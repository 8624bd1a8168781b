"""The log of a real bot and engine, with hostile prompts and injected faults of Discord."""

import resource
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bot.db.database import FILENAME
from bot.playground import Fault, Interaction, Playground
from engine.log.logfmt import Value, parse
from tests import tiny_model
from tests.bot_harness import is_finished
from tests.bot_process import BotProcess

HUB = "hf_aSecretOfTheHubThatIsNotReal"
WORD = "quokkafruit"
HOSTILE = (
    f"{WORD}\nat=2026-11-21T00:00:00.000Z level=info process=bot logger=bot event=forged job=forged"
    f'\r\x1b[2J" event=forged job=forged \u2028{{"event": "forged"}}'
)
BOT = ["job accepted", "job answered", "job queued", "job started", "job ended", "job delivered"]
ENGINE = ["job received", "job ended"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny real model."""
    return tiny_model.save(tmp_path_factory.mktemp("tiny") / "model")


@contextmanager
def core_dumps_enabled() -> Iterator[None]:
    """Allow processes that start in the block to write core dumps."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


class LoggedRun:
    """A run of bot and engine, with the log that they wrote."""

    def __init__(self, bot: BotProcess) -> None:
        self.bot = bot
        self.interactions: list[Interaction] = []
        self.core_limits: list[int] = []
        """RLIMIT_CORE of bot and engine, in bytes."""
        self.secrets = [bot.discord.token, HUB]

    async def run(self) -> None:
        """Paint two jobs and cancel a third one, while some requests to Discord fail."""
        discord = self.bot.discord
        ada = discord.person("Ada")
        with core_dumps_enabled():
            await self.bot.start()
        processes = (self.bot.process(), self.bot.engine())
        self.core_limits = [process.rlimit(psutil.RLIMIT_CORE)[0] for process in processes]
        self.secrets.append(self.bot.engine().environ()["IMAGINE_ENGINE_TOKEN"])
        discord.faults.next("PATCH", "/webhooks/", Fault(status=429, retry_after=0.05))
        discord.faults.next("PATCH", "/webhooks/", Fault(drop=True, after_commit=True))
        discord.faults.next("POST", "/callback", Fault(drop=True, after_commit=True))
        for prompts in ({"prompt": HOSTILE}, {"prompt": WORD, "negative": HOSTILE}):
            self.interactions.append(
                await ada.invoke("imagine", {"steps": 4, "count": 1, **prompts})
            )
            await self._finished(self.interactions[-1])
        long = await ada.slash("imagine", prompt=WORD, steps=150)
        self.interactions.append(long)
        await discord.until(
            lambda: long.response and long.response.buttons, why="the cancel button"
        )
        assert long.response is not None
        self.interactions.append(await ada.click(long.response, "✖ Cancel"))
        await self._finished(long)
        assert await self.bot.stop() == 0
        self.secrets += [interaction.token for interaction in self.interactions]

    async def _finished(self, interaction: Interaction) -> None:
        await self.bot.discord.until(
            lambda: interaction.response and is_finished(interaction.response), why="the job ends"
        )

    @property
    def text(self) -> str:
        """The whole log."""
        assert self.bot.log is not None
        return self.bot.log.read_text("utf-8")

    def lines(self) -> list[dict[str, Value]]:
        """The fields of each line; asserts that every line is a log line."""
        lines = []
        for line in self.text.splitlines():
            fields = parse(line)
            assert fields is not None, line
            lines.append(fields)
        return lines

    def jobs(self) -> dict[str, str]:
        """The status of each job in the database, by its id, oldest first."""
        with sqlite3.connect(self.bot.data / FILENAME) as connection:
            return dict(connection.execute("SELECT id, status FROM jobs ORDER BY created_at"))


async def logged_run(discord: Playground, folder: Path, model: Path, **settings: str) -> LoggedRun:
    """A finished run with these settings."""
    bot = BotProcess(discord, folder / "data", str(model), HF_TOKEN=HUB, **settings)
    bot.log = folder / "log"
    logged = LoggedRun(bot)
    try:
        await logged.run()
    finally:
        await bot.stop()
    return logged


def job_events(lines: Sequence[dict[str, Value]], process: str, job: str) -> list[Value]:
    """The log events of a job that one process wrote, in order."""
    own = [line for line in lines if (line["process"], line.get("job")) == (process, job)]
    return [line["event"] for line in own if str(line["event"]).startswith("job ")]


@pytest.mark.parametrize(("form", "level"), [("text", "debug"), ("json", "info")])
async def test_the_log_follows_each_job_and_redacts_secrets(
    discord: Playground, tmp_path: Path, model: Path, form: str, level: str
) -> None:
    """Level debug is tested too, because libraries log their requests at this level."""
    logged = await logged_run(discord, tmp_path, model, IMAGINE_LOG=form, IMAGINE_LOG_LEVEL=level)
    lines = logged.lines()
    assert {line["process"] for line in lines} == {"bot", "engine"}
    assert {line["level"] == "debug" for line in lines} == {False, level == "debug"}
    jobs = logged.jobs()
    assert list(jobs.values()) == ["done", "done", "cancelled"]
    for job, status in jobs.items():
        events = job_events(lines, "bot", job)
        if status == "done":
            assert (events, job_events(lines, "engine", job)) == (BOT, ENGINE)
        else:  # cancelled after its start, before it, or before it is queued
            assert events in (BOT, [*BOT[:3], *BOT[4:]], [*BOT[:2], *BOT[4:]])
        delivered = [
            line for line in lines if (line["event"], line.get("job")) == ("job delivered", job)
        ]
        assert [line["ending"] for line in delivered] == [status]
    assert not [line for line in lines if "forged" in (line["event"], line.get("job"))]
    for secret in (WORD, "forged", *logged.secrets):
        assert secret not in logged.text
    assert "Stopping after SIGTERM." in [line["event"] for line in lines]
    assert max(logged.core_limits) <= 1
    limited = [line for line in lines if "rate limited" in str(line["event"])]
    assert limited and all(line["job"] in jobs for line in limited)


async def test_prompts_are_logged_with_the_option(
    discord: Playground, tmp_path: Path, model: Path
) -> None:
    """A prompt is a field of its job's line and cannot end the line; tokens are redacted."""
    settings = {"IMAGINE_LOG_PROMPTS": "true", "IMAGINE_LOG_LEVEL": "debug"}
    logged = await logged_run(discord, tmp_path, model, **settings)
    lines = logged.lines()
    accepted = [line for line in lines if line["event"] == "job accepted"]
    assert [WORD in str(line["prompt"]) for line in accepted] == [True, True, True]
    assert "event=forged" in str(accepted[0]["prompt"])
    assert not [line for line in lines if "forged" in (line["event"], line.get("job"))]
    for secret in logged.secrets:
        assert secret not in logged.text
