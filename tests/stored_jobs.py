"""Jobs in the database, for tests of the stores."""

from collections.abc import Sequence

from bot.db.database import Database
from bot.domain.job import Job
from bot.domain.plan import Edge
from tests.samples import job, picture


async def delivered_job(
    db: Database, name: str, *, at: float = 200.0, edges: Sequence[Edge] = (), **changes: object
) -> Job:
    """A job that was completed and delivered at this time."""
    new = job(name, **changes)
    await db.jobs.add(new, edges=edges)
    await db.jobs.mark_queued(name, new.recipes)
    await db.jobs.claim(name, now=at)
    await db.jobs.complete(name, 1, [picture(name, recipe=new.recipes[0])], at)
    await db.jobs.set_message(name, hash(name) % 2**40)
    await db.jobs.mark_delivered(name, now=at)
    return new


async def stored_job(db: Database, name: str) -> Job:
    """The job as stored in the database."""
    stored = await db.jobs.job(name)
    assert stored is not None
    return stored
