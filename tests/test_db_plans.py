"""What is stored of plans beside the jobs: lineage, inputs and artifacts."""

import json
import sqlite3
from pathlib import Path

import pytest

from bot.db.database import Database
from bot.db.file_deletions import FileDeletion, FileKind
from bot.db.lineage import Kinship
from bot.domain.artifact import Artifact
from bot.domain.job import Status
from bot.domain.job_input import InputRole, PlanInput
from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.plan import Edge, Relation
from bot.errors import Refused
from engine.contract import ArtifactRole
from tests.samples import job, recipe
from tests.stored_jobs import delivered_job
from tests.test_db_file_deletions import process_files

FILM = Artifact(
    job_id="j1",
    nth=1,
    role=ArtifactRole.FILM,
    media_type="video/mp4",
    sha256="c" * 64,
    path="pictures/j1/1.film.mp4",
)


def entry(job_id: str) -> AuditEntry:
    """A moderator removes the pictures of this job."""
    return AuditEntry(
        created_at=300.0,
        guild_id=5,
        channel_id=10,
        actor_id=9,
        action=AuditAction.REMOVED,
        job_id=job_id,
        detail="",
    )


async def test_edges_are_stored_with_their_job(db: Database) -> None:
    """They can be followed in both directions; down only to painted pictures."""
    await delivered_job(db, "j0")
    edges = (Edge(1, "j0-1", Relation.VARIATION), Edge(12, "j0-1", Relation.FORK))
    await db.jobs.add(job("j1", recipes=(recipe(),) * 12), edges=edges)
    assert await db.lineage.edges("j1") == edges
    assert await db.lineage.parents("j1-12") == [Kinship("j1-12", "j0-1", Relation.FORK)]
    assert await db.lineage.painted_children("j0-1") == []
    await delivered_job(db, "j2", edges=edges[:1])
    assert [item.child for item in await db.lineage.painted_children("j0-1")] == ["j2-1"]


async def test_a_removed_parent_is_refused_when_the_job_is_stored(db: Database) -> None:
    """Moderators may have removed it since the request was planned. Nothing is stored."""
    await delivered_job(db, "j0")
    await db.reports.remove("j0", entry("j0"))
    with pytest.raises(Refused, match="Moderators removed this"):
        await db.jobs.add(job("j1"), edges=[Edge(1, "j0-1", Relation.VARIATION)])
    assert await db.jobs.job("j1") is None


async def test_an_erased_parent_is_refused_when_the_job_is_stored(db: Database) -> None:
    """Its user may have deleted it since the request was planned."""
    await delivered_job(db, "j0")
    await db.erasure.erase_user(1, now=300.0)
    with pytest.raises(Refused, match=r"another picture\. This was deleted at its author"):
        await db.jobs.add(job("j1"), edges=[Edge(1, "j0-1", Relation.VARIATION)])


async def test_erasing_a_job_leaves_what_others_made_of_it(db: Database) -> None:
    """Its own edges are deleted; those of other users' jobs stay with them."""
    await delivered_job(db, "j0", user_id=2)
    await delivered_job(db, "j1", edges=[Edge(1, "j0-1", Relation.VARIATION)])
    await delivered_job(db, "j2", user_id=2, edges=[Edge(1, "j1-1", Relation.UPSCALE)])
    await db.erasure.erase_user(1, now=300.0)
    assert await db.lineage.edges("j1") == ()
    assert await db.lineage.edges("j2") == (Edge(1, "j1-1", Relation.UPSCALE),)
    assert await db.jobs.pictures("j2")


async def test_moderators_learn_of_everything_that_was_made_of_a_picture(db: Database) -> None:
    """Also of what was made of that, but not of rerolls, which are other pictures."""
    await delivered_job(db, "j1")
    await delivered_job(db, "j11")
    for child, parent, relation in (
        ("j2", "j1-12", Relation.VARIATION),
        ("j3", "j2-1", Relation.UPSCALE),
        ("j4", "j1-1", Relation.REROLL),
        ("j5", "j11-1", Relation.FORK),
    ):
        await delivered_job(db, child, edges=[Edge(1, parent, relation)])
    assert [item.id for item in await db.reports.variations("j1")] == ["j2", "j3"]


async def test_what_shows_a_picture_again_is_removed_with_it(db: Database) -> None:
    """Films, frames of its steps, enlargements, replays and what has parts of it, but nothing that
    looks different."""
    await delivered_job(db, "j0")
    for relation in Relation:
        await delivered_job(db, relation.value, edges=[Edge(1, "j0-1", relation)])
    await delivered_job(db, "film2", edges=[Edge(1, "upscale-1", Relation.FILM)])
    removed = await db.reports.remove("j0", entry("j0"))
    same = {"detail", "film", "film2", "replay", "steps", "upscale"}
    assert set(removed) == {"j0", *same, "sketch", "edit", "region", "zoom", "pan"}


