"""Installations, and what the owner and the moderators of a server do."""

from collections.abc import Mapping

from bot.playground.client.person import Person
from bot.playground.gateway import changes, departures
from bot.playground.model.command_permissions import CommandPermission, PermissionType
from bot.playground.model.guild import Channel, Guild, Role
from bot.playground.model.permissions import NOTHING, Overwrite, Permission
from bot.playground.model.state import APPLICATION_ID, World
from bot.playground.rest.commands import Commands


class Administration:
    """The part of the facade that changes what members may do."""

    world: World
    commands: Commands

    def add_foreign_guild(self, name: str, *, has_commands: bool = False) -> Guild:
        """Create a guild that the bot is no member of, perhaps with the application's commands."""
        return self.world.add_foreign_guild(name, has_commands=has_commands)

    def add_private_channel(self, *people: Person) -> Channel:
        """Create a DM of two users, or a group DM of more."""
        return self.world.add_private_channel(*(person.user for person in people))

    def set_overwrite(
        self,
        channel: Channel,
        target: Role | Person,
        *,
        allow: Permission = NOTHING,
        deny: Permission = NOTHING,
    ) -> None:
        """Set what a channel allows and denies a role or a member; by default nothing."""
        subject = target.user if isinstance(target, Person) else target
        changes.set_overwrite(self.world, channel, subject, Overwrite(allow, deny))

    def set_command_permissions(
        self, command: str | None, permissions: Mapping[Role | Person | Channel | Guild, bool]
    ) -> None:
        """Set who may use a command, or all if it is None, in the default guild.

        The guild stands for all of its channels.
        """
        ids = [int(item["id"]) for item in self.commands.all() if item["name"] == command]
        entries = [_command_permission(target, ok) for target, ok in permissions.items()]
        changes.set_command_permissions(
            self.world,
            self.commands.permissions,
            self.world.default_guild,
            ids[0] if command else APPLICATION_ID,
            entries,
        )

    def set_locale(self, locale: str, guild: Guild | None = None) -> None:
        """Set the preferred locale of a guild, by default of the default guild."""
        changes.set_locale(self.world, guild or self.world.default_guild, locale)

    def set_owner(self, owner: Person, guild: Guild | None = None) -> None:
        """Make a member the owner of a guild, by default of the default guild."""
        changes.set_owner(self.world, guild or self.world.default_guild, owner.user)

    def time_out(
        self, person: Person | None, seconds: float = 600.0, guild: Guild | None = None
    ) -> None:
        """Time out a member, or the bot if it is None; 0 seconds end the timeout."""
        user = person.user if person else self.world.bot
        changes.time_out(self.world, guild or self.world.default_guild, user, seconds)

    def ban(
        self, person: Person, guild: Guild | None = None, *, delete_messages: bool = False
    ) -> None:
        """Ban a user from a guild, by default from the default guild."""
        guild = guild or self.world.default_guild
        departures.ban(self.world, guild, person.user, delete_messages=delete_messages)

    def unban(self, person: Person, guild: Guild | None = None) -> None:
        """Undo a ban."""
        departures.unban(self.world, guild or self.world.default_guild, person.user)


def _command_permission(
    target: Role | Person | Channel | Guild, allowed: bool
) -> CommandPermission:
    if isinstance(target, Person):
        return CommandPermission(target.id, PermissionType.USER, allowed)
    if isinstance(target, Role):
        return CommandPermission(target.id, PermissionType.ROLE, allowed)
    channel_id = target.id - 1 if isinstance(target, Guild) else target.id
    return CommandPermission(channel_id, PermissionType.CHANNEL, allowed)
