"""Posts of forum and media channels: threads that begin with a message.

https://docs.discord.com/developers/resources/channel#start-thread-in-forum-or-media-channel
"""

from dataclasses import replace

from bot.playground.errors import Json, cannot_use_sticker
from bot.playground.model.guild import Channel, User
from bot.playground.model.messages import Message
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest import forum, message_writer
from bot.playground.rest.http import Result
from bot.playground.rest.lookup import require_permission
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.messages import check_permissions
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.channels import channel_json, thread_member_json
from bot.playground.rest.serializers.messages import message_json
from bot.playground.rest.threads import apply_settings
from bot.playground.rest.validation.channels import POST
from bot.playground.rest.validation.fields import read_form


def start_post(world: World, parent: Channel, body: RequestBody) -> Result:
    """Create a post of the bot."""
    require_permission(parent, Permission.SEND_MESSAGES)
    form = read_form(POST, body.payload)
    content = replace(body, payload=body.payload["message"])
    content = message_writer.read(content, ("message",))
    check_permissions(parent, content)
    if content.payload.get("sticker_ids"):
        raise cannot_use_sticker()
    form["applied_tags"] = [int(item) for item in form.get("applied_tags", [])]
    message = create_post(world, parent, form, content, world.bot)
    data = _thread_json(message.channel, world.bot)
    return 201, data | {"message": message_json(message, world.bot)}


def create_post(
    world: World, parent: Channel, form: Json, content: RequestBody, author: User
) -> Message:
    """Create a post and its first message, which has the id of the thread.

    Raise ApiError, without a change, if one is invalid.
    """
    tag_ids = forum.checked_tag_ids(parent, author, form["applied_tags"])
    post = world.new_thread(parent, form["name"], author)
    post.applied_tag_ids = tag_ids
    apply_settings(post, form)
    target = MessageTarget(post, author, message_id=post.id)
    message = message_writer.prepare(world, content, target)
    world.register_thread(post)
    world.emit("THREAD_CREATE", _thread_json(post, world.bot) | {"newly_created": True}, post)
    message_writer.publish(world, message)
    return message


def _thread_json(post: Channel, bot: User) -> Json:
    """Return a new thread, with the member if it is the bot's."""
    data = channel_json(post)
    return data | {"member": thread_member_json(post, bot)} if post.owner is bot else data
