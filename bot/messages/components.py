"""Buttons and the ids that say what they do; pure, for all their state is in the record."""

from collections.abc import Iterable
from typing import Final

import discord

UPSCALE: Final = "upscale"
VARY: Final = "vary"
REROLL: Final = "reroll"
CANCEL: Final = "cancel"
_VERSION: Final = "v1"
PATTERN: Final = (
    rf"{_VERSION}:(?P<action>{UPSCALE}|{VARY}|{REROLL}|{CANCEL})"
    r":(?P<job>[0-9a-z]{1,24}):(?P<nth>[0-4])"
)
"""The regular expression of a job's custom ids, of this version."""
REMOVE: Final = "remove"
BLOCK: Final = "block"
UNBLOCK: Final = "unblock"
DISMISS: Final = "dismiss"
CASE_PATTERN: Final = (
    rf"{_VERSION}:case:(?P<action>{REMOVE}|{BLOCK}|{UNBLOCK}|{DISMISS}):(?P<job>[0-9a-z]{{1,24}})"
)
"""The regular expression of the custom ids on a card for moderators."""
FORM_PATTERN: Final = rf"{_VERSION}:report:(?P<message>[0-9]{{1,20}})"
"""Of the form that asks a reporter for a reason."""
DELETE: Final = "delete"
KEEP: Final = "keep"
PRIVACY_PATTERN: Final = rf"{_VERSION}:privacy:(?P<action>{DELETE}|{KEEP})"
"""Of the question whether all that is kept of a person is to be deleted."""


def custom_id(action: str, job: str, nth: int = 0) -> str:
    """What Discord sends back when the button is pressed; `nth` 0 means the whole job."""
    return f"{_VERSION}:{action}:{job}:{nth}"


def result_view(job: str, count: int) -> discord.ui.View:
    """U1 … and re-roll above V1 …, as many as there are pictures."""
    numbers = range(1, count + 1)
    upscales = [_button(f"U{n}", custom_id(UPSCALE, job, n), row=0) for n in numbers]
    again = _button("🔄", custom_id(REROLL, job), row=0)
    variations = [_button(f"V{n}", custom_id(VARY, job, n), row=1) for n in numbers]
    return _stateless_view([*upscales, again, *variations])


def cancel_view(job: str) -> discord.ui.View:
    """The one button of a job that is not finished."""
    return _stateless_view([_button("✖ Cancel", custom_id(CANCEL, job), row=0)])


def case_id(action: str, job: str) -> str:
    """What Discord sends back when a moderator presses this on the card of a job."""
    return f"{_VERSION}:case:{action}:{job}"


def case_view(job: str, *, is_open: bool, is_removed: bool, is_blocked: bool) -> discord.ui.View:
    """What is left for moderators to do."""
    wanted = [
        (REMOVE, "Remove", not is_removed),
        (BLOCK, "Block person", not is_blocked),
        (UNBLOCK, "Unblock person", is_blocked),
        (DISMISS, "Dismiss", is_open),
    ]
    return _stateless_view(
        _button(label, case_id(action, job), row=0) for action, label, shown in wanted if shown
    )


def deleted_case_view(job: str, *, is_open: bool) -> discord.ui.View:
    """What is left to do if what was reported was deleted."""
    return _stateless_view([_button("Dismiss", case_id(DISMISS, job), row=0)] if is_open else [])


def form_id(message: int) -> str:
    """What Discord sends back with the reason for reporting this message."""
    return f"{_VERSION}:report:{message}"


def privacy_id(action: str) -> str:
    """What Discord sends back when somebody decides about what is kept of them."""
    return f"{_VERSION}:privacy:{action}"


def privacy_view() -> discord.ui.View:
    """Delete or keep."""
    delete = _button("Delete all of it", privacy_id(DELETE), row=0)
    delete.style = discord.ButtonStyle.danger
    return _stateless_view([delete, _button("Keep it", privacy_id(KEEP), row=0)])


def _button(label: str, identifier: str, *, row: int) -> discord.ui.Button[discord.ui.View]:
    return discord.ui.Button(label=label, custom_id=identifier, row=row)


def _stateless_view(items: Iterable[discord.ui.Button[discord.ui.View]]) -> discord.ui.View:
    """A view that discord.py sends but does not keep: presses are found by their custom id."""
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()
    return view
