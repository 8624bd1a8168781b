"""Painting a picture again from its row."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from bot.db.database import FILENAME
from bot.engine_client.supervisor import supervised_engine
from bot.errors import ExitCode, FatalError
from bot.services.replay import StartEngine, replay
from bot.settings import Settings
from tests.fake_engine import FakeEngine, flat
from tests.house import House, settings_for


@pytest.fixture
async def painted(house: House) -> Settings:
    """The settings of a bot that has painted one job, and sleeps."""
    await house.imagine(count=2, negative="rain")
    await house.stop()
    return settings_for(house.discord, house.data)


def start(engine: FakeEngine) -> StartEngine:
    """A function that starts the fake engine, whatever the environment."""
    return lambda _: supervised_engine(engine.launch)


def names(house: House) -> list[str]:
    """The ids of all pictures, in order."""
    return [row["id"] for row in house.query("SELECT id FROM pictures ORDER BY nth")]


async def test_the_same_bits_are_said_to_be_the_same(
    house: House, painted: Settings, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second picture's recipe alone, as it was recorded."""
    verdict = await replay(painted, names(house)[1], None, start(engine))
    assert verdict is ExitCode.STOPPED
    assert "The same bits" in capsys.readouterr().out
    assert engine.paints[-1].recipes == (engine.paints[0].recipes[1],)


async def test_other_bits_are_said_to_be_others(
    house: House, painted: Settings, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason, if weights or machine are others."""
    engine.change_model("round")
    verdict = await replay(painted, names(house)[0], None, start(engine))
    assert verdict is ExitCode.BITS_DIFFER
    said = capsys.readouterr().out
    assert "Other bits" in said
    assert "weights are others" in said


async def test_another_way_of_painting_is_no_other_machine(
    house: House, painted: Settings, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture may have been alone in its batches for the sake of others of its job."""
    with contextlib.closing(sqlite3.connect(house.data / FILENAME)) as record, record:
        record.execute("UPDATE pictures SET fingerprint = fingerprint || ', alone in its batches'")
    verdict = await replay(painted, names(house)[0], None, start(engine))
    assert verdict is ExitCode.STOPPED
    said = capsys.readouterr().out
    assert "made in another way" in said
    assert "hardware" not in said
    assert "The same bits" in said


async def test_nothing_is_written_unless_asked_for(
    house: House, painted: Settings, engine: FakeEngine, tmp_path: Path
) -> None:
    """With --out, the picture."""
    before = sorted(house.data.rglob("*"))
    await replay(painted, names(house)[0], None, start(engine))
    assert sorted(house.data.rglob("*")) == before
    out = tmp_path / "again.png"
    await replay(painted, names(house)[0], out, start(engine))
    assert out.read_bytes() == flat(engine.paints[0].recipes[0])


async def test_it_works_beside_a_running_bot(house: House, engine: FakeEngine) -> None:
    """For it only reads."""
    await house.imagine()
    settings = settings_for(house.discord, house.data)
    assert await replay(settings, names(house)[0], None, start(engine)) is ExitCode.STOPPED
    assert (await house.imagine()).attachments


async def test_an_unknown_picture_is_one_sentence(painted: Settings, engine: FakeEngine) -> None:
    """No engine is started for it."""
    lives = engine.starts
    with pytest.raises(FatalError, match="no picture abc-1"):
        await replay(painted, "abc-1", None, start(engine))
    assert engine.starts == lives


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("UPDATE pictures SET removed_at = 1.0", "Moderators removed the picture"),
        ("UPDATE pictures SET prompt = 'a naked child'", "no sexual content with minors"),
    ],
)
async def test_what_may_not_be_asked_for_is_not_painted_again(
    house: House, painted: Settings, engine: FakeEngine, change: str, sentence: str
) -> None:
    """No engine is started for it."""
    house.execute(change)
    lives = engine.starts
    with pytest.raises(FatalError, match=sentence):
        await replay(painted, names(house)[0], None, start(engine))
    assert engine.starts == lives
