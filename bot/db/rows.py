"""Convert rows to jobs and pictures, and back; pure."""

import sqlite3
from functools import lru_cache
from typing import Final

import msgspec

from bot.db.tables import Value
from bot.domain.job import DeletionReason, Job, JobTimings, ResponseTarget, Status
from bot.domain.kinds import kind_named
from bot.domain.picture import Picture
from bot.domain.plan import PlanDetails
from engine.contract import Omission, Verdict, Work, sha256

JOBS: Final = (
    "SELECT jobs.*, result.* FROM jobs LEFT JOIN ("
    "SELECT job AS result_job, channel AS result_channel, guild AS result_guild, "
    "message AS result_message, application AS result_application, token AS result_token, "
    "reply_to AS result_reply_to FROM deliveries WHERE kind = 'result'"
    ") AS result ON result_job = jobs.id"
)
"""In SQL: all jobs, as `to_job` reads them, with the targets of their results; a job that was
erased after its delivery has none."""
_REACTION_PARTS: Final = 4
"""The idempotency key of a reaction has the ids of its message and user, and its emoji."""
_RECIPE: Final[msgspec.json.Decoder[Work]] = msgspec.json.Decoder(Work)
_RECIPES: Final[msgspec.json.Decoder[tuple[Work, ...]]] = msgspec.json.Decoder(tuple[Work, ...])
_PLAN = msgspec.json.Decoder(PlanDetails)
_VERDICTS = msgspec.json.Decoder(tuple[Verdict, ...])
_OMISSION = msgspec.json.Decoder(Omission)


def json(value: object) -> str:
    """The value as JSON, as columns store it."""
    return msgspec.json.encode(value).decode()


def deleted_request_digest(idempotency_key: str) -> str:
    """What replaces the idempotency key of an erased job for a day, to recognise a repetition.

    That of a reaction begins with what `deleted_request_prefix` returns, and ends as the key does.
    """
    parts = idempotency_key.split(":")
    digest = sha256(idempotency_key.encode())
    if len(parts) != _REACTION_PARTS:
        return f"erased:{digest}"
    prefix = deleted_request_prefix(f"{parts[0]}:{parts[1]}:")
    return f"{prefix}{digest}:{parts[-1]}"


def deleted_request_prefix(prefix: str) -> str:
    """The beginning of all digests of reactions to a message, whose keys begin with `prefix`."""
    return f"erased:{sha256(prefix.encode())}:"


def from_job(job: Job) -> dict[str, Value]:
    """The columns of a new job; the rest of its target belongs to the delivery of its result."""
    return {
        "id": job.id,
        "request": job.idempotency_key,
        "kind": job.kind.name,
        "status": job.status.value,
        "person": job.user_id,
        "channel": job.target.channel_id,
        "guild": job.target.guild_id,
        "recipes": json(job.recipes),
        "plan": json(job.plan),
        "reveal": int(job.include_flagged),
        "created_at": job.created_at,
        "seats": job.max_concurrent,
    }


@lru_cache(maxsize=256)
def _recipes(text: str) -> tuple[Work, ...]:
    """Cached, because all queued jobs are read whenever one may start."""
    return _RECIPES.decode(text)


@lru_cache(maxsize=1024)
def _recipe(text: str) -> Work:
    return _RECIPE.decode(text)


@lru_cache(maxsize=256)
def _plan(text: str) -> PlanDetails:
    return _PLAN.decode(text)


def to_job(row: sqlite3.Row) -> Job:
    """The job in this row of JOBS."""
    return Job(
        id=row["id"],
        idempotency_key=row["request"],
        kind=kind_named(row["kind"]),
        status=Status(row["status"]),
        user_id=row["person"],
        target=ResponseTarget(
            channel_id=row["result_channel"] or 0,
            guild_id=row["result_guild"],
            message_id=row["result_message"],
            application_id=row["result_application"],
            token=row["result_token"],
            reply_to_id=row["result_reply_to"],
        ),
        recipes=_recipes(row["recipes"]),
        plan=_plan(row["plan"]),
        include_flagged=bool(row["reveal"]),
        attempt=row["attempt"],
        crashes=row["crashes"],
        failure_reason=row["reason"],
        created_at=row["created_at"],
        deletion_reason=DeletionReason(row["erased"]) if row["erased"] else None,
        max_concurrent=row["seats"],
    )


def to_timings(row: sqlite3.Row) -> JobTimings:
    """The timings of the ended job in this row."""
    return JobTimings(
        job_id=row["id"],
        status=Status(row["status"]),
        picture_count=len(_recipes(row["recipes"])),
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        delivered_at=row["delivered_at"],
    )


def from_picture(picture: Picture) -> dict[str, Value]:
    """The columns of a new picture."""
    columns: dict[str, Value] = {
        "id": picture.id,
        "job": picture.job_id,
        "nth": picture.nth,
        "recipe": json(picture.recipe),
        "sha256": picture.sha256,
        "file_sha256": picture.file_sha256,
        "path": picture.path,
        "blocked": int(picture.is_withheld),
        "restricted": int(picture.is_flagged_but_kept),
        "verdicts": json(picture.verdicts),
        "failed": picture.failure_reason,
        "omission": None if picture.omission is None else json(picture.omission),
        "fingerprint": picture.fingerprint,
    }
    return columns | _settings(picture.recipe)


def _settings(recipe: Work) -> dict[str, Value]:
    """The main settings of a recipe in columns of their own, for queries."""
    last = recipe.subseeds[-1] if recipe.subseeds else None
    return {
        "model": recipe.model,
        "revision": recipe.revision,
        "prompt": recipe.prompt,
        "negative": recipe.negative,
        "seed": recipe.seed,
        "subseed": last.seed if last else 0,
        "subseed_strength": last.share if last else 0.0,
        "steps": recipe.steps,
        "guidance": recipe.guidance,
        "sampler": recipe.sampler.value,
        "width": recipe.width,
        "height": recipe.height,
        "strength": recipe.strength,
        "row_class": recipe.row_class,
    }


def to_picture(row: sqlite3.Row) -> Picture:
    """The picture in this row."""
    return Picture(
        id=row["id"],
        job_id=row["job"],
        nth=row["nth"],
        recipe=_recipe(row["recipe"]),
        sha256=row["sha256"],
        file_sha256=row["file_sha256"],
        path=row["path"],
        is_withheld=bool(row["blocked"]),
        is_flagged_but_kept=bool(row["restricted"]),
        verdicts=_VERDICTS.decode(row["verdicts"]),
        failure_reason=row["failed"],
        is_removed=row["removed_at"] is not None,
        omission=None if row["omission"] is None else _OMISSION.decode(row["omission"]),
        fingerprint=row["fingerprint"],
        differs_on=row["differs_on"],
    )
