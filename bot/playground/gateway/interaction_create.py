"""The INTERACTION_CREATE event."""

from bot.playground.errors import Json
from bot.playground.model.installations import app_permissions, context_of
from bot.playground.model.interactions import Interaction
from bot.playground.model.state import APPLICATION_ID
from bot.playground.model.upload_limits import interaction_limit
from bot.playground.rest.serializers.channels import channel_json
from bot.playground.rest.serializers.guilds import member_json
from bot.playground.rest.serializers.messages import message_json
from bot.playground.rest.serializers.users import user_json


def interaction_json(interaction: Interaction) -> Json:
    """Return the data of the INTERACTION_CREATE event."""
    channel, user, guild = interaction.channel, interaction.user, interaction.channel.guild
    world = interaction.world
    result: Json = {
        "id": str(interaction.id),
        "application_id": str(APPLICATION_ID),
        "type": int(interaction.type),
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel": channel_json(channel),
        "channel_id": str(channel.id),
        "locale": user.locale,
        "app_permissions": str(int(app_permissions(interaction.owners, channel, world.bot))),
        "entitlements": [],
        "authorizing_integration_owners": interaction.owners,
        "attachment_size_limit": interaction_limit(interaction),
        "context": int(context_of(channel)),
    }
    if guild:
        permissions = {"permissions": str(int(channel.permissions_of(user)))}
        result["member"] = member_json(user, guild) | permissions
        result["guild_id"] = str(guild.id)
        result["guild"] = {"id": str(guild.id), "locale": guild.preferred_locale, "features": []}
        result["guild_locale"] = guild.preferred_locale
    else:
        result["user"] = user_json(user)
    if interaction.message:
        result["message"] = message_json(interaction.message, world.bot)
    return result
