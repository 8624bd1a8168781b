"""Messages in gateway events.

https://docs.discord.com/developers/events/gateway-events#message-create
"""

from bot.playground.errors import Json
from bot.playground.model.guild import Guild, User
from bot.playground.model.messages import Message
from bot.playground.model.state import World
from bot.playground.rest.serializers.guilds import member_json
from bot.playground.rest.serializers.messages import message_json
from bot.playground.rest.serializers.users import user_json


def message_event_json(world: World, message: Message) -> Json:
    """Return the data of a MESSAGE_CREATE or MESSAGE_UPDATE event."""
    result = message_json(message, world.bot)
    guild = message.channel.guild
    if guild is None:
        return result
    result["guild_id"] = str(guild.id)
    result["mentions"] = [_with_member(user, guild) for user in message.mentions.users]
    is_from_webhook = message.interaction_metadata is not None
    if not is_from_webhook and message.author in guild.members:
        result["member"] = _partial_member_json(message.author, guild)
    return result


def _with_member(user: User, guild: Guild) -> Json:
    result = user_json(user)
    if user in guild.members:
        result["member"] = _partial_member_json(user, guild)
    return result


def _partial_member_json(user: User, guild: Guild) -> Json:
    return {key: value for key, value in member_json(user, guild).items() if key != "user"}
