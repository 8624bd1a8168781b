"""Rows of the record as jobs and pictures, and back; pure."""

import hashlib
import sqlite3
from typing import Final

import msgspec

from bot.db.tables import Value
from bot.domain.job import Address, Erasure, Job, Kind, Passage, Sketch, Status
from bot.domain.picture import Picture
from engine.contract import Recipe, Sampler, Verdict

RECIPE_COLUMNS: Final = {
    "model": "model",
    "revision": "revision",
    "prompt": "prompt",
    "negative": "negative",
    "seed": "seed",
    "subseed": "subseed",
    "subseed_strength": "subseed_strength",
    "steps": "steps",
    "guidance": "guidance",
    "sampler": "sampler",
    "width": "width",
    "height": "height",
    "source": "source",
    "strength": "strength",
    "adapters": "adapters",
    "row_class": "row_class",
}
"""The column of `pictures` for each field of a recipe."""
_RECIPES = msgspec.json.Decoder(tuple[Recipe, ...])
_PARENTS = msgspec.json.Decoder(tuple[str, ...])
_SKETCH = msgspec.json.Decoder(Sketch)
_VERDICTS = msgspec.json.Decoder(tuple[Verdict, ...])


def json(value: object) -> str:
    """The value as it stands in a column."""
    return msgspec.json.encode(value).decode()


def spent(request: str) -> str:
    """What is kept for a day of a request whose job was deleted: enough to know it again."""
    return f"erased:{hashlib.sha256(request.encode()).hexdigest()}"


def from_job(job: Job) -> dict[str, Value]:
    """The columns of a new job."""
    return {
        "id": job.id,
        "request": job.request,
        "kind": job.kind.value,
        "status": job.status.value,
        "person": job.person,
        "channel": job.address.channel,
        "guild": job.address.guild,
        "message": job.address.message,
        "application": job.address.application,
        "token": job.address.token,
        "reply_to": job.address.reply_to,
        "recipes": json(job.recipes),
        "parents": json(job.parents),
        "sketch": json(job.sketch) if job.sketch else None,
        "reveal": int(job.reveal),
        "created_at": job.created_at,
        "seats": job.seats,
    }


def to_job(row: sqlite3.Row) -> Job:
    """The job in this row."""
    return Job(
        id=row["id"],
        request=row["request"],
        kind=Kind(row["kind"]),
        status=Status(row["status"]),
        person=row["person"],
        address=Address(
            channel=row["channel"],
            guild=row["guild"],
            message=row["message"],
            application=row["application"],
            token=row["token"],
            reply_to=row["reply_to"],
        ),
        recipes=_RECIPES.decode(row["recipes"]),
        parents=_PARENTS.decode(row["parents"]),
        sketch=_SKETCH.decode(row["sketch"]) if row["sketch"] else None,
        reveal=bool(row["reveal"]),
        attempt=row["attempt"],
        crashes=row["crashes"],
        reason=row["reason"],
        created_at=row["created_at"],
        erased=Erasure(row["erased"]) if row["erased"] else None,
        seats=row["seats"],
    )


def to_passage(row: sqlite3.Row) -> Passage:
    """Of the job in this row, which has ended."""
    return Passage(
        job=row["id"],
        status=Status(row["status"]),
        pictures=len(_RECIPES.decode(row["recipes"])),
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        delivered_at=row["delivered_at"],
    )


def from_picture(picture: Picture) -> dict[str, Value]:
    """The columns of a new picture: each value of its recipe has its own."""
    columns: dict[str, Value] = {
        "id": picture.id,
        "job": picture.job,
        "nth": picture.nth,
        "sha256": picture.sha256,
        "path": picture.path,
        "blocked": int(picture.blocked),
        "restricted": int(picture.restricted),
        "verdicts": json(picture.verdicts),
        "failed": picture.failed,
        "fingerprint": picture.fingerprint,
    }
    recipe = {column: getattr(picture.recipe, name) for name, column in RECIPE_COLUMNS.items()}
    recipe[RECIPE_COLUMNS["adapters"]] = json(picture.recipe.adapters)
    recipe[RECIPE_COLUMNS["sampler"]] = picture.recipe.sampler.value
    return columns | recipe


def to_picture(row: sqlite3.Row) -> Picture:
    """The picture in this row."""
    recipe = {name: row[column] for name, column in RECIPE_COLUMNS.items()}
    recipe["adapters"] = msgspec.json.decode(row["adapters"], type=tuple[str, ...])
    recipe["sampler"] = Sampler(row["sampler"])
    return Picture(
        id=row["id"],
        job=row["job"],
        nth=row["nth"],
        recipe=Recipe(**recipe),
        sha256=row["sha256"],
        path=row["path"],
        blocked=bool(row["blocked"]),
        restricted=bool(row["restricted"]),
        verdicts=_VERDICTS.decode(row["verdicts"]),
        failed=row["failed"],
        removed=row["removed_at"] is not None,
        fingerprint=row["fingerprint"],
    )
