"""The buttons and menus below results and single pictures; pure.

The actions are those of the features. A kind names the ones of its results, in their order. Below a
single picture, also as the only one of a result, are all that offer themselves for it.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

import discord
import msgspec

from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.domain.plan import Layout, Matrix
from bot.i18n import _, pgettext
from bot.messages.components import MORE, OPEN, button, custom_id, stateless_view
from engine.contract.images.grid import column_count

_ROWS: Final = 5
_ROW_BUTTONS: Final = 5
_MENU_OPTIONS: Final = 25
_MAX_NUMBERED: Final = 4
"""Pictures of a result with a numbered button for each."""
_ROW_ORDERS: Final = 10
_MAX_OPTION: Final = 100
_Button: TypeAlias = discord.ui.Button[discord.ui.View]
_ItemRows: TypeAlias = list[Sequence[discord.ui.Item[Any]]]


class ActionScope(StrEnum):
    """What an action is about."""

    JOB = "job"
    PICTURE = "picture"


class MenuOption(NamedTuple):
    """An option of the menu of an action."""

    number: int
    """What the handler of the action takes."""
    label: str


class ActionButton(msgspec.Struct, frozen=True, kw_only=True):
    """How an action looks: a button, or a menu."""

    name: str
    """Part of custom ids, so it stays; lower-case letters and digits."""
    label: str
    """In English; marked by `NP_("button", …)`."""
    scope: ActionScope
    short_label: str = ""
    """Below a result of several pictures; empty for the label."""
    summary: str = ""
    """What it does, for /help and the menu “More…”, in at most 100 characters; empty for what
    explains itself where it stands."""
    initial: str = ""
    """Before the number of each picture in a result of up to four; empty for no such buttons."""
    menu: Callable[[Job], Sequence[MenuOption]] | None = None
    """The options of a menu below the results of kinds that name the action; its label is the text
    of the empty menu. None for buttons."""
    order: int = 50
    """Smaller ones come first below a single picture. Buttons of the same ten share a row, which a
    phone shows in one line if their labels are short: at most five of them."""
    is_possible: Callable[[Job], bool] = lambda _: True
    """Whether results and pictures of this job may have it."""
    is_added_to_result: Callable[[Job], bool] = lambda _: False
    """Whether a result of a kind that does not name the action has it too."""
    is_on_picture: Callable[[Picture], bool] = lambda _: False
    """Whether the action is offered below a single picture."""
    is_in_menu: bool = False
    """Whether it is offered there as an option of the menu “More…” in place of a button."""


class ActionViews:
    """Raises ValueError if two actions have the same name."""

    def __init__(self, actions: Iterable[ActionButton]) -> None:
        self._actions: dict[str, ActionButton] = {}
        for action in actions:
            if action.name in self._actions:
                raise ValueError(f"There are two actions of the name {action.name}.")
            self._actions[action.name] = action

    def result_view(self, job: Job, pictures: Sequence[Picture]) -> discord.ui.View:
        """Below the result of a job with these pictures.

        Up to four pictures have numbered buttons; more, and the cells of a matrix, have menus.
        """
        named = self._in_result(job)
        menus = [
            row
            for action in named
            if action.menu is not None
            for row in _pages(job.id, action.menu(job), action.name, text(action.label))
        ]
        named = [action for action in named if action.menu is None]
        of_pictures = [action for action in named if action.scope is ActionScope.PICTURE]
        if of_pictures and len(pictures) == 1:
            return _view([*menus, *self._below_only(pictures[0], job, named)])
        whole = [
            button(text(action.short_label or action.label), custom_id(action.name, job.id))
            for action in named
            if action.scope is ActionScope.JOB
        ]
        layout, numbers = job.plan.layout, [picture.nth for picture in pictures]
        if len(numbers) > _MAX_NUMBERED or isinstance(layout, Matrix):
            openers = _menus(job.id, layout, numbers, len(numbers))
            return _view([*openers, *menus, *_chunks(whole)])
        numbered = [action for action in of_pictures if action.initial]
        return _view([*menus, *_numbered(numbered, job, numbers, whole)])

    def _below_only(self, picture: Picture, job: Job, named: Sequence[ActionButton]) -> _ItemRows:
        """Below the only picture of a result: the actions of the result and of the picture."""
        offered = [] if picture.unavailable_reason else self._offered(picture, job)
        actions = _sorted({action.name: action for action in [*named, *offered]}.values())
        return _below_picture(picture, actions, is_result=True)

    def _in_result(self, job: Job) -> list[ActionButton]:
        """The actions that the job's kind names, and those that add themselves."""
        named = job.kind.actions
        others = sorted(self._actions.keys() - set(named))
        actions = [
            *(self._actions[name] for name in named if name in self._actions),
            *(
                self._actions[name]
                for name in others
                if self._actions[name].is_added_to_result(job)
            ),
        ]
        return [action for action in actions if action.is_possible(job)]

    def _offered(self, picture: Picture, job: Job) -> list[ActionButton]:
        return [
            action
            for action in self._actions.values()
            if action.is_possible(job) and action.is_on_picture(picture)
        ]

    def picture_view(self, picture: Picture, job: Job) -> discord.ui.View:
        """Below a single picture of a job."""
        actions = _sorted(self._offered(picture, job))
        return _view(_below_picture(picture, actions, is_result=False))


