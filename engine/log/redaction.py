"""Secrets are left out of what is written: those that are known, and what looks like one."""

import re
import sys
from typing import Final

_SHORTEST: Final = 8
"""Characters of a secret; what is shorter is found by its place alone."""
_PLACES: Final = re.compile(
    r"""
      (?<=/webhooks/) (?P<id>\d+/) [^/?\s'"]+              # an interaction's token in an address
    | (?<=/interactions/) (?P<of>\d+/) [^/?\s'"]+
    | (?P<query> [?&](?:hm|token|[Ss]ig(?:nature)?|X-Amz-\w+|Policy)=) [^&\s'"]+
    | (?P<key> \b(?:\w*token|authorization)['"]?\s?[:=]\s?(?:b(?=['"]))?['"]?(?:(?:Bot|Bearer)\s)?)
        [^\s'",&)}\]]+
    | (?P<who> \b(?:Bot|Bearer)\s) [\w.~+/=-]{16,}
    | \baW50ZXJhY3Rpb24[\w+/=-]+                           # Base64 of `interaction`
    | \b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}               # a bot's
    | \bhf_[A-Za-z0-9]{16,}                                # the hub's
    """,
    re.VERBOSE | re.IGNORECASE,
)
_known: Final[set[str]] = set()
"""Of this process, as its log is."""


def hide(secret: str) -> None:
    """Leave these characters out from now on, wherever they stand."""
    if len(secret) >= _SHORTEST:
        _known.add(secret)


def dump_nothing() -> None:
    """Let crashes of this process, and of those that it starts, leave no image of its memory on
    disk: words and tokens are in it."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        least = 0 if hard == 0 else 1  # a pipe to a program that takes dumps heeds no 0: core(5)
        resource.setrlimit(resource.RLIMIT_CORE, (least, hard))


def discreet(text: str) -> str:
    """The text without secrets."""
    for secret in tuple(_known):
        text = text.replace(secret, "…")
    return _PLACES.sub(_kept, text)


def _kept(found: re.Match[str]) -> str:
    return "".join(part for part in found.groups() if part) + "…"
