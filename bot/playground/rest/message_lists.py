"""Deletion of several messages at once."""

from bot.playground.errors import ApiError
from bot.playground.model.permissions import Permission
from bot.playground.model.snowflake import snowflake_time
from bot.playground.model.state import World
from bot.playground.rest import message_writer
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_channel, require_permission
from bot.playground.rest.threads import require_open
from bot.playground.rest.validation.fields import ListOf, Model, Required, Snowflake, read_form

MAX_AGE_SECONDS = 14 * 24 * 3600
MESSAGE_IDS = Model(
    {"messages": Required(ListOf(Snowflake(), maximum=100, minimum=2, unique=True))}
)


def bulk_delete(world: World, request: Request) -> Result:
    """Delete messages of a channel in a guild. Unknown ids are ignored."""
    channel = find_channel(world, request)
    if channel.guild is None:
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    require_permission(channel, Permission.MANAGE_MESSAGES)
    require_open(channel)
    ids = [int(item) for item in read_form(MESSAGE_IDS, request.body.payload)["messages"]]
    if any(snowflake_time(item) < world.clock.now() - MAX_AGE_SECONDS for item in ids):
        sentence = "You can only bulk delete messages that are under 14 days old."
        raise ApiError(400, 50034, sentence, violation=True)
    messages = [world.messages[item] for item in ids if item in world.messages]
    messages = [item for item in messages if item.channel is channel and not item.ephemeral]
    message_writer.delete_all(world, channel, messages)
    return 204, None


ROUTES = [  # before the routes of one message
    Route("POST", "/channels/{channel_id}/messages/bulk-delete", bulk_delete),
]
