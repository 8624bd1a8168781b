"""The command line of the bot, in processes of its own."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bot.db import migrations
from bot.db.database import FILENAME
from bot.errors import ExitCode

ROOT = Path(__file__).parents[1]


def bot(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A bot that will not get far."""
    known = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bot", *arguments],
        cwd=ROOT,
        env={**known, "DISCORD_TOKEN": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def one_sentence(run: subprocess.CompletedProcess[str]) -> str:
    """What it said, if it was a sentence and no stack trace."""
    said = run.stderr.strip()
    assert "Traceback" not in said
    assert said.count("\n") == 0
    return said


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """With a code of its own, and unchanged."""
    newer = sqlite3.connect(tmp_path / FILENAME)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    run = bot(IMAGINE_DATA=str(tmp_path))
    assert run.returncode == ExitCode.DATABASE_NEWER
    assert "of version 99, made by a newer bot" in one_sentence(run)


def test_a_locked_database_is_refused(tmp_path: Path) -> None:
    """After five seconds of patience."""
    migrations.migrate(tmp_path / FILENAME)
    other = sqlite3.connect(tmp_path / FILENAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    run = bot(IMAGINE_DATA=str(tmp_path))
    other.close()
    assert run.returncode == ExitCode.DATABASE_LOCKED
    assert "locked by another program" in one_sentence(run)


def test_a_wrong_setting_is_refused() -> None:
    """By its name."""
    run = bot(IMAGINE_PLAYGROUND_PORT="many")
    assert run.returncode == ExitCode.SETTINGS
    assert "IMAGINE_PLAYGROUND_PORT" in one_sentence(run)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The engine's reason comes last."""
    run = bot(
        IMAGINE_DATA=str(tmp_path),
        IMAGINE_MODEL=str(tmp_path / "moon"),
        IMAGINE_PLAYGROUND_PORT="0",
    )
    assert run.returncode == ExitCode.ENGINE_FAILED
    assert "Traceback" not in run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("The engine did not start: ") and "moon" in last


@pytest.mark.parametrize("database", [True, False])
def test_an_unknown_picture_is_refused(tmp_path: Path, database: bool) -> None:
    """And no record is made where there was none."""
    if database:
        migrations.migrate(tmp_path / FILENAME)
    run = bot("replay", "abc-1", IMAGINE_DATA=str(tmp_path))
    assert run.returncode == ExitCode.UNKNOWN_PICTURE
    assert "no picture abc-1" in one_sentence(run)
    assert (tmp_path / FILENAME).exists() is database


def test_nonsense_on_the_command_line_is_refused() -> None:
    """With the usual code."""
    assert bot("paint").returncode == ExitCode.USAGE
