"""The links of messages; pure. Discord's clients show them as links to the message."""

import re
from typing import Final

from bot.domain.job import ResponseTarget

_LINK: Final = re.compile(
    r"<?https?://\S{1,100}/channels/(?:@me|[0-9]{1,20})/[0-9]{1,20}/"
    r"(?P<message>[0-9]{1,18}|[1-8][0-9]{18})>?"  # below 2**63, as ids in the database are
)


def message_url(target: ResponseTarget) -> str:
    """The link of a message that exists."""
    guild = "@me" if target.guild_id is None else target.guild_id
    return f"https://discord.com/channels/{guild}/{target.channel_id}/{target.message_id}"


def message_id_in(link: str) -> int | None:
    """The id of the message of this link; None if the text is no link."""
    match = _LINK.fullmatch(link)
    return None if match is None else int(match["message"])
