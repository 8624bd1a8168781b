"""The gateway: sessions that outlive their connections, and the events that each wants."""

import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Protocol

from bot.playground.errors import Json
from bot.playground.model.state import APPLICATION_ID, Event, World
from bot.playground.rest.guilds import gateway_url
from bot.playground.rest.serializers.guilds import guild_create_json
from bot.playground.rest.serializers.messages import user_json

REPLAY_LIMIT = 2_000  # events that a session keeps for a Resume


class Opcode(IntEnum):
    """Gateway opcodes."""

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
    """Gateway close codes."""

    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    INVALID_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


class Intent(IntFlag):
    """The intents that decide about events the playground has."""

    GUILDS = 1 << 0
    GUILD_MESSAGES = 1 << 9
    GUILD_REACTIONS = 1 << 10
    DIRECT_MESSAGES = 1 << 12
    DIRECT_REACTIONS = 1 << 13
    MESSAGE_CONTENT = 1 << 15


PRIVILEGED = 1 << 1 | 1 << 8 | Intent.MESSAGE_CONTENT
ALL_INTENTS = (1 << 26) - 1


class Transport(Protocol):
    """A connection that a session may use."""

    def send(self, frame: Json) -> None:
        """Queue a frame."""

    def hang_up(self, code: int) -> None:
        """Close it."""


@dataclass(eq=False)
class Session:
    """One identified bot, connected or away."""

    id: str
    intents: int
    line: Transport | None = None
    seq: int = 0
    log: deque[Json] = field(default_factory=lambda: deque(maxlen=REPLAY_LIMIT))

    def dispatch(self, name: str, data: Json) -> None:
        """Send an event now, or keep it for a Resume."""
        self.seq += 1
        # A copy of this moment: what it describes may change before the bot comes back.
        frame = {"op": Opcode.DISPATCH, "t": name, "s": self.seq, "d": json.loads(json.dumps(data))}
        self.log.append(frame)
        if self.line:
            self.line.send(frame)

    def replay(self, after: int) -> None:
        """Send again what was missed."""
        if self.line:
            for frame in self.log:
                if frame["s"] > after:
                    self.line.send(frame)

    def wants(self, event: Event) -> bool:
        """Whether the session's intents ask for this event."""
        if event.name == "INTERACTION_CREATE":
            return True
        if event.channel is None:
            return bool(self.intents & Intent.GUILDS)
        guild = event.channel.guild
        if event.name.startswith("MESSAGE_REACTION"):
            wanted = Intent.GUILD_REACTIONS if guild else Intent.DIRECT_REACTIONS
        elif event.name.startswith("MESSAGE"):
            wanted = Intent.GUILD_MESSAGES if guild else Intent.DIRECT_MESSAGES
        else:
            wanted = Intent.GUILDS
        return bool(self.intents & wanted)


class Gateway:
    """Knows all sessions and passes events on to them."""

    def __init__(self, world: World, token: str) -> None:
        self.allowed_intents = ALL_INTENTS & ~PRIVILEGED
        self._world = world
        self._token = token
        self._sessions: dict[str, Session] = {}
        world.event_listeners.append(self._pass_on)

    @property
    def online(self) -> bool:
        """Whether a bot is connected and ready."""
        return any(session.line for session in self._sessions.values())

    @property
    def lines(self) -> list[Transport]:
        """All connections in use."""
        return [session.line for session in self._sessions.values() if session.line]

    def identify(self, data: Json, line: Transport) -> Session | CloseCode:
        """Start a session, or tell why not."""
        intents = data.get("intents")
        if data.get("token") not in (self._token, f"Bot {self._token}"):
            return CloseCode.AUTHENTICATION_FAILED
        if not isinstance(intents, int) or not 0 <= intents <= ALL_INTENTS:
            return CloseCode.INVALID_INTENTS
        if intents & ~self.allowed_intents:
            return CloseCode.DISALLOWED_INTENTS
        shard = data.get("shard") or [0, 1]
        if len(shard) != 2 or not 0 <= shard[0] < shard[1]:
            return CloseCode.INVALID_SHARD
        session = Session(secrets.token_hex(16), intents, line)
        self._sessions[session.id] = session
        session.dispatch("READY", self._ready(session, shard))
        if session.intents & Intent.GUILDS:
            for guild in self._world.guilds.values():
                session.dispatch("GUILD_CREATE", guild_create_json(self._world, guild))
        self._world.changes.notify()
        return session

    def resume(self, data: Json, line: Transport) -> Session | CloseCode | None:
        """Go on with a session: None when it cannot be found any more."""
        if data.get("token") not in (self._token, f"Bot {self._token}"):
            return CloseCode.AUTHENTICATION_FAILED
        session = self._sessions.get(str(data.get("session_id")))
        if session is None:
            return None
        seq = data.get("seq")
        if not isinstance(seq, int) or seq > session.seq:
            return CloseCode.INVALID_SEQ
        if session.line:
            session.line.hang_up(CloseCode.SESSION_TIMED_OUT)
        session.line = line
        session.replay(seq)
        session.dispatch("RESUMED", {"_trace": []})
        self._world.changes.notify()
        return session

    def left(self, session: Session, line: Transport, *, for_good: bool) -> None:
        """A connection ended; a session that was closed properly cannot be resumed."""
        if session.line is line:
            session.line = None
        if for_good:
            self._sessions.pop(session.id, None)
        self._world.changes.notify()

    def forget(self, *, resumable: bool) -> None:
        """Tell all bots that their session is invalid (opcode 9)."""
        for session in list(self._sessions.values()):
            if session.line:
                session.line.send({"op": Opcode.INVALID_SESSION, "d": resumable})
            if not resumable:
                session.line = None
                del self._sessions[session.id]

    def _ready(self, session: Session, shard: list[int]) -> Json:
        return {
            "v": 10,
            "user": user_json(self._world.bot) | {"mfa_enabled": False, "verified": True},
            "guilds": [{"id": str(guild), "unavailable": True} for guild in self._world.guilds],
            "session_id": session.id,
            "resume_gateway_url": gateway_url(self._world),
            "shard": shard,
            "application": {"id": str(APPLICATION_ID), "flags": 0},
            "session_type": "normal",
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "user_settings": {},
            "_trace": [],
        }

    def _pass_on(self, event: Event) -> None:
        for session in self._sessions.values():
            if session.wants(event):
                session.dispatch(event.name, self._seen(session, event))

    def _seen(self, session: Session, event: Event) -> Json:
        """Without MESSAGE_CONTENT, other people's words in the guild are blank."""
        data = event.data
        author = (data.get("author") or {}).get("id")
        hidden = author is not None and author != str(self._world.bot.id)
        mentioned = str(self._world.bot.id) in [user["id"] for user in data.get("mentions", [])]
        private = event.channel is not None and event.channel.guild is None
        if not hidden or mentioned or private or session.intents & Intent.MESSAGE_CONTENT:
            return data
        return data | {"content": "", "embeds": [], "attachments": [], "components": []}
