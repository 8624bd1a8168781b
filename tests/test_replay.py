"""Reproducing stored pictures with `python -m bot replay`."""

import contextlib
import sqlite3
from pathlib import Path

import msgspec
import pytest

from bot.db.database import FILENAME
from bot.engine_client.supervisor import supervised_engine
from bot.errors import ExitCode, FatalError
from bot.services.replay import StartEngine, replay
from bot.settings import Settings
from engine.contract import sha256
from tests.bot_harness import BotHarness, settings_for
from tests.fake_engine import FakeEngine, flat, flat_image, png
from tests.fake_server import UPSCALER


@pytest.fixture
async def painted(harness: BotHarness) -> Settings:
    """The settings of a stopped bot that has painted one job."""
    await harness.imagine(count=2, negative="rain")
    await harness.stop()
    return settings_for(harness.discord, harness.data)


def start(engine: FakeEngine) -> StartEngine:
    """A function that starts the fake engine, whatever the environment."""
    return lambda _: supervised_engine(engine.launch)


def picture_ids(harness: BotHarness) -> list[str]:
    """The ids of all pictures, in order."""
    return [row["id"] for row in harness.query("SELECT id FROM pictures ORDER BY nth")]


async def test_equal_bits_are_reported(
    harness: BotHarness, painted: Settings, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stored recipe of the picture is painted alone."""
    code = await replay(painted, picture_ids(harness)[1], None, start(engine))
    assert code is ExitCode.STOPPED
    output = capsys.readouterr().out
    assert "The same bits" in output and "(pixels)" in output
    assert engine.paints[-1].recipes == (engine.paints[0].recipes[1],)
    assert engine.paints[-1].fingerprint == engine.model.fingerprint


async def test_the_model_of_the_picture_need_not_be_the_default(
    harness: BotHarness, painted: Settings, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster that runs by itself has models of its own."""
    [model] = engine.models
    engine.models = (msgspec.structs.replace(model, name="other", revision="1" * 40), model)
    assert await replay(painted, picture_ids(harness)[0], None, start(engine)) is ExitCode.STOPPED
    assert "weights have changed" not in capsys.readouterr().out


async def test_different_bits_are_reported(
    harness: BotHarness, painted: Settings, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report has the reason, if the weights have changed."""
    engine.change_model(engine.model.name)
    code = await replay(painted, picture_ids(harness)[0], None, start(engine))
    assert code is ExitCode.BITS_DIFFER
    output = capsys.readouterr().out
    assert "Other bits" in output
    assert "weights have changed" in output


@pytest.mark.parametrize("is_withheld", [False, True])
async def test_a_picture_without_a_digest_of_its_pixels_is_compared(
    harness: BotHarness,
    painted: Settings,
    engine: FakeEngine,
    capsys: pytest.CaptureFixture[str],
    is_withheld: bool,
) -> None:
    """Older bots stored the digest of the file: of withheld pictures too, which have no file."""
    [first, second] = picture_ids(harness)
    digest = sha256(png(flat_image(engine.paints[0].recipes[0])))
    await harness.execute("UPDATE pictures SET sha256 = NULL, file_sha256 = ?", digest)
    if is_withheld:
        await harness.execute("UPDATE pictures SET path = NULL, blocked = 1")
        engine.flagged = {1}
    assert await replay(painted, first, None, start(engine)) is ExitCode.STOPPED
    output = capsys.readouterr().out
    assert "The same bits" in output
    assert ("(file)" if is_withheld else "(pixels)") in output
    if is_withheld:
        assert await replay(painted, second, None, start(engine)) is ExitCode.BITS_DIFFER


async def test_a_different_fingerprint_is_reported(
    harness: BotHarness, painted: Settings, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even on the same machine it may differ, if a picture was alone in its batches."""
    with contextlib.closing(sqlite3.connect(harness.data / FILENAME)) as record, record:
        record.execute("UPDATE pictures SET fingerprint = fingerprint || ', alone in its batches'")
    code = await replay(painted, picture_ids(harness)[0], None, start(engine))
    assert code is ExitCode.STOPPED
    output = capsys.readouterr().out
    assert "fingerprints differ" in output
    assert "hardware" not in output
    assert "The same bits" in output


async def test_files_are_written_on_request_only(
    harness: BotHarness, painted: Settings, engine: FakeEngine, tmp_path: Path
) -> None:
    """The option is `--out`."""
    before = sorted(harness.data.rglob("*"))
    await replay(painted, picture_ids(harness)[0], None, start(engine))
    assert sorted(harness.data.rglob("*")) == before
    out = tmp_path / "again.png"
    await replay(painted, picture_ids(harness)[0], out, start(engine))
    assert out.read_bytes() == flat(engine.paints[0].recipes[0])


async def test_replay_works_beside_a_running_bot(harness: BotHarness, engine: FakeEngine) -> None:
    """A replay only reads the database."""
    await harness.imagine()
    settings = settings_for(harness.discord, harness.data)
    assert await replay(settings, picture_ids(harness)[0], None, start(engine)) is ExitCode.STOPPED
    assert (await harness.imagine()).attachments


async def test_an_unknown_picture_is_an_error(painted: Settings, engine: FakeEngine) -> None:
    """No engine is started for it."""
    starts = engine.starts
    with pytest.raises(FatalError, match="no picture abc-1"):
        await replay(painted, "abc-1", None, start(engine))
    assert engine.starts == starts


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("UPDATE pictures SET removed_at = 1.0", "Moderators removed the picture"),
        (
            "UPDATE pictures SET recipe = json_set(recipe, '$.prompt', 'a naked child')",
            "no sexual content with minors",
        ),
        (
            "UPDATE pictures SET recipe = json_set(recipe, '$.prompt', 'a naked woman', "
            "'$.changes', json_array(json_object('step', 1, 'prompt', 'a child')))",
            "no sexual content with minors",
        ),
    ],
)
async def test_forbidden_pictures_are_not_replayed(
    harness: BotHarness, painted: Settings, engine: FakeEngine, change: str, sentence: str
) -> None:
    """No engine is started for them."""
    await harness.execute(change)
    starts = engine.starts
    with pytest.raises(FatalError, match=sentence):
        await replay(painted, picture_ids(harness)[0], None, start(engine))
    assert engine.starts == starts


@pytest.fixture
def enlarging_engine(engine: FakeEngine) -> FakeEngine:
    """The engine, with an upscaler."""
    engine.upscalers = (UPSCALER,)
    return engine


async def test_an_enlarged_picture_is_enlarged_again(
    enlarging_engine: FakeEngine, harness: BotHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine gets the picture that it was made from."""
    grid = await harness.imagine(count=1)
    shown = await harness.result(await harness.ada.click(grid, "U1"))
    await harness.result(await harness.ada.click(shown, "⬆ 2x"))
    await harness.stop()
    settings = settings_for(harness.discord, harness.data)
    [row] = harness.query("SELECT id FROM pictures WHERE recipe LIKE '%Upscale%'")
    assert await replay(settings, row["id"], None, start(enlarging_engine)) is ExitCode.STOPPED
    assert "The same bits" in capsys.readouterr().out
    assert enlarging_engine.paints[-1].inputs == enlarging_engine.paints[-2].inputs
