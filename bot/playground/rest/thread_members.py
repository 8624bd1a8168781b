"""Routes for the members of threads, and for lists of threads."""

from bot.playground.errors import Json, unknown, wrong_channel_type
from bot.playground.model.guild import Channel, User
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_channel, find_guild, find_user, require_permission
from bot.playground.rest.serializers.channels import channel_json, thread_member_json
from bot.playground.rest.threads import require_open

MEMBERS = "/channels/{channel_id}/thread-members"
ARCHIVED = "/channels/{channel_id}/threads/archived"
ARCHIVED_LIMIT = 100


def find_thread(world: World, request: Request) -> Channel:
    """Return the thread in the path; raise ApiError if it is another channel."""
    thread = find_channel(world, request)
    if thread.parent is None:
        raise wrong_channel_type()
    return thread


def members_of(thread: Channel) -> list[User]:
    """Return the owner and the other members of a thread, without duplicates."""
    owner = [thread.owner] if thread.owner else []
    return list(dict.fromkeys([*owner, *thread.thread_members]))


def list_thread_members(world: World, request: Request) -> Result:
    thread = find_thread(world, request)
    return 200, [thread_member_json(thread, user) for user in members_of(thread)]


def get_thread_member(world: World, request: Request) -> Result:
    thread, user = find_thread(world, request), find_user(world, request)
    if user not in members_of(thread):
        raise unknown("Member", 10007)
    return 200, thread_member_json(thread, user)


def join_thread(world: World, request: Request) -> Result:
    """Add the bot to a thread."""
    return _add(world, find_thread(world, request), world.bot)


def add_thread_member(world: World, request: Request) -> Result:
    """Add a member of the guild; in a private thread, its owner or a moderator has to allow it."""
    thread, user = find_thread(world, request), find_user(world, request)
    if thread.guild is None or user not in thread.guild.members:
        raise unknown("Member", 10007)
    if thread.private and not thread.invitable and thread.owner is not world.bot:
        require_permission(thread, Permission.MANAGE_THREADS)
    return _add(world, thread, user)


def _add(world: World, thread: Channel, user: User) -> Result:
    require_open(thread)
    if user not in members_of(thread):
        thread.thread_members.append(user)
        _emit(world, thread, {"added_members": [thread_member_json(thread, user)]})
    return 204, None


def leave_thread(world: World, request: Request) -> Result:
    """Remove the bot from a thread."""
    return _remove(world, find_thread(world, request), world.bot)


def remove_thread_member(world: World, request: Request) -> Result:
    """Remove a member; the owner of a private thread needs no permission."""
    thread, user = find_thread(world, request), find_user(world, request)
    if not thread.private or thread.owner is not world.bot:
        require_permission(thread, Permission.MANAGE_THREADS)
    return _remove(world, thread, user)


def _remove(world: World, thread: Channel, user: User) -> Result:
    require_open(thread)
    if user in thread.thread_members:
        thread.thread_members.remove(user)
        _emit(world, thread, {"removed_member_ids": [str(user.id)]})
    return 204, None


def _emit(world: World, thread: Channel, change: Json) -> None:
    data = {"id": str(thread.id), "member_count": len(members_of(thread))}
    if thread.guild:
        data["guild_id"] = str(thread.guild.id)
    world.emit("THREAD_MEMBERS_UPDATE", data | change, thread)
    world.changes.notify()


def list_active_threads(world: World, request: Request) -> Result:
    """List the threads of a guild that are not archived and that the bot can view."""
    threads = [c for c in find_guild(world, request).channels if c.parent and not c.archived]
    return 200, _threads_json(world, threads)


def list_public_archived_threads(world: World, request: Request) -> Result:
    return 200, _archived(world, request, private=False)


def list_private_archived_threads(world: World, request: Request) -> Result:
    """List the archived private threads, for which the bot needs MANAGE_THREADS."""
    require_permission(find_channel(world, request), Permission.MANAGE_THREADS)
    return 200, _archived(world, request, private=True)


def list_own_private_archived_threads(world: World, request: Request) -> Result:
    """List the archived private threads that the bot has joined."""
    return 200, _archived(world, request, private=True, joined=True)


def _archived(world: World, request: Request, *, private: bool, joined: bool = False) -> Json:
    channel = find_channel(world, request)
    require_permission(channel, Permission.READ_MESSAGE_HISTORY)
    limit = request.integer("limit", 50, 2, ARCHIVED_LIMIT)
    guild_channels = channel.guild.channels if channel.guild else []
    threads = [
        thread
        for thread in guild_channels
        if thread.parent is channel and thread.archived and thread.private is private
        if not joined or world.bot in members_of(thread)
    ]
    return _threads_json(world, threads[:limit]) | {"has_more": len(threads) > limit}


def _threads_json(world: World, threads: list[Channel]) -> Json:
    visible = [
        thread
        for thread in threads
        if thread.allows_bot(Permission.VIEW_CHANNEL) and thread.is_open_to(world.bot)
    ]
    joined = [thread for thread in visible if world.bot in members_of(thread)]
    return {
        "threads": [channel_json(thread) for thread in visible],
        "members": [thread_member_json(thread, world.bot) for thread in joined],
        "has_more": False,
    }


ROUTES = [
    Route("PUT", MEMBERS + "/@me", join_thread),
    Route("DELETE", MEMBERS + "/@me", leave_thread),
    Route("GET", MEMBERS, list_thread_members),
    Route("GET", MEMBERS + "/{user_id}", get_thread_member),
    Route("PUT", MEMBERS + "/{user_id}", add_thread_member),
    Route("DELETE", MEMBERS + "/{user_id}", remove_thread_member),
    Route("GET", "/guilds/{guild_id}/threads/active", list_active_threads),
    Route("GET", ARCHIVED + "/public", list_public_archived_threads),
    Route("GET", ARCHIVED + "/private", list_private_archived_threads),
    Route(
        "GET",
        "/channels/{channel_id}/users/@me/threads/archived/private",
        list_own_private_archived_threads,
    ),
]
