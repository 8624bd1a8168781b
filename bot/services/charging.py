"""What the work of a job is charged with."""

from collections.abc import Sequence

from bot.db.usage import UsageRecord
from bot.domain import cost_model
from bot.domain.job import Job
from engine.contract import Ending, Work


def usage_record(
    job: Job, works: Sequence[Work], ending: Ending, *, now: float, is_sample: bool
) -> UsageRecord:
    """What an attempt of a job, which has painted these works, has used.

    With `is_sample`, it says what such jobs cost, if all have one model and one size.
    """
    is_sample = is_sample and cost_model.is_sample(works)
    return UsageRecord(
        job_id=job.id,
        attempt=job.attempt,
        user_id=job.user_id,
        seconds=ending.engine_seconds,
        created_at=now,
        revision=works[0].revision,
        pixels=cost_model.pixels(works),
        work=cost_model.work(works) if is_sample else None,
    )
