"""The buttons of jobs, and helpers for the views and modals of all features; pure.

A custom id starts with its version and has all the state of its button.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import discord

from bot.i18n import pgettext

VERSION: Final = "v1"
UPSCALE: Final = "upscale"
VARY: Final = "vary"
REROLL: Final = "reroll"
CANCEL: Final = "cancel"
OPEN: Final = "open"
"""The menu of the pictures of a job; its number is that of the menu."""
MORE: Final = "more"
"""The menu of actions below a picture; its options are the names of actions."""


def job_pattern(actions: str) -> str:
    """Matches the custom ids of these actions, separated by `|`; nth 0 is the whole job."""
    return rf"{VERSION}:(?P<action>{actions}):(?P<job>[0-9a-z]{{1,24}}):(?P<nth>[0-9]{{1,3}})"


PATTERN: Final = job_pattern("[a-z0-9]+")
"""Matches the custom ids of the buttons and menus of jobs."""


def custom_id(action: str, job_id: str, nth: int = 0) -> str:
    """The custom id of a job's button; `nth` 0 stands for the whole job."""
    return f"{VERSION}:{action}:{job_id}:{nth}"


def cancel_view(job_id: str) -> discord.ui.View:
    """The button of an unfinished job."""
    return stateless_view([button(pgettext("button", "✖ Cancel"), custom_id(CANCEL, job_id))])


def button(label: str, custom_id: str, *, row: int = 0) -> discord.ui.Button[discord.ui.View]:
    """A grey button."""
    return discord.ui.Button(label=label, custom_id=custom_id, row=row)


def layout_button(label: str, custom_id: str) -> discord.ui.Button[discord.ui.LayoutView]:
    """A grey button of a layout."""
    return discord.ui.Button(label=label, custom_id=custom_id)


class SubmittedFile(NamedTuple):
    """A file that a user has uploaded in a modal."""

    url: str
    size: int
    """In bytes."""


def submitted_text(interaction: discord.Interaction[Any], field_id: str) -> str:
    """The text of this field of a submitted modal, inside a label or an action row, stripped."""
    return str(_submitted_field(interaction, field_id).get("value") or "").strip()


def submitted_values(interaction: discord.Interaction[Any], field_id: str) -> list[str]:
    """The chosen values of this menu of a submitted modal."""
    return [str(value) for value in _submitted_field(interaction, field_id).get("values") or ()]


def submitted_files(interaction: discord.Interaction[Any], field_id: str) -> list[SubmittedFile]:
    """The files of this field of a submitted modal."""
    data: dict[str, Any] = dict(interaction.data or {})
    attachments = (data.get("resolved") or {}).get("attachments") or {}
    ids = submitted_values(interaction, field_id)
    files = (attachments[file_id] for file_id in ids if file_id in attachments)
    return [SubmittedFile(str(file["url"]), int(file["size"])) for file in files]


def _submitted_field(interaction: discord.Interaction[Any], field_id: str) -> dict[str, Any]:
    """This field of a submitted modal; empty if there is none."""
    data: dict[str, Any] = dict(interaction.data or {})
    for component in data.get("components", ()):
        for field in [component.get("component"), *component.get("components", ())]:
            if field and field.get("custom_id") == field_id:
                return dict(field)
    return {}


def stateless_view(items: Iterable[discord.ui.Item[Any]]) -> discord.ui.View:
    """A view that discord.py does not keep in memory; the client handles its clicks."""
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()
    return view


def stateless_layout(items: Iterable[discord.ui.Item[Any]]) -> discord.ui.LayoutView:
    """A message of Components V2 that discord.py does not keep in memory."""
    view = discord.ui.LayoutView(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()
    return view
