"""What is kept of a person, as a file."""

import gzip

import msgspec

from bot.domain import user_data
from bot.domain.job import ResponseTarget
from tests.samples import job, picture


def test_the_file_has_all_of_a_job() -> None:
    """Discord's ids as strings: many programs cannot count so far."""
    asked = job(
        target=ResponseTarget(channel_id=2**62, guild_id=2**61, message_id=2**60), parents=("j0-1",)
    )
    entry = user_data.export_record(asked, [picture()])
    name, data = user_data.export_file([entry], 10**6)
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
    entries = [user_data.export_record(job(), [])] * 50
    name, data = user_data.export_file(entries, 10_000)
    assert name.endswith(".gz") and len(data) < 10_000
    assert len(msgspec.json.decode(gzip.decompress(data))) == 50
