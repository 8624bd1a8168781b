"""Reading job ids and owners from the bot's own messages after the job was deleted."""

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
def test_a_prompt_cannot_contain_the_owner_mention(prompt: str) -> None:
    """The owner may delete the message, so only the mention that the bot wrote may count."""
    hostile_recipe = recipe(prompt=prompt, negative=prompt)
    finished_job = job(user_id=77, recipes=(hostile_recipe,), status=Status.DONE)
    caption = captions.ending(finished_job, [picture(recipe=hostile_recipe)])
    assert message_parser.user_in_caption(caption) == 77
    assert (
        message_parser.user_in_caption(captions.full_size(picture(recipe=hostile_recipe))) is None
    )


@pytest.mark.parametrize(
    ("filename", "job_id"),
    [
        ("5f0c.png", "5f0c"),
        ("5f0c-3.jpg", "5f0c"),
        ("SPOILER_5f0c-3.png", "5f0c"),
        ("5f0c-16.png", "5f0c"),
        ("5f0c-2.webp", "5f0c"),
        ("5f0c-1000.png", None),
        ("preview.jpg", "preview"),
        ("a house.png", None),
        ("5f0c.png.exe", None),
    ],
)
def test_a_file_name_has_the_job_id(filename: str, job_id: str | None) -> None:
    """The parser does not check whether the job exists."""
    assert message_parser.job_in_filename(filename) == job_id
