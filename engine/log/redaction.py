"""Redaction of secrets: registered ones, and texts with the form or position of a token."""

import re
import sys
from typing import Final

_MIN_CHARS: Final = 8
"""Length below which a secret is not registered, because it would match ordinary text."""
_PATTERN: Final = re.compile(
    r"""
      (?<=/webhooks/) (?P<application>\d+/) [^/?\s'"]+              # an interaction token in a URL
    | (?<=/interactions/) (?P<interaction>\d+/) [^/?\s'"]+
    | (?P<query> [?&](?:hm|token|[Ss]ig(?:nature)?|X-Amz-\w+|Policy)=) [^&\s'"]+
    | (?P<key> \b(?:\w*token|authorization)['"]?\s?[:=]\s?(?:b(?=['"]))?['"]?(?:(?:Bot|Bearer)\s)?)
        [^\s'",&)}\]]+
    | (?P<scheme> \b(?:Bot|Bearer)\s) [\w.~+/=-]{16,}
    | \baW50ZXJhY3Rpb24[\w+/=-]+                           # Base64 of `interaction`
    | \b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}               # a bot token
    | \bhf_[A-Za-z0-9]{16,}                                # a Hugging Face token
    """,
    re.VERBOSE | re.IGNORECASE,
)
_secrets: Final[set[str]] = set()
"""Global, like the log of the process."""


def register_secret(secret: str) -> None:
    """Redact this text from now on; texts shorter than 8 characters are ignored."""
    if len(secret) >= _MIN_CHARS:
        _secrets.add(secret)


def disable_core_dumps() -> None:
    """Disable core dumps of this process and its children: they contain prompts and tokens."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        soft = 0 if hard == 0 else 1  # with a pipe as core_pattern, 0 does not disable: core(5)
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def redact(text: str) -> str:
    """The text with `…` in place of each secret."""
    for secret in tuple(_secrets):
        text = text.replace(secret, "…")
    return _PATTERN.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    """The replacement of a match: its groups, which are the text around the secret, and `…`."""
    return "".join(group for group in match.groups() if group) + "…"
