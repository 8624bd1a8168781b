"""What is kept of a person, in words and as a file."""

import gzip
from typing import Any

import msgspec
import pytest

from bot import dossier
from bot.dossier import Kept, Promise
from bot.jobs import Address
from tests.samples import job, picture

LIMIT = 2000


def kept(**changes: object) -> Kept:
    """A person of two jobs."""
    values: dict[str, Any] = {
        "jobs": 2,
        "pictures": 5,
        "sketches": 1,
        "held": 0,
        "lines": 0,
        "since": 100.0,
    }
    return Kept(**values | changes)


NONE = kept(jobs=0, pictures=0, sketches=0, since=None)


def test_one_is_not_said_to_be_many() -> None:
    """Nor many one; sketches are named if there are any."""
    assert "2 jobs, 5 pictures and 1 sketch of you" in dossier.told(kept(), Promise())
    one = kept(jobs=1, pictures=1, sketches=0)
    assert "1 job and 1 picture of you" in dossier.told(one, Promise())
    assert "3 sketches" in dossier.question(kept(sketches=3))


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        (Promise(), "kept until you delete it"),
        (Promise(days=1), "deleted 1 day after a job has ended"),
        (Promise(days=30), "deleted 30 days after a job has ended"),
        (Promise(), "log has none of your words, but ids"),
        (Promise(words_in_log=True), "log has your prompts, and ids"),
    ],
)
def test_what_was_promised_is_said(promise: Promise, said: str) -> None:
    """By who runs the bot."""
    assert said in dossier.told(kept(), promise)


def test_what_moderators_keep_is_said_with_reason_and_time() -> None:
    """Also to somebody of whom there is nothing else."""
    said = dossier.told(kept(lines=3), Promise())
    assert "act against abuse, 3 lines of their log about you are kept for 180 days" in said
    assert "180 days" in dossier.told(NONE, Promise())


def test_what_goes_later_is_said() -> None:
    """It is not counted as deleted."""
    held = kept(jobs=1, pictures=4, sketches=0, held=1)
    said = dossier.deleted(kept(), held, complete=False)
    assert "Deleted: 1 job, 1 picture and 1 sketch." in said
    assert "1 job of yours was reported" in said and "after 30 days" in said
    assert "goes as soon as it is free" in said
    assert dossier.deleted(NONE, NONE, complete=True) == dossier.NOTHING
    assert dossier.deleted(held, held, complete=True) != dossier.NOTHING


def test_all_of_it_fits_into_a_message() -> None:
    """With the largest numbers."""
    most = kept(jobs=10**7, pictures=10**7, sketches=10**7, held=10**6, lines=10**7, since=1e10)
    for said in (
        dossier.told(most, Promise(days=36500, words_in_log=True)),
        dossier.question(most),
        dossier.deleted(most, kept(held=10**6), complete=False),
    ):
        assert len(said) < LIMIT


def test_the_file_has_all_of_a_job() -> None:
    """Discord's ids as strings: many programs cannot count so far."""
    asked = job(address=Address(channel=2**62, guild=2**61, message=2**60), parents=("j0-1",))
    entry = dossier.entry(asked, [picture()])
    name, data = dossier.written([entry], 10**6)
    (read,) = msgspec.json.decode(data)
    assert name == "imagine-bot.json"
    assert (read["channel"], read["server"], read["message"]) == tuple(
        str(2**n) for n in (62, 61, 60)
    )
    assert read["recipes"][0] == msgspec.json.decode(msgspec.json.encode(asked.recipes[0]))
    assert read["pictures"][0]["sha256"] == "a" * 64
    assert read["variations_of"] == ["j0-1"]
    assert "token" not in data.decode()


def test_a_large_file_is_packed() -> None:
    """Discord takes no more than its limit."""
    entries = [dossier.entry(job(), [])] * 50
    name, data = dossier.written(entries, 10_000)
    assert name.endswith(".gz") and len(data) < 10_000
    assert len(msgspec.json.decode(gzip.decompress(data))) == 50
