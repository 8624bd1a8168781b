"""The command line of the bot, run as a process."""

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
    """Run `python -m bot`, which fails at its start."""
    inherited = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bot", *arguments],
        cwd=ROOT,
        env={**inherited, "DISCORD_TOKEN": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def error_sentence(run: subprocess.CompletedProcess[str]) -> str:
    """The only line that the process wrote to stderr; asserts that there is no traceback."""
    output = run.stderr.strip()
    assert "Traceback" not in output
    assert output.count("\n") == 0
    return output


def test_a_newer_database_has_its_own_exit_code(tmp_path: Path) -> None:
    """The database is not changed."""
    newer = sqlite3.connect(tmp_path / FILENAME)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    run = bot(IMAGINE_DATA=str(tmp_path))
    assert run.returncode == ExitCode.DATABASE_NEWER
    assert "of version 99, made by a newer bot" in error_sentence(run)


def test_a_locked_database_has_its_own_exit_code(tmp_path: Path) -> None:
    """The bot waits five seconds for the lock."""
    migrations.migrate(tmp_path / FILENAME)
    locker = sqlite3.connect(tmp_path / FILENAME, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    run = bot(IMAGINE_DATA=str(tmp_path))
    locker.close()
    assert run.returncode == ExitCode.DATABASE_LOCKED
    assert "locked by another program" in error_sentence(run)


def test_an_invalid_setting_is_named() -> None:
    """The error message has its name."""
    run = bot(IMAGINE_PLAYGROUND_PORT="many")
    assert run.returncode == ExitCode.SETTINGS
    assert "IMAGINE_PLAYGROUND_PORT" in error_sentence(run)


def test_a_missing_model_is_an_engine_failure(tmp_path: Path) -> None:
    """The last line of the output has the engine's reason."""
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
def test_an_unknown_picture_has_its_own_exit_code(tmp_path: Path, database: bool) -> None:
    """If there is no database, none is created."""
    if database:
        migrations.migrate(tmp_path / FILENAME)
    run = bot("replay", "abc-1", IMAGINE_DATA=str(tmp_path))
    assert run.returncode == ExitCode.UNKNOWN_PICTURE
    assert "no picture abc-1" in error_sentence(run)
    assert (tmp_path / FILENAME).exists() is database


def test_an_unknown_command_is_a_usage_error() -> None:
    """It has argparse's exit code."""
    assert bot("paint").returncode == ExitCode.USAGE
