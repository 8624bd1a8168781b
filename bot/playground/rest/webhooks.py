"""Routes for webhooks of channels, and for messages by them.

https://docs.discord.com/developers/resources/webhook
"""

import secrets

from bot.playground.errors import (
    ApiError,
    Json,
    invalid,
    missing_permissions,
    unknown,
    unknown_message,
    wrong_channel_type,
)
from bot.playground.model.guild import POSTS_ONLY, User, Webhook
from bot.playground.model.messages import Message
from bot.playground.model.permissions import Permission
from bot.playground.model.state import APPLICATION_ID, World
from bot.playground.rest import message_writer
from bot.playground.rest.api import Handler, Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_channel, find_guild, require_permission
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.serializers.messages import response_json
from bot.playground.rest.serializers.users import user_json
from bot.playground.rest.threads import open_by_message, require_open
from bot.playground.rest.validation.fields import (
    Field,
    Model,
    Required,
    Snowflake,
    Text,
    Url,
    read_form,
)

LIMIT = 15  # webhooks of a channel
NAME = Text(80, 1)
RESERVED_NAMES = ("clyde", "discord")
AVATAR: dict[str, Field] = {"avatar": Text(1 << 24)}
NEW_WEBHOOK = Model({**AVATAR, "name": Required(NAME)})
CHANGES = Model({**AVATAR, "name": NAME, "channel_id": Snowflake()})
EXECUTION = Model({"username": NAME, "avatar_url": Url(2048), "thread_name": Text(100)})
WEBHOOK = "/webhooks/{webhook_id}"
WITH_TOKEN = WEBHOOK + "/{webhook_token}"


def create_webhook(world: World, request: Request) -> Result:
    """Create a webhook of a channel in a guild."""
    channel = find_channel(world, request)
    if channel.guild is None or channel.parent:
        raise wrong_channel_type()
    require_permission(channel, Permission.MANAGE_WEBHOOKS)
    form = read_form(NEW_WEBHOOK, request.body.payload)
    _check_name(form["name"], "name")
    if sum(item.channel is channel for item in world.webhooks.values()) >= LIMIT:
        text = f"Maximum number of webhooks reached ({LIMIT})"
        raise ApiError(400, 30007, text, violation=True)
    webhook_id = world.snowflakes.new()
    webhook = Webhook(webhook_id, secrets.token_urlsafe(51), channel, form["name"])
    world.webhooks[webhook_id] = webhook
    return 200, webhook_json(world, webhook)


def list_channel_webhooks(world: World, request: Request) -> Result:
    channel = find_channel(world, request)
    require_permission(channel, Permission.MANAGE_WEBHOOKS)
    webhooks = [item for item in world.webhooks.values() if item.channel is channel]
    return 200, [webhook_json(world, webhook) for webhook in webhooks]


def list_guild_webhooks(world: World, request: Request) -> Result:
    guild = find_guild(world, request)
    if Permission.MANAGE_WEBHOOKS not in guild.permissions(world.bot):
        raise missing_permissions()
    webhooks = [item for item in world.webhooks.values() if item.channel.guild is guild]
    return 200, [webhook_json(world, webhook) for webhook in webhooks]


def get_webhook(world: World, request: Request) -> Result:
    return 200, webhook_json(world, _find(world, request))


def edit_webhook(world: World, request: Request) -> Result:
    """Change the name; without the token, also the channel."""
    webhook = _find(world, request)
    form = read_form(CHANGES, request.body.payload)
    _check_name(form.get("name", ""), "name")
    webhook.name = form.get("name", webhook.name)
    if "channel_id" in form and "webhook_token" not in request.params:
        channel = world.channels.get(int(form["channel_id"]))
        if channel is None or channel.guild is not webhook.channel.guild:
            raise unknown("Channel", 10003)
        webhook.channel = channel
    return 200, webhook_json(world, webhook)


def delete_webhook(world: World, request: Request) -> Result:
    """Delete a webhook; its messages stay."""
    del world.webhooks[_find(world, request).id]
    return 204, None


