"""Add, remove and clear reactions."""

from bot.playground.errors import ApiError, Json, unknown
from bot.playground.model.emoji import is_emoji
from bot.playground.model.guild import User
from bot.playground.model.messages import Message
from bot.playground.model.state import World
from bot.playground.rest.serializers.guilds import member_json
from bot.playground.rest.serializers.messages import emoji_json

EMOJI_LIMIT = 20  # different emoji on a message


def add_reaction(world: World, message: Message, emoji: str, user: User) -> None:
    """Add a reaction; raise ApiError if the emoji is unknown or there are too many."""
    check_emoji(emoji)
    users = message.reactions.get(emoji, [])
    if user in users:
        return
    if not users and len(message.reactions) >= EMOJI_LIMIT:
        raise ApiError(400, 30010, "Maximum number of reactions reached (20)", violation=True)
    message.reactions[emoji] = [*users, user]
    event = _event(message, emoji, user) | {"message_author_id": str(message.author.id)}
    if message.channel.guild:
        event["member"] = member_json(user, message.channel.guild)
    world.emit("MESSAGE_REACTION_ADD", event, message.channel)
    world.notify_changed(message)


def remove_reaction(world: World, message: Message, emoji: str, user: User) -> None:
    """Remove a reaction; raise ApiError if the user has not added it."""
    users = message.reactions.get(emoji, [])
    if user not in users:
        raise unknown("Emoji", 10014)
    users.remove(user)
    if not users:
        del message.reactions[emoji]
    world.emit("MESSAGE_REACTION_REMOVE", _event(message, emoji, user), message.channel)
    world.notify_changed(message)


def clear_reactions(world: World, message: Message, emoji: str | None = None) -> None:
    """Remove all reactions, or all with one emoji."""
    cleared = list(message.reactions) if emoji is None else [emoji]
    if not message.reactions.keys() & cleared:
        return
    for key in cleared:
        del message.reactions[key]
    if emoji is None:
        world.emit("MESSAGE_REACTION_REMOVE_ALL", _place(message), message.channel)
    else:
        event = _place(message) | {"emoji": emoji_json(emoji)}
        world.emit("MESSAGE_REACTION_REMOVE_EMOJI", event, message.channel)
    world.notify_changed(message)


def _event(message: Message, emoji: str, user: User) -> Json:
    event: Json = {"user_id": str(user.id), "emoji": emoji_json(emoji), "burst": False, "type": 0}
    return _place(message) | event


def _place(message: Message) -> Json:
    place: Json = {"channel_id": str(message.channel.id), "message_id": str(message.id)}
    if message.channel.guild:
        place["guild_id"] = str(message.channel.guild.id)
    return place


def check_emoji(text: str) -> None:
    """Raise ApiError if the text is no emoji that Discord knows."""
    if not is_emoji(text):
        raise ApiError(400, 10014, "Unknown Emoji")
