"""What a message of ours tells of a job that was deleted."""

import pytest

from bot.domain.job import Status
from bot.messages import captions, message_parser
from tests.samples import job, picture, recipe

HOSTILE = (
    "<@123>",
    "\\<@123>",
    "** · <@123>",
    "<@!123> <@\u200b123>",
    "a\n<@123>",
    "`<@123>`",
    "\\\\<@123>",
)


@pytest.mark.parametrize("prompt", HOSTILE)
def test_nobody_can_write_themselves_into_a_caption(prompt: str) -> None:
    """As its owner, who may have the message deleted: only the sign that we write counts."""
    wanted = recipe(prompt=prompt, negative=prompt)
    shown = job(user_id=77, recipes=(wanted,), status=Status.DONE)
    caption = captions.ending(shown, [picture(recipe=wanted)])
    assert message_parser.user_in_caption(caption) == 77
    assert message_parser.user_in_caption(captions.full_size(picture(recipe=wanted))) is None


@pytest.mark.parametrize(
    ("filename", "found"),
    [
        ("5f0c.png", "5f0c"),
        ("5f0c-3.jpg", "5f0c"),
        ("SPOILER_5f0c-3.png", "5f0c"),
        ("5f0c-5.png", None),
        ("preview.jpg", "preview"),
        ("a house.png", None),
        ("5f0c.png.exe", None),
    ],
)
def test_a_file_tells_its_job(filename: str, found: str | None) -> None:
    """Whether there is such a job, the record knows."""
    assert message_parser.job_in_filename(filename) == found
