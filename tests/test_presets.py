"""Styles and wildcards of guilds: built-in ones, those of managers, and how they are stored."""

from pathlib import Path

import pytest

from bot.db.database import Database
from bot.domain import presets, wildcards
from bot.domain.built_in_presets import STYLES, WILDCARDS
from bot.domain.moderation import AuditAction
from bot.domain.presets import BUILT_IN, MAX_OWN, Change, PresetKey, PresetKind, Presets
from bot.domain.styles import Style
from bot.domain.wildcards import Wildcard
from bot.errors import Refused
from bot.services.presets import PresetService
from tests.bot_harness import query

INK = PresetKey(PresetKind.STYLE, "ink")
NEON = PresetKey(PresetKind.STYLE, "neon")
PETS = PresetKey(PresetKind.WILDCARD, "pets")
STYLE = Style(prompt="black ink", steps=20)


@pytest.fixture
def service(db: Database) -> PresetService:
    """Presets of a database in which it is always the fifth second."""
    return PresetService(db.presets, lambda: 5.0)


async def change(service: PresetService, change: Change, guild_id: int = 1) -> Presets:
    """The presets of the guild after admin 9 changed them."""
    return await service.change(guild_id, change, actor_id=9)


async def test_a_guild_has_the_built_in_presets(service: PresetService) -> None:
    """Direct messages too."""
    for guild_id in (None, 1):
        assert (await service.of(guild_id)).styles == STYLES
        assert (await service.of(guild_id)).wildcards == WILDCARDS


async def test_an_added_preset_is_kept(service: PresetService, db: Database) -> None:
    """With an audit entry, and in this guild alone."""
    await change(service, presets.add(INK, STYLE))
    changed = await change(service, presets.add(PETS, Wildcard(("cat", "dog"))))
    assert changed.styles["ink"] == STYLE and list(changed.styles) == sorted([*STYLES, "ink"])
    assert changed.entries["pets"] == ("cat", "dog")
    assert await service.of(2) == BUILT_IN
    assert await PresetService(db.presets, lambda: 6.0).of(1) == changed
    pets, ink = await db.audit_log.page(1, 1, 10)
    assert (ink.actor_id, ink.action, ink.created_at) == (9, AuditAction.SET, 5.0)
    assert ink.detail == "style ink: added, 20 steps"
    assert pets.detail == "wildcard pets: added, 2 entries"


async def test_presets_are_read_once(service: PresetService, db: Database) -> None:
    """Suggestions wait for no disk."""
    await change(service, presets.add(INK, STYLE))
    first = await service.of(1)
    await db._connection.execute("DELETE FROM presets", {})
    assert await service.of(1) is first


async def test_a_built_in_preset_is_changed_removed_and_reset(
    service: PresetService, tmp_path: Path
) -> None:
    """Only what differs from the built-in one is stored."""
    changed = await change(service, presets.replace(NEON, lambda _: STYLE))
    assert changed.styles["neon"] == STYLE and changed.changed(PresetKind.STYLE) == ["neon"]
    removed = await change(service, presets.remove(NEON))
    assert "neon" not in removed.styles and removed.removed(PresetKind.STYLE) == ["neon"]
    with pytest.raises(Refused, match="no style “neon”"):
        await change(service, presets.remove(NEON))
    assert (await change(service, presets.reset(NEON))).styles == STYLES
    assert query(tmp_path, "SELECT * FROM presets") == []
    assert (await change(service, presets.add(INK, STYLE))).changed(PresetKind.STYLE) == []
    assert (await change(service, presets.remove(INK))).styles == STYLES
    assert query(tmp_path, "SELECT * FROM presets") == []


async def test_a_change_to_the_same_has_no_entry(service: PresetService, db: Database) -> None:
    """Nothing was decided."""
    await change(service, presets.reset(NEON))
    assert await db.audit_log.page(1, 1, 10) == []


async def test_names_are_unique(service: PresetService) -> None:
    """A removed built-in one can be added in other words."""
    with pytest.raises(Refused, match="There is a style “neon” already; change it instead"):
        await change(service, presets.add(NEON, STYLE))
    await change(service, presets.remove(NEON))
    assert (await change(service, presets.add(NEON, STYLE))).styles["neon"] == STYLE
    with pytest.raises(Refused, match=r"no style “inc”\. Did you mean ink"):
        await change(service, presets.add(INK, STYLE))
        await change(service, presets.remove(PresetKey(PresetKind.STYLE, "inc")))
    with pytest.raises(Refused, match="no built-in style “ink”"):
        await change(service, presets.reset(INK))


async def test_a_guild_has_only_so_many_presets(service: PresetService) -> None:
    """Of each kind; a changed built-in one counts too."""
    for nth in range(MAX_OWN):
        key = PresetKey(PresetKind.STYLE, f"ink-{nth}")
        await change(service, presets.add(key, STYLE))
    for refused in (presets.add(INK, STYLE), presets.replace(NEON, lambda _: STYLE)):
        with pytest.raises(Refused, match=f"at most {MAX_OWN} styles of its own"):
            await change(service, refused)
    assert "pets" in (await change(service, presets.add(PETS, Wildcard(("cat",))))).wildcards
    assert "neon" not in (await change(service, presets.remove(NEON))).styles


@pytest.mark.parametrize("name", ["", "a b,c", "@everyone", "x" * 31, "**", "a\u202eb"])
def test_impossible_names_are_refused(name: str) -> None:
    """The sentence has the rule."""
    with pytest.raises(Refused, match="has letters and digits, with hyphens between them"):
        presets.key_of(PresetKind.STYLE, name)


def test_names_have_one_form() -> None:
    """However they are typed."""
    assert presets.key_of(PresetKind.WILDCARD, " Hair Colors") == (
        PresetKind.WILDCARD,
        "hair-colors",
    )


def test_entries_are_read_from_a_text() -> None:
    """Each once; line breaks separate too."""
    assert wildcards.read("cat, dog ,,cat\nred  fox").entries == ("cat", "dog", "red fox")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" , ", "has 1 to 200 entries, with commas between them; this one has 0"),
        (",".join(map(str, range(201))), "this one has 201"),
        ("x" * 101, "at most 100 characters; “xxxxxxxxxxxxxxxxxxxx…” has 101"),
        ("cat, __animals__", "“__animals__” has"),
        ("{red|blue} cat", "no groups and wildcards of its own"),
    ],
)
def test_impossible_wildcards_are_refused(text: str, sentence: str) -> None:
    """In one sentence."""
    with pytest.raises(Refused, match=sentence):
        wildcards.read(text)


async def test_kinds_of_other_versions_are_ignored(db: Database) -> None:
    """So an older bot still starts."""
    await db._connection.execute("INSERT INTO presets VALUES (1, 'mood', 'x', '5')", {})
    assert await db.presets.own(1) == {}
