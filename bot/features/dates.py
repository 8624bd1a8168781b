"""Days that people type, as moments in UTC."""

import datetime
import re
from typing import Final

from bot.errors import Refused
from bot.i18n import _

_AGO: Final = re.compile(r"(?P<count>[0-9]{1,3})\s*(?P<unit>[dw])", re.IGNORECASE)
_DATE: Final = re.compile(r"(?P<year>20[0-9]{2})-(?P<month>[0-9]{1,2})(?:-(?P<day>[0-9]{1,2}))?")
_DAYS: Final = {"d": 1, "w": 7}


def days(typed: str, now: datetime.datetime) -> tuple[float, float]:
    """The beginning and the end of the day or month that a text names, in seconds since 1970.

    It is `2026-11-28`, `2026-11`, `today`, `yesterday`, or `7d` or `2w` for so many days or weeks
    ago. Raises Refused, with a sentence for the user.
    """
    text = typed.strip().casefold()
    today = now.astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ago, date = _AGO.fullmatch(text), _DATE.fullmatch(text)
    day = datetime.timedelta(days=1)
    try:
        if ago is not None:
            start = today - int(ago["count"]) * _DAYS[ago["unit"]] * day
            return start.timestamp(), (start + day).timestamp()
        if text in ("today", "yesterday"):
            start = today if text == "today" else today - day
            return start.timestamp(), (start + day).timestamp()
        if date is not None:
            return _span(int(date["year"]), int(date["month"]), date["day"])
    except (ValueError, OverflowError):
        pass
    raise Refused(
        _(
            "“{text}” is no day. Write a day as 2026-11-28, a month as 2026-11, or 7d "
            "for seven days ago."
        ).format(text=_plain(typed))
    )


def _span(year: int, month: int, day: str | None) -> tuple[float, float]:
    """Raises ValueError if there is no such day."""
    start = datetime.datetime(year, month, int(day or 1), tzinfo=datetime.UTC)
    if day is not None:
        return start.timestamp(), (start + datetime.timedelta(days=1)).timestamp()
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    end = datetime.datetime(*following, 1, tzinfo=datetime.UTC)
    return start.timestamp(), end.timestamp()


def _plain(text: str) -> str:
    return re.sub(r"[\\`*_~|\[\]<>@#]", "", " ".join(text.split()))[:40]
