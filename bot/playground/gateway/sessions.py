"""Gateway sessions, which outlive their connections, and event dispatch by intents."""

import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from bot.playground.errors import Json
from bot.playground.gateway.presences import Presence
from bot.playground.gateway.shards import Shard, parse_shard
from bot.playground.model.guild import Guild
from bot.playground.model.intents import ALL_INTENTS, Intent
from bot.playground.model.permissions import Permission
from bot.playground.model.session_starts import StartResult
from bot.playground.model.state import APPLICATION_ID, Event, World
from bot.playground.rest.guilds import application_flags, gateway_url
from bot.playground.rest.serializers.guilds import guild_create_json, member_json
from bot.playground.rest.serializers.message_content import (
    without_content,
    without_interaction_content,
)
from bot.playground.rest.serializers.users import user_json

RESUME_SECONDS = 3 * 60  # how long a session without connection can be resumed; not documented
LARGE_THRESHOLD = 50  # members, if Identify has no `large_threshold`
REPLAY_LIMIT = 2_000  # events that a session stores for a Resume

WITHOUT_INTENT = ("INTERACTION_CREATE", "APPLICATION_COMMAND_PERMISSIONS_UPDATE")


class Opcode(IntEnum):
    """https://docs.discord.com/developers/topics/opcodes-and-status-codes"""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class CloseCode(IntEnum):
    """https://docs.discord.com/developers/topics/opcodes-and-status-codes"""

    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    SHARDING_REQUIRED = 4011
    INVALID_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


class Transport(Protocol):
    """The connection of a session."""

    def send(self, frame: Json) -> None:
        """Queue a frame."""

    def close(self, code: int) -> None:
        """Close the connection after the queued frames."""


@dataclass(eq=False)
class Session:
    """An identified session; `transport` is None while it is disconnected."""

    id: str
    intents: int
    shard: Shard
    transport: Transport | None = None
    large_threshold: int = LARGE_THRESHOLD
    seq: int = 0
    disconnected_at: float = 0.0
    presence: Presence = field(default_factory=Presence)
    log: deque[Json] = field(default_factory=lambda: deque(maxlen=REPLAY_LIMIT))

    def dispatch(self, name: str, data: Json) -> None:
        """Send an event, and store it for a Resume."""
        self.seq += 1
        # A deep copy, because the objects may change before the event is replayed.
        frame = {"op": Opcode.DISPATCH, "t": name, "s": self.seq, "d": json.loads(json.dumps(data))}
        self.log.append(frame)
        if self.transport:
            self.transport.send(frame)

    def replay(self, seq: int) -> None:
        """Send the stored events after sequence number `seq` again."""
        if self.transport:
            for frame in self.log:
                if frame["s"] > seq:
                    self.transport.send(frame)

    def is_subscribed_to(self, event: Event) -> bool:
        """Return whether the session's shard and intents include the event."""
        if not self.shard.includes(event.guild):
            return False
        if event.name in WITHOUT_INTENT:
            return True
        if event.channel is None:
            return bool(self.intents & _intent_of_guild_event(event))
        guild = event.guild
        if event.name.startswith("MESSAGE_REACTION"):
            intent = Intent.GUILD_REACTIONS if guild else Intent.DIRECT_REACTIONS
        elif event.name.startswith("MESSAGE_POLL"):
            intent = Intent.GUILD_MESSAGE_POLLS if guild else Intent.DIRECT_MESSAGE_POLLS
        elif event.name.startswith("MESSAGE"):
            intent = Intent.GUILD_MESSAGES if guild else Intent.DIRECT_MESSAGES
        else:
            intent = Intent.GUILDS
        return bool(self.intents & intent)


