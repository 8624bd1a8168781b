"""What a bot shows of itself: its status and its activities.

https://docs.discord.com/developers/events/gateway-events#update-presence
"""

from collections import deque
from dataclasses import dataclass, field

from bot.playground.errors import Json

UPDATES_LIMIT = 5  # of a connection in UPDATES_SECONDS
UPDATES_SECONDS = 20.0
STATUSES = ("online", "dnd", "idle", "invisible", "offline")
CUSTOM = 4  # the activity type whose text is its `state`
ACTIVITY_TYPES = range(6)
MAX_CHARS = 128


@dataclass
class Presence:
    """The presence of a session."""

    status: str = "online"
    text: str = ""
    """Of the first activity; empty if there is none."""
    updates: deque[float] = field(default_factory=deque)
    """The times of the last updates."""

    def update(self, data: Json, now: float) -> bool:
        """Take over an update; False if it is not valid."""
        if not is_valid(data):
            return False
        self.updates.append(now)
        while self.updates[0] <= now - UPDATES_SECONDS:
            self.updates.popleft()
        self.status = data["status"]
        first: Json = next(iter(data["activities"]), {})
        text = first.get("state") if first.get("type") == CUSTOM else first.get("name")
        self.text = text or ""
        return True

    @property
    def is_too_frequent(self) -> bool:
        """Whether there were more updates than Discord allows."""
        return len(self.updates) > UPDATES_LIMIT


def is_valid(data: Json) -> bool:
    """Return whether an update has all fields, of the right types and lengths."""
    activities = data.get("activities")
    return (
        data.get("status") in STATUSES
        and isinstance(data.get("afk"), bool)
        and (data.get("since", "") is None or isinstance(data.get("since"), int | float))
        and isinstance(activities, list)
        and all(map(_is_activity, activities))
    )


def _is_activity(activity: object) -> bool:
    if not isinstance(activity, dict) or activity.get("type") not in ACTIVITY_TYPES:
        return False
    name, state = activity.get("name"), activity.get("state") or ""
    texts_fit = isinstance(name, str) and isinstance(state, str) and len(state) <= MAX_CHARS
    return texts_fit and 1 <= len(name or "") <= MAX_CHARS
