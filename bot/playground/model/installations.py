"""Where an application is installed, and for which installation an interaction is.

https://docs.discord.com/developers/resources/application#installation-context
"""

from enum import IntEnum

from bot.playground.errors import Json
from bot.playground.model.guild import Channel, User
from bot.playground.model.permissions import Permission

Owners = dict[str, str]
"""`authorizing_integration_owners`: the id of a guild or a user by the type of installation."""
IN_PRIVATE_CHANNELS = Permission.ATTACH_FILES | Permission.EMBED_LINKS | Permission.MENTION_EVERYONE
IN_DMS = IN_PRIVATE_CHANNELS | Permission.USE_EXTERNAL_EMOJIS
OF_USER_INSTALL = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.SEND_TTS_MESSAGES
    | Permission.SEND_VOICE_MESSAGES
    | Permission.ATTACH_FILES
    | Permission.EMBED_LINKS
    | Permission.USE_EXTERNAL_EMOJIS
)
"""The `app_permissions` in a guild where the application is installed for the user alone."""


class InstallType(IntEnum):
    """Whom an application is installed for."""

    GUILD = 0
    USER = 1


class Context(IntEnum):
    """Where an interaction happens."""

    GUILD = 0
    BOT_DM = 1
    PRIVATE_CHANNEL = 2


def context_of(channel: Channel) -> Context:
    """Return the context of interactions in a channel."""
    if channel.guild:
        return Context.GUILD
    return Context.BOT_DM if channel.recipient else Context.PRIVATE_CHANNEL


def command_owners(command: Json, channel: Channel, user: User) -> Owners:
    """Return the installations by which the user may use the command in the channel: maybe none."""
    types = command["integration_types"]
    if "guild_id" in command:
        return _guild_owner(channel)
    if context_of(channel) not in _contexts(command):
        return {}
    owners = _guild_owner(channel) if InstallType.GUILD in types else {}
    if user.has_app and InstallType.USER in types:
        owners[_key(InstallType.USER)] = str(user.id)
    return owners


def component_owners(channel: Channel, of_message: Owners | None) -> Owners:
    """Return the installations of a click; `of_message` are those of what the message answers."""
    user_owner = (of_message or {}).get(_key(InstallType.USER))
    owners = _guild_owner(channel)
    return owners | ({_key(InstallType.USER): user_owner} if user_owner else {})


def is_only_for_user(owners: Owners) -> bool:
    """Return whether the application is not installed in the guild, but for the user."""
    return set(owners) == {_key(InstallType.USER)}


def is_forced_private(owners: Owners, channel: Channel, user: User) -> bool:
    """Return whether the user's permissions make all responses ephemeral."""
    if channel.guild is None or not is_only_for_user(owners):
        return False
    send = Permission.SEND_MESSAGES_IN_THREADS if channel.parent else Permission.SEND_MESSAGES
    needed = send | Permission.USE_EXTERNAL_APPS
    return needed not in channel.usable_permissions(user)


def app_permissions(owners: Owners, channel: Channel, bot: User) -> Permission:
    """Return what the application may do in the channel; without a member, what @everyone may."""
    if channel.guild is None:
        return IN_DMS if channel.recipient else IN_PRIVATE_CHANNELS
    return OF_USER_INSTALL if is_only_for_user(owners) else channel.permissions_of(bot)


def _guild_owner(channel: Channel) -> Owners:
    key = _key(InstallType.GUILD)
    if channel.guild:
        return {key: str(channel.guild.id)} if channel.guild.has_app else {}
    return {key: "0"} if channel.recipient else {}


def _contexts(command: Json) -> list[int]:
    if command["contexts"] is not None:
        contexts: list[int] = command["contexts"]
        return contexts
    return [c for c in Context if c is not Context.BOT_DM or command["dm_permission"]]


def _key(type: InstallType) -> str:
    return str(int(type))