def text(label: str) -> str:
    """The label of an action in the current language."""
    return pgettext("button", label)


def _sorted(actions: Iterable[ActionButton]) -> list[ActionButton]:
    return sorted(actions, key=lambda action: (action.order, action.name))


def _below_picture(
    picture: Picture, actions: Sequence[ActionButton], *, is_result: bool
) -> _ItemRows:
    """The buttons, a row for each ten of their order, and the menu of the other actions."""

    def button_of(action: ActionButton) -> _Button:
        is_numbered = is_result and action.initial
        label = f"{action.initial}{picture.nth}" if is_numbered else text(action.label)
        number = 0 if is_result and action.scope is ActionScope.JOB else picture.nth
        return button(label, custom_id(action.name, picture.job_id, number))

    rows: _ItemRows = []
    for _order, row in groupby(actions, lambda action: action.order // _ROW_ORDERS):
        rows += _chunks([button_of(action) for action in row if not action.is_in_menu])
    return [*rows, *_more(picture, actions)]


def _more(picture: Picture, actions: Sequence[ActionButton]) -> _ItemRows:
    """The menu of those of the actions that have no button; no row if there are none."""
    options = [
        discord.SelectOption(
            label=text(action.label),
            value=action.name,
            description=_(action.summary)[:_MAX_OPTION] or None,
        )
        for action in actions
        if action.is_in_menu
    ]
    return (
        [[_menu(MORE, picture.job_id, picture.nth, pgettext("placeholder", "More…"), options)]]
        if options
        else []
    )


def _numbered(
    actions: Sequence[ActionButton],
    job: Job,
    numbers: Sequence[int],
    whole: list[_Button],
) -> _ItemRows:
    """A row for each action, filled up with those of the whole job."""
    rows: _ItemRows = [
        [button(f"{action.initial}{n}", custom_id(action.name, job.id, n)) for n in numbers]
        for action in actions
    ]
    free = _ROW_BUTTONS - len(numbers)
    filled = [[*row, *whole[nth * free : (nth + 1) * free]] for nth, row in enumerate(rows)]
    return [*filled, *_chunks(whole[len(rows) * free :])]


def picture_menu_view(
    action: str, job: Job, numbers: Sequence[int], placeholder: str
) -> discord.ui.View:
    """A view in which one of these pictures of a job is chosen for an action."""
    return _view(_menus(job.id, job.plan.layout, numbers, len(job.recipes), action, placeholder))


def _menus(
    job_id: str,
    layout: Layout,
    numbers: Sequence[int],
    count: int,
    action: str = OPEN,
    placeholder: str = "",
) -> _ItemRows:
    options = [MenuOption(nth, _option(layout, nth, count)) for nth in numbers]
    return _pages(job_id, options, action, placeholder or pgettext("placeholder", "Open picture…"))


def _pages(job_id: str, choices: Sequence[MenuOption], action: str, placeholder: str) -> _ItemRows:
    """Menus of these options."""
    options = [discord.SelectOption(label=label, value=str(number)) for number, label in choices]
    starts = range(0, len(options), _MENU_OPTIONS)
    pages = [options[start : start + _MENU_OPTIONS] for start in starts]
    return [
        [_menu(action, job_id, number, placeholder, page)]
        for number, page in enumerate(pages[: _ROWS - 1])
    ]


def _menu(
    action: str,
    job_id: str,
    number: int,
    placeholder: str,
    options: list[discord.SelectOption],
) -> discord.ui.Select[discord.ui.View]:
    return discord.ui.Select(
        custom_id=custom_id(action, job_id, number), placeholder=placeholder, options=options
    )


def _option(layout: Layout, nth: int, count: int) -> str:
    """The number and place of a picture, or the values that it has on the axes of a matrix."""
    if not isinstance(layout, Matrix):
        row, column = divmod(nth - 1, column_count(count))
        return _("Picture {number}: row {row}, column {column}").format(
            number=nth, row=row + 1, column=column + 1
        )
    row, column = divmod(nth - 1, len(layout.columns.labels))
    labels = (layout.rows.labels[row], layout.columns.labels[column])
    axes = [pgettext("option name", axis.name) for axis in (layout.rows, layout.columns)]
    parts = [f"{name} {label}".strip() for name, label in zip(axes, labels, strict=True)]
    return f"{nth}: {' · '.join(part for part in parts if part)}"[:_MAX_OPTION]


def _chunks(buttons: Sequence[discord.ui.Item[Any]]) -> _ItemRows:
    return [buttons[start : start + _ROW_BUTTONS] for start in range(0, len(buttons), _ROW_BUTTONS)]


def _view(rows: _ItemRows) -> discord.ui.View:
    items: list[discord.ui.Item[Any]] = []
    for number, row in enumerate(rows[:_ROWS]):
        for item in row:
            item.row = number
            items.append(item)
    return stateless_view(items)
