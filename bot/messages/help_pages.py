"""The pages of /help, made from the commands, buttons and reactions themselves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

import discord
import msgspec
from discord import app_commands

from bot.i18n import N_, _, command_name, decimal, pgettext
from bot.messages.action_views import ActionButton, text
from bot.messages.components import VERSION, button, stateless_view

Commands: TypeAlias = Mapping[str, app_commands.Command[Any, ..., Any]]
"""By what is typed after the slash."""
RootCommand: TypeAlias = (
    app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu
)
MAX_CHARS: Final = 1900
"""Of a page, below its heading; Discord takes 2,000."""
_MENU_OPTIONS: Final = 25
_MENUS: Final = 3
"""Rows for the menus of commands, beside that of topics and the row of buttons."""
_MAX_OPTION: Final = 100


class Topic(StrEnum):
    """A group of what people can do. The value is a part of custom ids."""

    COMMANDS = "commands"
    MENUS = "menus"
    BUTTONS = "buttons"
    REACTIONS = "reactions"
    MODERATION = "moderation"

    @property
    def heading(self) -> str:
        """For people."""
        return _(_TITLES[self])


_TITLES: Final = {
    Topic.COMMANDS: N_("Commands"),
    Topic.MENUS: N_("The Apps menu of a message"),
    Topic.BUTTONS: N_("Buttons below pictures"),
    Topic.REACTIONS: N_("Reactions to a result"),
    Topic.MODERATION: N_("For moderators and admins"),
}
_INTRODUCTIONS: Final = {
    Topic.COMMANDS: N_(
        "Type `/imagine` and what you want to see. Choose a command for its options."
    ),
    Topic.MENUS: N_("Right-click a message, or hold it on a phone, and choose Apps."),
    Topic.BUTTONS: N_("They work on old results too."),
    Topic.REACTIONS: N_("React to a message with pictures."),
    Topic.MODERATION: N_("Only members with the permission see these commands."),
}

_NO_REACTIONS: Final = N_(
    "I am no member here, so Discord does not tell me of reactions. Use the buttons "
    "below the pictures. Reactions work in servers that added me, and in direct "
    "messages with me."
)


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """All that /help can explain to a user."""

    commands: Commands
    menus: Sequence[app_commands.ContextMenu]
    actions: Sequence[ActionButton]
    reactions: Mapping[str, str]
    """Empty where Discord does not tell the bot of them."""


def contents(
    tree: app_commands.CommandTree[Any],
    actions: Sequence[ActionButton],
    reactions: Mapping[str, str],
    may_use: Callable[[RootCommand], bool],
) -> Contents:
    """What these features offer to a user, who may use some of the commands."""
    slash = (c for c in tree.get_commands() if not isinstance(c, app_commands.ContextMenu))
    menus = tree.get_commands(type=discord.AppCommandType.message)
    return Contents(
        commands={
            command.qualified_name: command
            for root in sorted(slash, key=lambda command: command.name)
            if may_use(root)
            for command in sorted(_leaves(root), key=lambda command: command.qualified_name)
        },
        menus=[menu for menu in menus if may_use(menu)],
        actions=actions,
        reactions=reactions,
    )


def _leaves(
    command: app_commands.Command[Any, ..., Any] | app_commands.Group,
) -> Iterable[app_commands.Command[Any, ..., Any]]:
    if isinstance(command, app_commands.Command):
        return [command]
    return [c for c in command.walk_commands() if isinstance(c, app_commands.Command)]


def topics(contents: Contents) -> list[Topic]:
    """Those about which there is something to say."""
    return [topic for topic in Topic if _lines(contents, topic)]


def topic_pages(contents: Contents, topic: Topic) -> list[str]:
    """The pages of a topic; at least one."""
    return _pages(_(_INTRODUCTIONS[topic]), _lines(contents, topic), f"**{topic.heading}**")


def command_pages(command: app_commands.Command[Any, ..., Any]) -> list[str]:
    """The pages about a command and its options; at least one."""
    lines = [_option(parameter) for parameter in command.parameters]
    text = (
        _describe(command.description)
        if lines
        else "\n".join([_describe(command.description), _("It has no options.")])
    )
    return _pages(text, lines, f"**/{command_name(command.qualified_name)}**")


def _describe(text: str) -> str:
    return pgettext("description", text)


def _lines(contents: Contents, topic: Topic) -> list[str]:
    match topic:
        case Topic.COMMANDS | Topic.MODERATION:
            is_moderation = topic is Topic.MODERATION
            return [
                f"`/{command_name(name)}` {_describe(command.description)}"
                for name, command in contents.commands.items()
                if _is_moderation(command) is is_moderation
            ]
        case Topic.MENUS:
            return sorted(f"*{pgettext('menu name', menu.name)}*" for menu in contents.menus)
        case Topic.BUTTONS:
            return _buttons(contents.actions)
        case Topic.REACTIONS:
            lines = [f"{emoji} {_(summary)}" for emoji, summary in contents.reactions.items()]
            return lines or [_(_NO_REACTIONS)]


def _buttons(actions: Sequence[ActionButton]) -> list[str]:
    lines = dict[str, None]()
    with_summary = [action for action in actions if action.summary]
    for action in sorted(with_summary, key=lambda action: (action.order, action.name)):
        label = f"{action.initial}1, {action.initial}2, …" if action.initial else text(action.label)
        lines[f"**{label}** {_(action.summary)}"] = None
    return list(lines)


def _is_moderation(command: app_commands.Command[Any, ..., Any]) -> bool:
    return (command.root_parent or command).default_permissions is not None


def _option(parameter: app_commands.Parameter) -> str:
    name = pgettext("option name", str(parameter.display_name))
    needed = "" if not parameter.required else _(" (needed)")
    return f"`{name}`{needed} {_describe(str(parameter.description))}{_values(parameter)}"


def _values(parameter: app_commands.Parameter) -> str:
    """The values that Discord's clients accept."""
    if parameter.choices:
        return f": {', '.join(pgettext('choice', choice.name) for choice in parameter.choices)}"
    least, most = parameter.min_value, parameter.max_value
    if least is None and most is None:
        return ""
    unit = _(" characters") if parameter.type is discord.AppCommandOptionType.string else ""
    if least is None:
        return _(" (at most {number}{unit})").format(number=most, unit=unit)
    if most is None:
        return _(" (at least {number}{unit})").format(number=least, unit=unit)
    return _(" ({least} to {most}{unit})").format(
        least=decimal(least), most=decimal(most), unit=unit
    )


