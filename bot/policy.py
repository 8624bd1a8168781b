"""What is allowed: pure rules over facts that come in as arguments."""

import unicodedata
from collections.abc import Sequence
from typing import Final

import msgspec

from bot.errors import Refused
from bot.jobs import Job, Picture
from engine.contract import Model, Recipe


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much the bot takes on."""

    waiting: int = 5
    """Unfinished jobs of one person."""
    backlog: int = 200
    """Unfinished jobs of everybody."""
    at_once: int = 8
    """Jobs at the engine, which paints them together."""
    adaptive: bool = False
    """May the engine choose larger batches while it has much to do? They change bits, but the
    record says in which a picture was painted."""
    crashes: int = 3
    """A job during which the engine died so often is given up."""


LIMITS: Final = Limits()
_KEPT_CONTROLS: Final = frozenset("\n\t")
_UNSEEN: Final = ("Cc", "Cf", "Cs")
"""Unicode's control and format characters, and halves of characters, which no file can hold."""


def check(*, waiting: int, backlog: int, limits: Limits) -> None:
    """Raise Refused, in words for the person, if another job is too much right now."""
    if waiting >= limits.waiting:
        raise Refused(f"You have {waiting} jobs waiting. Let one finish first.")
    if backlog >= limits.backlog:
        raise Refused(f"There are {backlog} jobs waiting. Please try again in a while.")


def may_start(job: Job, at_engine: Sequence[Job], limits: Limits) -> bool:
    """May this job go to the engine now?

    One that was at an engine that died is painted alone: if it was the cause, it takes no other
    with it again.
    """
    if not at_engine:
        return True
    suspected = any(each.crashes for each in [job, *at_engine])
    return len(at_engine) < limits.at_once and not suspected


def check_model(recipe: Recipe, model: Model) -> None:
    """Raise Refused if these weights cannot paint this recipe to the bit."""
    if recipe.revision != model.revision:
        raise Refused(
            f"That was painted with the model {recipe.model} ({recipe.revision[:12]}); "
            f"I paint with {model.name} ({model.revision[:12]}) now."
        )


def check_remembered(job: Job) -> None:
    """Raise Refused if the job was deleted."""
    if job.erased is not None:
        raise Refused(job.erased.words)


def check_shown(picture: Picture) -> None:
    """Raise Refused for a picture that nobody may see."""
    if picture.failed is not None:
        raise Refused(f"Picture {picture.nth} could not be painted. {picture.failed}")
    if picture.blocked:
        raise Refused(
            f"Picture {picture.nth} was withheld by the safety check, so there is nothing to show."
        )


def may_stop(job: Job, *, person: int, moderator: bool) -> bool:
    """May this person cancel the job or delete its pictures?"""
    return moderator or job.person == person


def cleaned(text: str) -> str:
    """The text without control, zero-width and direction characters, and without outer blanks."""
    kept = (c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c) not in _UNSEEN)
    return "".join(kept).strip()
