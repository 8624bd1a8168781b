"""The permission bits that matter here, and who has which."""

from enum import IntFlag


class Permission(IntFlag):
    """Discord's permission bits; https://docs.discord.com/developers/topics/permissions."""

    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40


NOTHING = Permission(0)
ALL = ~NOTHING
EVERYONE = (
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.SEND_MESSAGES_IN_THREADS
)
MODERATOR = (
    EVERYONE
    | Permission.MANAGE_MESSAGES
    | Permission.MENTION_EVERYONE
    | Permission.MANAGE_THREADS
    | Permission.MODERATE_MEMBERS
)
ADMIN = MODERATOR | Permission.MANAGE_GUILD | Permission.MANAGE_CHANNELS | Permission.MANAGE_ROLES


def may_use(permissions: Permission, needed: str | None) -> bool:
    """Whether a command's `default_member_permissions` lets somebody use it in a guild.

    "0" is for administrators alone; null is for all who may use commands.
    """
    if Permission.ADMINISTRATOR in permissions:
        return True
    if Permission.USE_APPLICATION_COMMANDS not in permissions:
        return False
    return needed is None or (int(needed) != 0 and int(needed) & ~permissions == 0)
