"""The INTERACTION_CREATE event, in the shape that the gateway sends it."""

from bot.playground.errors import Json
from bot.playground.model.interactions import Interaction
from bot.playground.model.state import APPLICATION_ID
from bot.playground.rest.message_writer import event_json
from bot.playground.rest.request_body import FILE_LIMIT
from bot.playground.rest.serializers.guilds import member_json
from bot.playground.rest.serializers.messages import GUILD_OWNER, channel_json, user_json

LOCALE = "en-US"


def interaction_json(interaction: Interaction) -> Json:
    """Everything that a bot learns about what a person asked."""
    channel, user, guild = interaction.channel, interaction.user, interaction.channel.guild
    made: Json = {
        "id": str(interaction.id),
        "application_id": str(APPLICATION_ID),
        "type": int(interaction.kind),
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel": channel_json(channel),
        "channel_id": str(channel.id),
        "locale": LOCALE,
        "app_permissions": str(int(channel.root.bot_permissions)),
        "entitlements": [],
        "authorizing_integration_owners": {GUILD_OWNER: str(guild.id) if guild else "0"},
        "attachment_size_limit": FILE_LIMIT,
        "context": 0 if guild else 1,
    }
    if guild:
        permissions = {"permissions": str(int(guild.permissions(user)))}
        made["member"] = member_json(user, guild) | permissions
        made["guild_id"] = str(guild.id)
        made["guild"] = {"id": str(guild.id), "locale": LOCALE, "features": []}
        made["guild_locale"] = LOCALE
    else:
        made["user"] = user_json(user)
    if interaction.message:
        made["message"] = event_json(interaction.world, interaction.message)
    return made