async def test_unfinished_jobs_of_removed_pictures_are_found(db: Database) -> None:
    """Whatever they make of it."""
    await delivered_job(db, "j0")
    for name, relation in (("j1", Relation.FILM), ("j2", Relation.REROLL)):
        await db.jobs.add(job(name), edges=[Edge(1, "j0-1", relation)])
    await db.jobs.add(job("j3"))
    assert await db.reports.unfinished_variations_of_removed() == []
    await db.reports.remove("j0", entry("j0"))
    cancelled = await db.reports.unfinished_variations_of_removed()
    assert [item.id for item in cancelled] == ["j1", "j2"]


async def test_inputs_keep_their_address_until_they_are_fetched(db: Database) -> None:
    """Then they have the digest of the stored file."""
    first = PlanInput(role=InputRole.SKETCH, url="https://a/1", keep_size=True)
    second = PlanInput(role=InputRole.LIKE, nth=2, url="https://a/2")
    await db.jobs.add(job(), inputs=[first, second])
    assert await db.job_inputs.pending("j1") == [first, second]
    await db.jobs.mark_queued("j1", (recipe(),), ["a" * 64, "b" * 64])
    assert await db.job_inputs.pending("j1") == []
    stored = await db.jobs._connection.fetch_all("SELECT url, sha256 FROM job_inputs ORDER BY nth")
    assert [tuple(row) for row in stored] == [(None, "a" * 64), (None, "b" * 64)]
    await db.jobs.finish_without_pictures("j1", Status.FAILED, 2.0, reason="No.")
    await db.erasure.erase_user(1, now=300.0)
    assert await db.jobs._connection.fetch_all("SELECT 1 FROM job_inputs") == []


async def running_job(db: Database, name: str = "j1") -> None:
    """A job in its first attempt."""
    await db.jobs.add(job(name))
    await db.jobs.mark_queued(name, job(name).recipes)
    await db.jobs.claim(name, now=1.0)


async def test_artifacts_belong_to_the_running_attempt(db: Database) -> None:
    """One of the same role is replaced."""
    await running_job(db)
    assert not await db.artifacts.add(FILM, attempt=2)
    assert await db.artifacts.add(FILM, attempt=1)
    assert await db.artifacts.add(FILM, attempt=1)
    assert await db.artifacts.of_job("j1") == [FILM]
    assert await db.artifacts.find("j1", 1, ArtifactRole.FILM) == FILM
    assert await db.artifacts.find("j1", 2, ArtifactRole.FILM) is None


async def test_artifacts_are_erased_with_their_job(db: Database) -> None:
    """Their files lie in the folder of its pictures."""
    await running_job(db)
    await db.artifacts.add(FILM, attempt=1)
    await db.jobs.complete("j1", 1, [], 2.0)
    await db.erasure.erase_user(1, now=300.0)
    assert await db.artifacts.of_job("j1") == []
    assert await process_files(db) == (["j1"], 0)


async def test_artifacts_are_removed_with_the_pictures(db: Database) -> None:
    """As long as one is stored, its folder is needed."""
    await running_job(db)
    await db.artifacts.add(FILM, attempt=1)
    await db.jobs.complete("j1", 1, [], 2.0)
    await db.file_deletions.mark(FileDeletion(FileKind.PICTURES, "j1"))
    assert await process_files(db) == ([], 0)
    await db.reports.remove("j1", entry("j1"))
    assert [item.is_removed for item in await db.artifacts.of_job("j1")] == [True]
    assert await process_files(db) == (["j1"], 0)


async def test_the_recipes_inside_of_enlargements_are_erased(db: Database, tmp_path: Path) -> None:
    """Also if an enlargement was enlarged again."""
    await delivered_job(db, "j1")
    recipe_json = (
        '{"prompt": "a secret", "negative": "more", "seed": 4711, "changes": ["a secret"]}'
    )
    once = f'{{"picture": {recipe_json}, "image": "4711", "scale": 2}}'
    twice = f'{{"picture": {once}, "image": "4711", "scale": 2}}'
    connection = sqlite3.connect(tmp_path / "imagine.db")
    with connection:
        connection.execute("UPDATE jobs SET recipes = ?", (f"[{once}, {twice}]",))
    await db.erasure.erase_user(1, now=300.0)
    [(recipes,)] = connection.execute("SELECT recipes FROM jobs")
    connection.close()
    assert "secret" not in recipes and "4711" not in recipes and "more" not in recipes
    blank = {"prompt": "(deleted)", "negative": "", "seed": 0}
    assert [item["picture"] for item in json.loads(recipes)] == [blank, blank]
