"""Messages as an application without the MESSAGE_CONTENT intent receives them.

https://docs.discord.com/developers/events/gateway#message-content-intent
"""

from bot.playground.errors import Json
from bot.playground.model.guild import Guild, User
from bot.playground.model.intents import Intent
from bot.playground.model.messages import Message
from bot.playground.model.state import World
from bot.playground.rest.serializers.messages import message_json

NO_CONTENT: Json = {"content": "", "embeds": [], "attachments": [], "components": []}


def visible_message_json(world: World, message: Message) -> Json:
    """Return a message as REST routes do: they ignore which intents a session has."""
    data = message_json(message, world.bot)
    if world.allowed_intents & Intent.MESSAGE_CONTENT:
        return data
    return without_content(data, world.bot, message.channel.guild)


def can_read_content(world: World, message: Message) -> bool:
    """Whether the application gets the content of a message."""
    return (
        bool(world.allowed_intents & Intent.MESSAGE_CONTENT)
        or message.channel.guild is None
        or message.author is world.bot
        or world.bot in message.mentions.users
    )


def without_content(message: Json, bot: User, guild: Guild | None) -> Json:
    """Return a message without content, unless it is from the bot, mentions it, or is a DM."""
    if guild is None:
        return message
    message = _without_referenced_content(message, bot, guild)
    is_own = message["author"]["id"] == str(bot.id)
    if is_own or any(user["id"] == str(bot.id) for user in message["mentions"]):
        return message
    result = message | NO_CONTENT
    result.pop("poll", None)
    if "message_snapshots" in result:
        snapshots = [item["message"] | NO_CONTENT for item in result["message_snapshots"]]
        result["message_snapshots"] = [{"message": snapshot} for snapshot in snapshots]
    return result


def without_interaction_content(interaction: Json, bot: User, guild: Guild | None) -> Json:
    """Return an interaction without content, except that of a message command's target."""
    result = dict(interaction)
    if "message" in interaction:
        result["message"] = without_content(interaction["message"], bot, guild)
    resolved = interaction["data"].get("resolved") or {}
    if "messages" in resolved:
        messages = {
            message_id: _without_referenced_content(message, bot, guild)
            for message_id, message in resolved["messages"].items()
        }
        result["data"] = interaction["data"] | {"resolved": resolved | {"messages": messages}}
    return result


def _without_referenced_content(message: Json, bot: User, guild: Guild | None) -> Json:
    """Return a message without the content of the one that it replies to, by the same rules."""
    referenced = message.get("referenced_message")
    if not referenced:
        return message
    return message | {"referenced_message": without_content(referenced, bot, guild)}
