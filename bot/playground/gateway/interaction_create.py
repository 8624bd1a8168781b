"""The INTERACTION_CREATE event."""

from bot.playground.errors import Json
from bot.playground.model.interactions import Interaction
from bot.playground.model.state import APPLICATION_ID
from bot.playground.rest.serializers.guilds import member_json
from bot.playground.rest.serializers.messages import (
    GUILD_INSTALL,
    channel_json,
    message_json,
    user_json,
)

LOCALE = "en-US"


def interaction_json(interaction: Interaction) -> Json:
    """Return the data of the INTERACTION_CREATE event."""
    channel, user, guild = interaction.channel, interaction.user, interaction.channel.guild
    result: Json = {
        "id": str(interaction.id),
        "application_id": str(APPLICATION_ID),
        "type": int(interaction.type),
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel": channel_json(channel),
        "channel_id": str(channel.id),
        "locale": LOCALE,
        "app_permissions": str(int(channel.bot_permissions)),
        "entitlements": [],
        "authorizing_integration_owners": {GUILD_INSTALL: str(guild.id) if guild else "0"},
        "attachment_size_limit": interaction.world.file_limit,
        "context": 0 if guild else 1,
    }
    if guild:
        permissions = {"permissions": str(int(channel.permissions_of(user)))}
        result["member"] = member_json(user, guild) | permissions
        result["guild_id"] = str(guild.id)
        result["guild"] = {"id": str(guild.id), "locale": LOCALE, "features": []}
        result["guild_locale"] = LOCALE
    else:
        result["user"] = user_json(user)
    if interaction.message:
        result["message"] = message_json(interaction.message, interaction.world.bot)
    return result
