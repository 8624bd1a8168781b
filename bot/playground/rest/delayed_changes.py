"""What Discord changes in a message or a thread some time after a request."""

from functools import partial

from bot.playground.model.guild import Channel
from bot.playground.model.messages import Message
from bot.playground.model.state import World
from bot.playground.rest.link_previews import add_link_previews
from bot.playground.rest.threads import update_thread


def add_previews_later(world: World, message: Message) -> None:
    """Add the previews of links after `preview_seconds` of the world, if it has them."""
    if world.preview_seconds is not None:
        time = world.clock.now() + world.preview_seconds
        world.clock.call_at(time, partial(_add_previews, world, message))


def _add_previews(world: World, message: Message) -> None:
    if not message.deleted and not message.previews:
        add_link_previews(world, message)


def archive_later(world: World, channel: Channel) -> None:
    """Archive a thread after `archive_seconds` of the world without a message, if it has them."""
    if world.archive_seconds is not None and channel.parent:
        time = world.clock.now() + world.archive_seconds
        world.clock.call_at(time, partial(_archive, world, channel, channel.message_count))


def _archive(world: World, thread: Channel, message_count: int) -> None:
    is_idle = thread.message_count == message_count and not thread.archived
    if world.archive_seconds is not None and is_idle and thread.id in world.channels:
        update_thread(world, thread, archived=True)
