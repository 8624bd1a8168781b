"""Select menus of messages and modals: the values that a user can choose."""

from collections.abc import Iterable, Sequence

from bot.playground.client.options import NamedObject
from bot.playground.client.resolved_data import ResolvedDataBuilder
from bot.playground.errors import InvalidOption, Json
from bot.playground.model.enums import ApplicationCommandOptionType, ComponentType

ENTITY_SELECTS: dict[int, ApplicationCommandOptionType] = {
    ComponentType.USER_SELECT: ApplicationCommandOptionType.USER,
    ComponentType.ROLE_SELECT: ApplicationCommandOptionType.ROLE,
    ComponentType.MENTIONABLE_SELECT: ApplicationCommandOptionType.MENTIONABLE,
    ComponentType.CHANNEL_SELECT: ApplicationCommandOptionType.CHANNEL,
}
"""The option type that offers the same users, channels and roles, by component type."""
SelectValue = str | int | NamedObject


def selected_values(
    select: Json, choices: Sequence[SelectValue], builder: ResolvedDataBuilder, *, subject: str
) -> list[str]:
    """Return the values of a submission; users, channels and roles become ids.

    Raise InvalidOption, about the `subject`, for choices that the menu does not offer.
    """
    minimum, maximum = select.get("min_values", 1), select.get("max_values") or 1
    if not minimum <= len(choices) <= maximum:
        raise InvalidOption(f"{subject} takes {minimum} to {maximum} choices.")
    if select["type"] in ENTITY_SELECTS:
        option = {**select, "type": ENTITY_SELECTS[select["type"]]}
        values = [builder.candidate_id(option, choice, subject=subject) for choice in choices]
    else:
        values = _option_values(select, choices, subject)
    if len(set(values)) < len(values):
        raise InvalidOption(f"{subject} takes each choice once.")
    return values


def _option_values(select: Json, choices: Sequence[SelectValue], subject: str) -> list[str]:
    offered = {option["value"] for option in select.get("options") or []}
    values = [choice for choice in choices if isinstance(choice, str) and choice in offered]
    if len(values) < len(choices):
        raise InvalidOption(f"{subject} takes one of: {', '.join(sorted(offered))}.")
    return values


def default_choices(select: Json) -> list[SelectValue]:
    """Return what is chosen when a user does not touch the menu."""
    options = [o["value"] for o in select.get("options") or [] if o.get("default")]
    return options + [value["id"] for value in select.get("default_values") or []]


def resolved_select_data(selects: Iterable[Json], builder: ResolvedDataBuilder) -> Json:
    """Return the `resolved` object for submitted menus with their `type` and `values`."""
    return builder.resolved_data(
        {"type": ENTITY_SELECTS[select["type"]], "value": value}
        for select in selects
        if select["type"] in ENTITY_SELECTS
        for value in select["values"]
    )
