"""The text of posts in galleries; pure. Prompts are escaped, as in captions."""

from collections.abc import Sequence
from typing import Final

from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.messages import captions

_MAX_PROMPT: Final = 1000


def post(job: Job, pictures: Sequence[Picture], guild_id: int, *, has_prompt: bool = True) -> str:
    """The prompt, who asked for it, a link to the message of the job, and the settings."""
    return "\n".join(
        [
            _prompt(job, has_prompt),
            " · ".join([f"by <@{job.user_id}>", *_link(job, guild_id)]),
            captions.settings([picture.recipe for picture in pictures]),
        ]
    )


def words(job: Job) -> str:
    """What the user asked for."""
    return job.plan.prompt or job.recipes[0].prompt


def _prompt(job: Job, has_prompt: bool) -> str:
    if not words(job).strip():
        return captions.WITHOUT_WORDS
    return (
        f"**{captions.escape(words(job), _MAX_PROMPT)}**" if has_prompt else captions.PROMPT_BLOCKED
    )


def _link(job: Job, guild_id: int) -> list[str]:
    """None if the message is in another guild, or gone."""
    target = job.target
    if target.guild_id != guild_id or target.message_id is None:
        return []
    url = f"https://discord.com/channels/{guild_id}/{target.channel_id}/{target.message_id}"
    return [f"[where it was painted]({url})"]
