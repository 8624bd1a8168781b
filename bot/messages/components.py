"""The buttons of jobs, and helpers for the views and modals of all features; pure.

A custom id starts with its version and has all the state of its button.
"""

from collections.abc import Iterable
from typing import Any, Final

import discord

VERSION: Final = "v1"
UPSCALE: Final = "upscale"
VARY: Final = "vary"
REROLL: Final = "reroll"
CANCEL: Final = "cancel"
PATTERN: Final = (
    rf"{VERSION}:(?P<action>{UPSCALE}|{VARY}|{REROLL}|{CANCEL})"
    r":(?P<job>[0-9a-z]{1,24}):(?P<nth>[0-4])"
)
"""Matches the custom ids of a job's buttons."""


def custom_id(action: str, job_id: str, nth: int = 0) -> str:
    """The custom id of a job's button; `nth` 0 stands for the whole job."""
    return f"{VERSION}:{action}:{job_id}:{nth}"


def result_view(job_id: str, count: int) -> discord.ui.View:
    """U1 … and re-roll above V1 …, for this number of pictures."""
    numbers = range(1, count + 1)
    full_sizes = [button(f"U{n}", custom_id(UPSCALE, job_id, n)) for n in numbers]
    reroll = button("🔄", custom_id(REROLL, job_id))
    variations = [button(f"V{n}", custom_id(VARY, job_id, n), row=1) for n in numbers]
    return stateless_view([*full_sizes, reroll, *variations])


def cancel_view(job_id: str) -> discord.ui.View:
    """The button of an unfinished job."""
    return stateless_view([button("✖ Cancel", custom_id(CANCEL, job_id))])


def button(label: str, custom_id: str, *, row: int = 0) -> discord.ui.Button[discord.ui.View]:
    """A grey button."""
    return discord.ui.Button(label=label, custom_id=custom_id, row=row)


def submitted_text(interaction: discord.Interaction[Any], field_id: str) -> str:
    """The text of this field of a submitted modal, inside a label or an action row, stripped."""
    data: dict[str, Any] = dict(interaction.data or {})
    for component in data.get("components", ()):
        for field in [component.get("component"), *component.get("components", ())]:
            if field and field.get("custom_id") == field_id:
                return str(field.get("value") or "").strip()
    return ""


def stateless_view(buttons: Iterable[discord.ui.Button[discord.ui.View]]) -> discord.ui.View:
    """A view that discord.py does not keep in memory; dynamic items handle its clicks."""
    view = discord.ui.View(timeout=None)
    for item in buttons:
        view.add_item(item)
    view.stop()
    return view
