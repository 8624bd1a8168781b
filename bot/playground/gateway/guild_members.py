"""Requests for guild members (opcode 8), which are answered in chunks.

https://docs.discord.com/developers/events/gateway-events#request-guild-members
"""

from bot.playground.errors import Json
from bot.playground.gateway.sessions import Opcode, Session
from bot.playground.model.guild import Guild, User
from bot.playground.model.intents import Intent
from bot.playground.model.state import World
from bot.playground.rest.members import has_prefix
from bot.playground.rest.serializers.guilds import member_json

CHUNK_SIZE = 1_000  # members of a GUILD_MEMBERS_CHUNK
MEMBERS_LIMIT = 100  # members that a query or a list of ids returns
NONCE_LIMIT = 32  # bytes
ALL_MEMBERS_SECONDS = 30.0  # between two requests for all members of a guild


class InvalidRequest(Exception):
    """The request breaks a rule of the documentation."""


class MemberRequests:
    """Answers requests for members, and limits those for all members of a guild."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._last_full_request: dict[int, float] = {}

    def respond(self, session: Session, data: Json) -> None:
        """Dispatch the members, or RATE_LIMITED. An invalid request is a violation."""
        try:
            guild = self._guild(session, data)
            meta = _meta(guild, data)
            if _is_for_all_members(data):
                _check_intent(session)
                wait = self._wait(guild)
                if wait:
                    rate_limit = {"opcode": Opcode.REQUEST_GUILD_MEMBERS, "retry_after": wait}
                    return session.dispatch("RATE_LIMITED", rate_limit | {"meta": meta})
                members, not_found = guild.members, None
            elif data.get("user_ids") is not None:
                members, not_found = _by_ids(guild, data["user_ids"])
            else:
                members, not_found = _by_prefix(guild, data), None
        except InvalidRequest as error:
            return self._world.violations.append(f"GATEWAY opcode 8: {error}")
        chunk: Json = meta if not_found is None else meta | {"not_found": not_found}
        if data.get("presences") is True and session.intents & Intent.GUILD_PRESENCES:
            chunk["presences"] = []  # all users are offline
        return _dispatch(session, guild, members, chunk)

    def _guild(self, session: Session, data: Json) -> Guild:
        guild_id = str(data.get("guild_id"))
        guild = self._world.guilds.get(int(guild_id)) if guild_id.isdecimal() else None
        if guild is None or not session.shard.includes(guild):
            raise InvalidRequest(f"the shard has no guild {guild_id}")
        has_ids = data.get("user_ids") is not None
        if bool(data.get("query")) if has_ids else data.get("query") is None:
            raise InvalidRequest("one of query and user_ids is required")
        return guild

    def _wait(self, guild: Guild) -> float:
        now = self._world.clock.now()
        wait = self._last_full_request.get(guild.id, -ALL_MEMBERS_SECONDS) + ALL_MEMBERS_SECONDS
        if wait <= now:
            self._last_full_request[guild.id] = now
        return max(wait - now, 0.0)


def _meta(guild: Guild, data: Json) -> Json:
    """Return the guild's id and the nonce, which is ignored if it is invalid."""
    meta: Json = {"guild_id": str(guild.id)}
    nonce = data.get("nonce")
    if isinstance(nonce, str) and len(nonce.encode()) <= NONCE_LIMIT:
        meta["nonce"] = nonce
    return meta


def _is_for_all_members(data: Json) -> bool:
    """Return whether the query is empty; beside ids, as hikari sends it, it has no effect."""
    return data.get("query") == "" and data.get("user_ids") is None


def _check_intent(session: Session) -> None:
    if not session.intents & Intent.GUILD_MEMBERS:
        raise InvalidRequest("the GUILD_MEMBERS intent is required to request all members")


def _by_ids(guild: Guild, user_ids: object) -> tuple[list[User], list[str]]:
    ids = [str(item) for item in (user_ids if isinstance(user_ids, list) else [user_ids])]
    if not all(item.isdecimal() for item in ids):
        raise InvalidRequest("user_ids takes snowflakes")
    members = {str(member.id): member for member in guild.members}
    ids = ids[:MEMBERS_LIMIT]
    return [members[i] for i in ids if i in members], [i for i in ids if i not in members]


def _by_prefix(guild: Guild, data: Json) -> list[User]:
    query, limit = data["query"], data.get("limit")
    if not isinstance(query, str) or not isinstance(limit, int) or limit < 0:
        raise InvalidRequest("query takes a string, and needs a limit")
    members = [member for member in guild.members if has_prefix(member, query)]
    return members[: min(limit or MEMBERS_LIMIT, MEMBERS_LIMIT)]


def _dispatch(session: Session, guild: Guild, members: list[User], common: Json) -> None:
    chunks = [members[i : i + CHUNK_SIZE] for i in range(0, len(members), CHUNK_SIZE)] or [[]]
    for index, chunk in enumerate(chunks):
        event = {
            "members": [member_json(member, guild) for member in chunk],
            "chunk_index": index,
            "chunk_count": len(chunks),
        }
        session.dispatch("GUILD_MEMBERS_CHUNK", common | event)
