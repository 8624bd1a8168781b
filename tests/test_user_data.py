"""The file with a user's data."""

import gzip

import msgspec

from bot.domain import user_data
from bot.domain.job import ResponseTarget
from bot.domain.plan import PlanDetails
from tests.samples import job, picture


def test_the_file_contains_all_of_a_job() -> None:
    """Discord's ids are strings, because many programs read large numbers inexactly."""
    exported = job(
        target=ResponseTarget(channel_id=2**62, guild_id=2**61, message_id=2**60),
        plan=PlanDetails(prompt="a [cat:dog:0.5]"),
    )
    entry = user_data.export_record(exported, [picture()], ["j0-1"])
    name, data = user_data.export_file([entry], 10**6)
    (content,) = msgspec.json.decode(data)
    assert name == "imagine-bot.json"
    assert (content["channel"], content["server"], content["message"]) == tuple(
        str(2**n) for n in (62, 61, 60)
    )
    assert content["recipes"][0] == msgspec.json.decode(msgspec.json.encode(exported.recipes[0]))
    assert content["pictures"][0]["sha256"] == "a" * 64
    assert content["variations_of"] == ["j0-1"]
    assert content["plan"] == {"prompt": "a [cat:dog:0.5]"}
    assert "token" not in data.decode()


def test_a_large_file_is_compressed() -> None:
    """This happens if it exceeds the size limit."""
    entries = [user_data.export_record(job(), [])] * 50
    name, data = user_data.export_file(entries, 10_000)
    assert name.endswith(".gz") and len(data) < 10_000
    assert len(msgspec.json.decode(gzip.decompress(data))) == 50
