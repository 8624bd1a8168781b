"""Styles and wildcards of guilds; each change has its audit entry."""

import sqlite3
from collections.abc import Iterable
from typing import ClassVar, Final

import msgspec

from bot.db import rows
from bot.db.audit_log import append, decision
from bot.db.store import Store
from bot.domain.moderation import AuditAction
from bot.domain.presets import Change, Own, Preset, PresetKey, PresetKind
from bot.domain.styles import Style
from bot.domain.wildcards import Wildcard

_QUERY: Final = "SELECT kind, name, value FROM presets WHERE guild = ?"
_TYPES: Final = {PresetKind.STYLE: Style, PresetKind.WILDCARD: Wildcard}


class PresetStore(Store):
    """Writes the table `presets`: a row for each preset that is not the built-in one."""

    retained_tables: ClassVar = {"presets": "settings of the guild, not data of a user"}

    async def own(self, guild_id: int) -> Own:
        """What this guild has chosen."""
        return _from_rows(await self._connection.fetch_all(_QUERY, guild_id))

    async def change(self, guild_id: int, change: Change, *, actor_id: int, now: float) -> Own:
        """What the guild has chosen after a change.

        If it differs from before, it is stored with an audit entry. Raises Refused as `change`
        does.
        """
        async with self._connection.transaction() as db:
            before = _from_rows(await db.execute_fetchall(_QUERY, (guild_id,)))
            key, preset, is_chosen, detail = change(before)
            own = {own_key: value for own_key, value in before.items() if own_key != key}
            if is_chosen:
                own[key] = preset
            if own == before:
                return before
            await db.execute(
                "DELETE FROM presets WHERE guild = ? AND kind = ? AND name = ?",
                (guild_id, key.kind.value, key.name),
            )
            if is_chosen:
                await db.execute(
                    "INSERT INTO presets (guild, kind, name, value) VALUES (?, ?, ?, ?)",
                    (guild_id, key.kind.value, key.name, _to_value(preset)),
                )
            entry = decision(AuditAction.SET, guild_id, detail, actor_id=actor_id, now=now)
            await append(db, entry)
        return own


def _to_value(preset: Preset | None) -> str | None:
    return None if preset is None else rows.json(preset)


def _from_rows(stored: Iterable[sqlite3.Row]) -> Own:
    """Kinds that this version of the bot does not know are ignored."""
    own: dict[PresetKey, Preset | None] = {}
    for row in stored:
        if row["kind"] in list(PresetKind):
            kind, value = PresetKind(row["kind"]), row["value"]
            preset = None if value is None else msgspec.json.decode(value, type=_TYPES[kind])
            own[PresetKey(kind, row["name"])] = preset
    return own
