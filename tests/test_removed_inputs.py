"""What moderators' removal does to the copies of pictures that others were made from."""

import pytest

from bot.playground import Person
from engine.contract import Outpaint
from tests.bot_harness import BotHarness, eventually
from tests.changing import PAINTER, menu_of, painted, single
from tests.fake_engine import FakeEngine
from tests.reporting import picture_files, response_text
from tests.test_imagine import SKETCH


@pytest.fixture(autouse=True)
def _models(engine: FakeEngine) -> None:
    """The model paints around pictures."""
    engine.models = (PAINTER,)


def input_files(harness: BotHarness) -> list[str]:
    """The digests of the stored input images."""
    return [path.stem for path in (harness.data / "sources").iterdir()]


async def test_the_copy_of_a_removed_picture_is_deleted(
    harness: BotHarness, engine: FakeEngine, mo: Person
) -> None:
    """With what was made of it, also by 🔄, which stored no copy of its own. A sketch of somebody
    else stays."""
    ben = harness.discord.person("Ben")
    await harness.imagine(ben, sketch=SKETCH)
    [sketch] = input_files(harness)
    shown = await single(harness)
    [row] = harness.query("SELECT job FROM pictures ORDER BY rowid DESC LIMIT 1")
    menu = menu_of(harness).replace(_first_job(harness), row["job"])
    zoomed = await harness.result(await harness.ada.choose(shown, menu, "zoom20"))
    again = await harness.result(await harness.ada.click(zoomed, "🔄"))
    source = painted(engine)[0].source
    assert isinstance(source, Outpaint)
    assert sorted(input_files(harness)) == sorted([sketch, source.image])
    await response_text(harness, await mo.use("Remove picture", shown))
    await eventually(lambda: input_files(harness) == [sketch])
    assert zoomed.deleted and again.deleted
    assert len(picture_files(harness)) == 4


async def test_a_copy_that_other_pictures_need_stays(
    harness: BotHarness, engine: FakeEngine, mo: Person
) -> None:
    """Those of a job that started from an upload of the same pixels."""
    shown = await single(harness)
    menu = menu_of(harness)
    await harness.result(await harness.ada.choose(shown, menu, "zoom20"))
    [copy] = input_files(harness)
    other = "INSERT INTO job_images SELECT id, ? FROM jobs WHERE kind = 'imagine'"
    await harness.imagine(harness.discord.person("Ben"))
    await harness.execute(f"{other} AND id != ?", copy, _first_job(harness))
    await response_text(harness, await mo.use("Remove picture", shown))
    await eventually(lambda: not harness.query("SELECT * FROM file_deletions"))
    assert input_files(harness) == [copy]


def _first_job(harness: BotHarness) -> str:
    [job] = harness.query("SELECT id FROM jobs ORDER BY rowid LIMIT 1")
    return str(job["id"])
