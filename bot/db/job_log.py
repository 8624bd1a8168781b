"""The fields of log events about jobs; pure."""

from bot.domain.job import Job, JobTimings


def job_fields(job: Job) -> dict[str, object]:
    """Of a new job."""
    first = job.recipes[0]
    return {
        "job": job.id,
        "kind": job.kind.name,
        "pictures": len(job.recipes),
        "prompt": first.prompt,
        "negative": first.negative,
    }


def timing_fields(timings: JobTimings) -> dict[str, object]:
    """Of a job that has ended or was delivered."""
    seconds = {
        "waited": timings.queue_seconds,
        "painted": timings.run_seconds,
        "shown": timings.delivery_seconds,
    }
    rounded = {name: round(value, 3) for name, value in seconds.items() if value is not None}
    return {"job": timings.job_id, "ending": timings.status.value, **rounded}