def _pages(introduction: str, lines: Sequence[str], heading: str) -> list[str]:
    """The lines on as few pages as fit."""
    pages = [introduction]
    for line in lines:
        if len(pages[-1]) + 1 + len(line) > MAX_CHARS:
            pages.append("")
        pages[-1] = f"{pages[-1]}\n{line[:MAX_CHARS]}".lstrip("\n")
    if len(pages) == 1:
        return [f"{heading}\n{pages[0]}"]
    place = _("page {number} of {count}")
    return [
        f"{heading} · {place.format(number=number, count=len(pages))}\n{page}"
        for number, page in enumerate(pages, 1)
    ]


# Components


MENU: Final = "menu"
"""In place of a subject, which is the chosen option; the page is the number of the menu."""
PATTERN: Final = rf"{VERSION}:help:(?P<subject>[^:]{{1,70}}):(?P<page>[0-9]{{1,2}})"


def custom_id(subject: str, page: int) -> str:
    """The custom id of a button to a page about a subject, or of a menu."""
    return f"{VERSION}:help:{subject}:{page}"


def view(contents: Contents, subject: str, page: int, page_count: int) -> discord.ui.View:
    """The menus of topics and commands, and buttons to the pages before and after this one.

    `subject` is the value of a topic, or a command after a slash.
    """
    options = [
        discord.SelectOption(label=topic.heading, value=topic.value) for topic in topics(contents)
    ]
    menus = [_menu(0, _("Topic…"), options)]
    names = list(contents.commands)[: _MENUS * _MENU_OPTIONS]
    for number, start in enumerate(range(0, len(names), _MENU_OPTIONS), start=1):
        part = names[start : start + _MENU_OPTIONS]
        placeholder = _("Options of {first} … {last}").format(
            first=f"/{command_name(part[0])}", last=f"/{command_name(part[-1])}"
        )[:_MAX_OPTION]
        commands = [_command_option(name, contents.commands[name]) for name in part]
        menus.append(_menu(number, placeholder, commands))
    row = len(menus)
    pages = [("◀", page - 1), ("▶", page + 1)]
    buttons = [
        button(label, custom_id(subject, neighbour), row=row)
        for label, neighbour in pages
        if 0 <= neighbour < page_count
    ]
    return stateless_view([*menus, *buttons])


def _menu(
    row: int, placeholder: str, options: list[discord.SelectOption]
) -> discord.ui.Select[discord.ui.View]:
    return discord.ui.Select(
        custom_id=custom_id(MENU, row), placeholder=placeholder, options=options, row=row
    )


def _command_option(
    name: str, command: app_commands.Command[Any, ..., Any]
) -> discord.SelectOption:
    text = _describe(command.description)[:_MAX_OPTION]
    return discord.SelectOption(
        label=f"/{command_name(name)}"[:_MAX_OPTION], value=f"/{name}", description=text
    )
