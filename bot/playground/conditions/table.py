"""All conditions, in the order in which the page shows them."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from bot.playground.conditions import effects
from bot.playground.conditions.effects import Effect
from bot.playground.faults import Fault, Rule
from bot.playground.model.permissions import Permission

BLOCKED_WORD: Final = "dragon"
ANY_REQUEST: Final = r"[A-Z]+ /(?!(ephemeral-)?attachments/).*"  # not to the CDN


class Group(Enum):
    """What a condition affects; the values are headings."""

    REQUESTS = "Requests"
    INTERACTIONS = "Interactions"
    MESSAGES = "Messages"
    DMS = "Direct messages"
    GATEWAY = "Gateway"


@dataclass(frozen=True)
class Condition:
    """A condition that can be on or off. `description` is one sentence."""

    key: str
    group: Group
    name: str
    description: str
    effect: Effect = field(repr=False)


OUTAGE: Final = Condition(
    "outage",
    Group.REQUESTS,
    "Outage (502)",
    "Every request is answered with a proxy's page in HTML.",
    effects.requests(Rule(ANY_REQUEST, Fault(status=502, html=True))),
)
CLOUDFLARE_ERROR: Final = Condition(
    "cloudflare-error",
    Group.REQUESTS,
    "Cloudflare error (520)",
    "Every second request is answered with Cloudflare's page in HTML.",
    effects.requests(Rule(ANY_REQUEST, Fault(status=520, html=True), every=2)),
)
LOST_ANSWERS: Final = Condition(
    "lost-answers",
    Group.REQUESTS,
    "Lost answers",
    "Every second request is carried out, but the connection breaks before its answer.",
    effects.requests(Rule(ANY_REQUEST, Fault(drop=True, after_commit=True), every=2)),
)
SLOW_ANSWERS: Final = Condition(
    "slow-answers",
    Group.REQUESTS,
    "Slow answers",
    "Every request takes a second and a half longer.",
    effects.requests(Rule(ANY_REQUEST, Fault(delay=1.5))),
)
RATE_LIMITS: Final = Condition(
    "rate-limits",
    Group.REQUESTS,
    "Rate limits (429)",
    "Every second request has to be sent again half a second later.",
    effects.requests(Rule(ANY_REQUEST, Fault(status=429, retry_after=0.5), every=2)),
)
BLOCKED_ADDRESS: Final = Condition(
    "blocked-address",
    Group.REQUESTS,
    "Blocked by Cloudflare (429)",
    "Cloudflare refuses every request of the bot.",
    effects.requests(Rule(ANY_REQUEST, Fault(status=429, via=False, retry_after=5.0))),
)
UNKNOWN_INTERACTIONS: Final = Condition(
    "unknown-interactions",
    Group.INTERACTIONS,
    "Unknown interaction (10062)",
    "No response to a command or a button is accepted.",
    effects.requests(Rule(r"POST /interactions/.*", Fault(status=404, code=10062))),
)
EXPIRED_TOKENS: Final = Condition(
    "expired-tokens",
    Group.INTERACTIONS,
    "Expired tokens (50027)",
    "A response can be changed in its channel only, not with the token of its interaction.",
    effects.requests(Rule(r"[A-Z]+ /webhooks/.*", Fault(status=401, code=50027))),
)
TOO_MANY_EDITS: Final = Condition(
    "too-many-edits",
    Group.MESSAGES,
    "Edits of old messages (30046)",
    "Every second edit in a channel is refused, as for messages older than an hour.",
    effects.requests(
        Rule(
            r"PATCH /channels/\d+/messages/\d+",
            Fault(status=429, code=30046, retry_after=1.0),
            every=2,
        )
    ),
)
AUTOMOD: Final = Condition(
    "automod",
    Group.MESSAGES,
    "AutoMod (200000)",
    f"Messages in a server with the word \N{LEFT DOUBLE QUOTATION MARK}{BLOCKED_WORD}"
    "\N{RIGHT DOUBLE QUOTATION MARK} are blocked.",
    effects.block_word(BLOCKED_WORD),
)
UPLOAD_LIMIT: Final = Condition(
    "upload-limit",
    Group.MESSAGES,
    "Upload limit (40005)",
    "Files of more than 100 kB are refused, and commands come with this limit.",
    effects.limit_files,
)
NO_FILES: Final = Condition(
    "no-files",
    Group.MESSAGES,
    "Missing permission (50013)",
    "The bot lacks the permission Attach Files in all channels.",
    effects.remove_permission(Permission.ATTACH_FILES),
)
ARCHIVED_THREADS: Final = Condition(
    "archived-threads",
    Group.MESSAGES,
    "Archived threads (50083)",
    "Threads are archived two seconds after the last message.",
    effects.archive_threads,
)
LINK_PREVIEWS: Final = Condition(
    "link-previews",
    Group.MESSAGES,
    "Late link previews",
    "A message with links gets their previews a second later (MESSAGE_UPDATE).",
    effects.add_link_previews,
)
BROKEN_DOWNLOADS: Final = Condition(
    "broken-downloads",
    Group.MESSAGES,
    "Broken downloads",
    "The download of a command's file breaks off halfway.",
    effects.requests(Rule(r"GET /ephemeral-attachments/.*", Fault(drop=True))),
)
CLOSED_DMS: Final = Condition(
    "closed-dms",
    Group.DMS,
    "DMs closed (50007)",
    "Nobody accepts direct messages of the bot.",
    effects.refuse_dms(50007),
)
FILTERED_DMS: Final = Condition(
    "filtered-dms",
    Group.DMS,
    "DMs filtered (20009)",
    "Direct messages with files are refused as explicit.",
    effects.refuse_dms(20009),
)
NO_MUTUAL_GUILD: Final = Condition(
    "no-mutual-guild",
    Group.DMS,
    "No mutual server (50278)",
    "Direct messages are refused because the user shares no server with the bot.",
    effects.refuse_dms(50278),
)
TOO_MANY_DMS: Final = Condition(
    "too-many-dms",
    Group.DMS,
    "Too many new DMs (40003)",
    "The bot cannot open the direct messages of a user.",
    effects.requests(Rule(r"POST /users/@me/channels", Fault(status=400, code=40003))),
)
DISCONNECTS: Final = Condition(
    "disconnects",
    Group.GATEWAY,
    "Disconnects",
    "The connection is cut every ten seconds.",
    effects.disconnect,
)
NO_RESUME: Final = Condition(
    "no-resume",
    Group.GATEWAY,
    "No resume (opcode 9)",
    "The connection is cut once, and no session can be resumed.",
    effects.refuse_resume,
)
REPEATED_EVENTS: Final = Condition(
    "repeated-events",
    Group.GATEWAY,
    "Repeated events",
    "The connection is cut once, and each resume sends the last 20 events again.",
    effects.repeat_events,
)
NO_GATEWAY: Final = Condition(
    "no-gateway",
    Group.GATEWAY,
    "Gateway down (503)",
    "The connection is cut, and no new one is accepted.",
    effects.refuse_connections,
)
NO_HEARTBEAT_ACKS: Final = Condition(
    "no-heartbeat-acks",
    Group.GATEWAY,
    "Unanswered heartbeats",
    "Heartbeats are not acknowledged, so that the bot has to connect again after a minute.",
    effects.ignore_heartbeats,
)
HIDDEN_GUILD: Final = Condition(
    "hidden-guild",
    Group.GATEWAY,
    "Server outage",
    "The bot gets no events of the first server (GUILD_DELETE with unavailable).",
    effects.hide_guild,
)
CONDITIONS: Final = (
    OUTAGE,
    CLOUDFLARE_ERROR,
    LOST_ANSWERS,
    SLOW_ANSWERS,
    RATE_LIMITS,
    BLOCKED_ADDRESS,
    UNKNOWN_INTERACTIONS,
    EXPIRED_TOKENS,
    TOO_MANY_EDITS,
    AUTOMOD,
    UPLOAD_LIMIT,
    NO_FILES,
    ARCHIVED_THREADS,
    LINK_PREVIEWS,
    BROKEN_DOWNLOADS,
    CLOSED_DMS,
    FILTERED_DMS,
    NO_MUTUAL_GUILD,
    TOO_MANY_DMS,
    DISCONNECTS,
    NO_RESUME,
    REPEATED_EVENTS,
    NO_GATEWAY,
    NO_HEARTBEAT_ACKS,
    HIDDEN_GUILD,
)
