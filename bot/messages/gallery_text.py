"""The text of posts in galleries; pure. Prompts are escaped, as in captions."""

from collections.abc import Sequence
from typing import Final

from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.i18n import _
from bot.messages import captions
from bot.messages.message_links import message_url

_MAX_PROMPT: Final = 1000


def post(job: Job, pictures: Sequence[Picture], guild_id: int, *, has_prompt: bool = True) -> str:
    """The prompt, who asked for it, a link to the message of the job, and the settings."""
    return "\n".join(
        [
            _prompt(job, has_prompt),
            " · ".join([_("by <@{user_id}>").format(user_id=job.user_id), *_link(job, guild_id)]),
            captions.settings([picture.recipe for picture in pictures]),
        ]
    )


def _prompt(job: Job, has_prompt: bool) -> str:
    if not job.words.strip():
        return captions.WITHOUT_WORDS
    return (
        f"**{captions.escape(job.words, _MAX_PROMPT)}**" if has_prompt else captions.PROMPT_BLOCKED
    )


def _link(job: Job, guild_id: int) -> list[str]:
    """Empty if the message is in another guild, or gone."""
    target = job.target
    if target.guild_id != guild_id or target.message_id is None:
        return []
    return [_("[where it was painted]({message_url})").format(message_url=message_url(target))]
