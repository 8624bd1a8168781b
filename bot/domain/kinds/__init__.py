"""The kinds of jobs: each module makes recipes from a request."""

from typing import Final

from bot.domain.job import JobKind
from bot.domain.kinds import imagine, reroll, variation

KINDS: Final = (imagine.KIND, reroll.KIND, variation.KIND)
"""The only list of kinds."""
_BY_NAME: Final = {kind.name: kind for kind in KINDS}


def kind_named(name: str) -> JobKind:
    """The kind of a stored job; one without a title if a newer version of the bot stored it."""
    return _BY_NAME.get(name) or JobKind(name=name)
