"""Routes for the permission overwrites of channels."""

from bot.playground.errors import ApiError, unknown, wrong_channel_type
from bot.playground.model.guild import Channel, Role, User
from bot.playground.model.permissions import ALL, Overwrite, Permission
from bot.playground.model.state import World
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_channel, require_permission
from bot.playground.rest.serializers.channels import MEMBER_OVERWRITE, ROLE_OVERWRITE, channel_json
from bot.playground.rest.validation.fields import Choice, Integer, Model, Required, read_form

OVERWRITE = Model(
    {
        "type": Required(Choice((ROLE_OVERWRITE, MEMBER_OVERWRITE))),
        "allow": Integer(0),
        "deny": Integer(0),
    }
)
PATH = "/channels/{channel_id}/permissions/{overwrite_id}"


def set_overwrite(world: World, channel: Channel, target: Role | User, value: Overwrite) -> None:
    """Set what a channel of a guild and its threads allow and deny a role or a member."""
    channel.overwrites[target] = value
    world.emit("CHANNEL_UPDATE", channel_json(channel), channel)
    world.changes.notify()


def delete_overwrite(world: World, channel: Channel, target: Role | User) -> None:
    """Remove the overwrite of a role or a member, if there is one."""
    channel.overwrites.pop(target, None)
    world.emit("CHANNEL_UPDATE", channel_json(channel), channel)
    world.changes.notify()


def put(world: World, request: Request) -> Result:
    """Create or replace an overwrite. The bot can only allow and deny what it has itself."""
    channel, overwrite_id = _channel(world, request), request.snowflake("overwrite_id")
    form = read_form(OVERWRITE, request.body.payload)
    allow, deny = Permission(form.get("allow", 0)) & ALL, Permission(form.get("deny", 0)) & ALL
    require_permission(channel, allow | deny)
    guild = channel.guild
    targets: list[Role] | list[User] = []
    if guild:
        targets = guild.members if form["type"] == MEMBER_OVERWRITE else guild.roles
    target = next((item for item in targets if item.id == overwrite_id), None)
    if target is None:
        raise unknown("Overwrite", 10009)
    set_overwrite(world, channel, target, Overwrite(allow, deny))
    return 204, None


def delete(world: World, request: Request) -> Result:
    channel, overwrite_id = _channel(world, request), request.snowflake("overwrite_id")
    target = next((item for item in channel.overwrites if item.id == overwrite_id), None)
    if target is None:
        raise unknown("Overwrite", 10009)
    delete_overwrite(world, channel, target)
    return 204, None


def _channel(world: World, request: Request) -> Channel:
    """Return the channel; raise ApiError without MANAGE_ROLES, and for threads and DM channels."""
    channel = find_channel(world, request)
    if channel.guild is None:
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    if channel.parent:
        raise wrong_channel_type()
    require_permission(channel, Permission.MANAGE_ROLES)
    return channel


ROUTES = [Route("PUT", PATH, put), Route("DELETE", PATH, delete)]
