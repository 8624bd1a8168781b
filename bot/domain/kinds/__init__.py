"""The kinds of jobs. Each module plans a kind of request, and ends in its `KIND`."""

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Final

from bot.domain.plan import JobKind
from bot.domain.registry import modules_of


def kinds_by_name(modules: Iterable[ModuleType]) -> Mapping[str, JobKind]:
    """The kinds of these modules. Raises ValueError if two have the same name."""
    kinds: dict[str, JobKind] = {}
    for module in modules:
        kind: JobKind = module.KIND
        if kind.name in kinds:
            raise ValueError(f"There are two job kinds of the name {kind.name}.")
        kinds[kind.name] = kind
    return kinds


_BY_NAME: Final = kinds_by_name(modules_of(__name__, __path__))
KINDS: Final = tuple(_BY_NAME.values())
"""All kinds, sorted by the names of their modules."""


def kind_named(name: str) -> JobKind:
    """The kind of a stored job; one without a title if a newer version of the bot stored it."""
    return _BY_NAME.get(name) or JobKind(name=name)