def execute(world: World, request: Request) -> Result:
    """Create a message by a webhook; the response has it only with `wait`."""
    webhook = _find(world, request)
    form = read_form(EXECUTION, request.body.payload)
    name = form.get("username", webhook.name)
    _check_name(name, "username")
    channel = webhook.channel
    if "thread_id" in request.query:
        thread = world.channels.get(request.query_id("thread_id"))
        if thread is None or thread.parent is not channel:
            raise unknown("Channel", 10003)
        channel = thread
    elif channel.kind in POSTS_ONLY:
        text = "Webhooks posted to forum channels must have a thread_name or thread_id"
        raise ApiError(400, 220001, text, violation=True)
    open_by_message(world, channel)
    author = User(webhook.id, name, bot=True, is_webhook=True)
    body = message_writer.read(request.body)
    message = message_writer.create(world, body, MessageTarget(channel, author))
    return (200, response_json(message, world.bot)) if request.flag("wait") else (204, None)


def get_message(world: World, request: Request) -> Result:
    return 200, response_json(_find_message(world, request), world.bot)


def edit_message(world: World, request: Request) -> Result:
    message = _find_message(world, request)
    require_open(message.channel)
    message_writer.edit(world, message, message_writer.read(request.body))
    return 200, response_json(message, world.bot)


def delete_message(world: World, request: Request) -> Result:
    message_writer.delete(world, _find_message(world, request))
    return 204, None


def webhook_json(world: World, webhook: Webhook) -> Json:
    """Return a webhook that the application has created."""
    guild = webhook.channel.guild
    return {
        "id": str(webhook.id),
        "type": 1,
        "name": webhook.name,
        "avatar": None,
        "channel_id": str(webhook.channel.id),
        "guild_id": str(guild.id) if guild else None,
        "application_id": str(APPLICATION_ID),
        "user": user_json(world.bot),
        "token": webhook.token,
        "url": str(world.cdn.base.with_path(f"/api/webhooks/{webhook.id}/{webhook.token}")),
    }


def _check_name(name: str, key: str) -> None:
    for reserved in RESERVED_NAMES:
        if reserved in name.lower():
            text = f'Username cannot contain "{reserved}"'
            raise invalid((key,), "USERNAME_INVALID_CONTAINS", text)


def _find(world: World, request: Request) -> Webhook:
    """Return the webhook; its token in the path, or else a permission, authorizes the request."""
    webhook = world.webhooks.get(request.snowflake("webhook_id"))
    if webhook is None or webhook.channel.id not in world.channels:
        raise unknown("Webhook", 10015)
    if "webhook_token" not in request.params:
        require_permission(webhook.channel, Permission.MANAGE_WEBHOOKS)
    elif request.params["webhook_token"] != webhook.token:
        raise ApiError(401, 50027, "Invalid Webhook Token")
    return webhook


def _find_message(world: World, request: Request) -> Message:
    webhook = _find(world, request)
    message = world.messages.get(request.snowflake("message_id"))
    if message is None or not message.author.is_webhook or message.author.id != webhook.id:
        raise unknown_message()
    return message


def either(of_interaction: Handler, of_webhook: Handler) -> Handler:
    """Return a handler for a route that webhooks of channels share with interactions."""

    def handle(world: World, request: Request) -> Result:
        is_webhook = request.snowflake("webhook_id") in world.webhooks
        return (of_webhook if is_webhook else of_interaction)(world, request)

    return handle


ROUTES = [
    Route("POST", "/channels/{channel_id}/webhooks", create_webhook),
    Route("GET", "/channels/{channel_id}/webhooks", list_channel_webhooks),
    Route("GET", "/guilds/{guild_id}/webhooks", list_guild_webhooks),
    *(
        Route(method, path, handler, open=path == WITH_TOKEN)
        for path in (WEBHOOK, WITH_TOKEN)
        for method, handler in (
            ("GET", get_webhook),
            ("PATCH", edit_webhook),
            ("DELETE", delete_webhook),
        )
    ),
]
