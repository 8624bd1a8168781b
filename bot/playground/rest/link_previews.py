"""Previews of links, which Discord adds to a message some time after it was sent.

https://docs.discord.com/developers/events/gateway-events#message-update
"""

import re

from yarl import URL

from bot.playground.errors import Json
from bot.playground.model.messages import Message
from bot.playground.model.state import World
from bot.playground.rest.serializers.message_events import message_event_json

LINK = re.compile(r"(?<!<)https?://[^\s<>)]*[^\s<>).,;:!?]")  # in angle brackets it gets no preview
PREVIEWS_LIMIT = 5


def add_link_previews(world: World, message: Message) -> None:
    """Add the previews and emit MESSAGE_UPDATE; nothing happens without links."""
    links = dict.fromkeys(LINK.findall(message.content))
    message.previews = [_preview_json(link) for link in list(links)[:PREVIEWS_LIMIT]]
    if message.previews and not message.ephemeral:
        world.emit("MESSAGE_UPDATE", message_event_json(world, message), message.channel)
    world.notify_changed(message)


def _preview_json(link: str) -> Json:
    host = URL(link).host or link
    return {"type": "link", "url": link, "title": f"A page of {host}", "provider": {"name": host}}
