"""The rules of a guild, and how moderators and managers change them; pure.

What a guild, a channel or a user prefers is in `preferences`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from bot.domain.limits import RoleLimit, merge, summary
from bot.domain.nsfw import NsfwPolicy, NsfwSettings
from bot.i18n import N_


class GuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one guild. Each field is stored as JSON under its name."""

    nsfw: NsfwSettings = NsfwSettings()
    """How flagged pictures are shown in age-restricted channels."""
    role_limits: tuple[RoleLimit, ...] = ()
    """By role id."""
    mod_channel_id: int | None = None
    """The channel that reports are posted to."""


NO_SETTINGS: Final = GuildSettings()
"""Those of a guild that has chosen nothing."""


class Changed(NamedTuple):
    """Settings after a change, and the audit entry's description of it."""

    settings: GuildSettings
    detail: str
    channel_id: int | None = None
    """The channel that it is about."""


Change = Callable[[GuildSettings], Changed]
"""Raises Refused, with a sentence for the user."""


def set_nsfw_policy(channel_id: int | None, policy: NsfwPolicy) -> Change:
    """Of one channel, or of all that have no policy of their own."""

    def change(settings: GuildSettings) -> Changed:
        if channel_id is None:
            nsfw = msgspec.structs.replace(settings.nsfw, guild=policy)
        else:
            channels = {**settings.nsfw.channels, channel_id: policy}
            nsfw = msgspec.structs.replace(settings.nsfw, channels=channels)
        detail = N_("flagged pictures: {policy}").format(policy=policy)
        return Changed(msgspec.structs.replace(settings, nsfw=nsfw), detail, channel_id)

    return change


def change_role_limit(changes: RoleLimit) -> Change:
    """Those limits of a role that are not None."""

    def change(settings: GuildSettings) -> Changed:
        limit = merge(role_limit(settings, changes.role_id), changes)
        others = _without_role(settings, limit.role_id)
        limits = tuple(sorted((*others, limit), key=lambda each: each.role_id))
        detail = f"<@&{limit.role_id}>: {summary(limit)}"
        return Changed(msgspec.structs.replace(settings, role_limits=limits), detail)

    return change


def remove_role_limit(role_id: int) -> Change:
    """All limits of a role."""

    def change(settings: GuildSettings) -> Changed:
        limits = _without_role(settings, role_id)
        detail = N_("<@&{role_id}>: no limits of its own").format(role_id=role_id)
        return Changed(msgspec.structs.replace(settings, role_limits=limits), detail)

    return change


def set_mod_channel(channel_id: int | None) -> Change:
    """The channel that reports are posted to; None for none."""

    def change(settings: GuildSettings) -> Changed:
        detail = N_("no channel for reports")
        if channel_id is not None:
            detail = N_("reports go to <#{channel_id}>").format(channel_id=channel_id)
        return Changed(msgspec.structs.replace(settings, mod_channel_id=channel_id), detail)

    return change


def role_limit(settings: GuildSettings, role_id: int) -> RoleLimit:
    """The limits of this role."""
    limits = (limit for limit in settings.role_limits if limit.role_id == role_id)
    return next(limits, RoleLimit(role_id=role_id))


def _without_role(settings: GuildSettings, role_id: int) -> tuple[RoleLimit, ...]:
    return tuple(limit for limit in settings.role_limits if limit.role_id != role_id)