class Gateway:
    """Creates and resumes sessions, and dispatches events to them."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._token = token
        self._sessions: dict[str, Session] = {}
        self.repeated_events = 0
        """How many events that the bot has received are sent again after a Resume."""
        self.resumable = True
        """Whether sessions can be resumed."""
        world.event_listeners.append(self._dispatch)

    @property
    def online(self) -> bool:
        """Whether a bot is connected and ready."""
        return any(session.transport for session in self._sessions.values())

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are connected or may be resumed, in order of their start."""
        return list(self._sessions.values())

    def identify(self, data: Json, transport: Transport) -> Session | CloseCode | None:
        """Start a session, or return the code to close the connection with.

        Returns None if another session has just started in the bucket of the shard.
        """
        intents = data.get("intents")
        if not self._is_valid_token(data.get("token")):
            return CloseCode.AUTHENTICATION_FAILED
        if not isinstance(intents, int) or not 0 <= intents <= ALL_INTENTS:
            return CloseCode.INVALID_INTENTS
        if intents & ~self._world.allowed_intents:
            return CloseCode.DISALLOWED_INTENTS
        shard = parse_shard(data.get("shard"))
        if shard is None:
            return CloseCode.INVALID_SHARD
        if shard.is_too_large(self._world.guilds.values()):
            return CloseCode.SHARDING_REQUIRED
        match self._world.session_starts.start(shard.id):
            case StartResult.TOO_SOON:
                self._world.violations.append(f"GATEWAY opcode 2: shard {shard.id} was too soon")
                return None
            case StartResult.TOKEN_RESET:
                return self._reset_token()
        threshold = _large_threshold(data)
        session = Session(secrets.token_hex(16), intents, shard, transport, threshold)
        self._sessions[session.id] = session
        guilds = [guild for guild in self._world.guilds.values() if shard.includes(guild)]
        ready = self._ready_json(session, guilds)
        session.dispatch("READY", ready | ({"shard": data["shard"]} if data.get("shard") else {}))
        if session.intents & Intent.GUILDS:
            for guild in (guild for guild in guilds if not guild.unavailable):
                guild_create = guild_create_json(self._world, guild)
                session.dispatch("GUILD_CREATE", _with_members(session, guild_create, guild))
        self._world.changes.notify()
        return session

    def resume(self, data: Json, transport: Transport) -> Session | CloseCode | None:
        """Resume a session; None if it is unknown or can no longer be resumed."""
        if not self._is_valid_token(data.get("token")):
            return CloseCode.AUTHENTICATION_FAILED
        session = self._sessions.get(str(data.get("session_id")))
        if session is None or not self.resumable or self._is_expired(session):
            return None
        seq = data.get("seq")
        if not isinstance(seq, int) or seq > session.seq:
            return CloseCode.INVALID_SEQ
        if session.transport:
            session.transport.close(CloseCode.SESSION_TIMED_OUT)
        session.transport = transport
        session.replay(seq - self.repeated_events)
        session.dispatch("RESUMED", {"_trace": []})
        self._world.changes.notify()
        return session

    @property
    def presences(self) -> dict[int, str]:
        """What the bot shows of itself, by shard; of connected sessions only."""
        return {
            session.shard.id: session.presence.text
            for session in self._sessions.values()
            if session.transport
        }

    def update_presence(self, session: Session, data: Json) -> CloseCode | None:
        """Show what a session says; return the code to close its connection with, if any."""
        if not session.presence.update(data, self._world.clock.now()):
            return CloseCode.DECODE_ERROR
        if session.presence.is_too_frequent:
            self._world.violations.append(f"GATEWAY opcode 3: shard {session.shard.id} too often")
            return CloseCode.RATE_LIMITED
        self._world.changes.notify()
        return None

    def _is_valid_token(self, token: object) -> bool:
        is_right = token in (self._token, f"Bot {self._token}")
        return is_right and not self._world.session_starts.is_token_reset

    def _reset_token(self) -> CloseCode:
        """End all sessions of the bot, which has started too many."""
        self._world.violations.append("GATEWAY opcode 2: no session was left, the token is reset")
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            if session.transport:
                session.transport.close(CloseCode.AUTHENTICATION_FAILED)
        return CloseCode.AUTHENTICATION_FAILED

    def _is_expired(self, session: Session) -> bool:
        """Return whether the session has been without connection for too long."""
        if session.transport:
            return False
        return self._world.clock.now() - session.disconnected_at > RESUME_SECONDS

    def disconnect(self, session: Session, transport: Transport, *, end_session: bool) -> None:
        """Record a closed connection. With `end_session`, the session cannot be resumed."""
        if session.transport is transport:
            session.transport = None
            session.disconnected_at = self._world.clock.now()
        if end_session:
            self._sessions.pop(session.id, None)
        self._world.changes.notify()

    def invalidate(self, *, resumable: bool) -> None:
        """Invalidate all sessions (opcode 9)."""
        for session in list(self._sessions.values()):
            if session.transport:
                session.transport.send({"op": Opcode.INVALID_SESSION, "d": resumable})
            if not resumable:
                session.transport = None
                del self._sessions[session.id]

    def _ready_json(self, session: Session, guilds: list[Guild]) -> Json:
        return {
            "v": 10,
            "user": user_json(self._world.bot) | {"mfa_enabled": False, "verified": True},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": f"{gateway_url(self._world)}/resume",
            "application": {"id": str(APPLICATION_ID), "flags": application_flags(self._world)},
            "session_type": "normal",
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "user_settings": {},
            "_trace": [],
        }

    def _dispatch(self, event: Event) -> None:
        if not self._is_visible(event):
            return
        for session in self._sessions.values():
            if session.is_subscribed_to(event):
                session.dispatch(event.name, self._visible_data(session, event))

    def _is_visible(self, event: Event) -> bool:
        """Return whether the bot gets the event. Interactions come from any channel."""
        guild, bot = event.guild, self._world.bot
        if guild and guild.unavailable:
            return False
        if event.name == "INTERACTION_CREATE":
            return True
        if guild is None:  # a DM with the bot, or a private channel of others
            return event.channel is not None and event.channel.recipient is not None
        if bot not in guild.members:
            return False
        if event.channel is None:
            return True
        if event.name.startswith("MESSAGE") and not event.channel.allows_bot(
            Permission.VIEW_CHANNEL
        ):
            return False
        return event.channel.is_open_to(bot)

    def _visible_data(self, session: Session, event: Event) -> Json:
        """Return the event data that the session's intents permit."""
        data, bot, guild = event.data, self._world.bot, event.guild
        if event.name == "GUILD_CREATE" and guild:
            return _with_members(session, data, guild)
        if session.intents & Intent.MESSAGE_CONTENT:
            return data
        if event.name in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            return without_content(data, bot, guild)
        if event.name == "INTERACTION_CREATE":
            return without_interaction_content(data, bot, guild)
        return data


def _intent_of_guild_event(event: Event) -> Intent:
    if event.name.startswith("GUILD_BAN_"):
        return Intent.GUILD_MODERATION
    return Intent.GUILD_MEMBERS if _is_of_other_member(event) else Intent.GUILDS


def _is_of_other_member(event: Event) -> bool:
    if not event.name.startswith("GUILD_MEMBER_"):
        return False
    user_id: str = event.data["user"]["id"]
    return user_id != str(APPLICATION_ID)


def _large_threshold(identify: Json) -> int:
    value = identify.get("large_threshold")
    return value if isinstance(value, int) and 50 <= value <= 250 else LARGE_THRESHOLD


def _with_members(session: Session, guild_create: Json, guild: Guild) -> Json:
    """Return a GUILD_CREATE with the members of a small guild, for sessions with presences.

    In a large guild, offline members are left out, and all users are offline.
    """
    is_large = len(guild.members) > session.large_threshold
    result = guild_create | {"large": is_large}
    if session.intents & Intent.GUILD_PRESENCES and not is_large:
        result["members"] = [member_json(member, guild) for member in guild.members]
    return result
