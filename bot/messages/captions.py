"""A job in words; pure. Prompts are shown, never obeyed: no pings, markdown, links or previews."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import discord

from bot.domain.job import Job, JobKind, Progress, Status
from bot.domain.picture import Picture
from engine.contract import Recipe

_CONTENT_LIMIT: Final = 2000
_PROMPT_SHOWN: Final = 400
_NEGATIVE_SHOWN: Final = 200
_ONE: Final = 1
UPLOAD_REJECTED: Final = (
    "Discord did not take the pictures together. They are kept: press U1 to U4 to see each."
)


def escape(text: str, limit: int) -> str:
    """Somebody's words as they are, cut to so many characters."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    plain = " ".join(cut.split())
    plain = discord.utils.escape_markdown(plain, ignore_links=False)
    plain = discord.utils.escape_mentions(plain).replace("<", "\\<")
    return plain.replace("://", ":\u200b//")


def progress(job: Job, now: Progress) -> str:
    """The message while the job waits or is painted."""
    return f"{_headline(job)}\n{_stage(now)}"


def _stage(now: Progress) -> str:
    if now.engine_down:
        return "The engine is down and is being started again. Your place is kept."
    if now.percent is not None:
        return f"Painting… {now.percent} %"
    if now.jobs_ahead:
        return f"Waiting: {now.jobs_ahead} ahead of you"
    if now.jobs_ahead == 0:
        return "Next in line…"
    return "Starting…"


def ending(job: Job, pictures: Sequence[Picture]) -> str:
    """The message that stays."""
    if job.status is Status.DONE:
        return f"{_headline(job)}\n{_result(pictures)}"
    if job.status is Status.CANCELLED:
        return f"{_headline(job)}\nCancelled."
    return f"{_headline(job)}\n{job.failure_reason}"[:_CONTENT_LIMIT]


def _headline(job: Job) -> str:
    what = {JobKind.IMAGINE: "", JobKind.REROLL: "Again: ", JobKind.VARIATION: "Variations: "}[
        job.kind
    ]
    return f"{what}**{escape(job.recipes[0].prompt, _PROMPT_SHOWN)}** · <@{job.user_id}>"


def _result(pictures: Sequence[Picture]) -> str:
    recipes = [picture.recipe for picture in pictures]
    lines = [_settings(recipes[0]), _seeds(recipes)]
    if recipes[0].negative:
        lines.append(f"without {escape(recipes[0].negative, _NEGATIVE_SHOWN)}")
    absent = sorted((each for each in pictures if each.unavailable_reason), key=_absence)
    lines += [_absent(absence, list(alike)) for absence, alike in groupby(absent, _absence)]
    return "\n".join(lines)


def _absence(picture: Picture) -> str:
    return picture.unavailable_reason or ""


def _absent(absence: str, pictures: Sequence[Picture]) -> str:
    what = "Picture" if len(pictures) == _ONE else "Pictures"
    numbers = ", ".join(str(picture.nth) for picture in pictures)
    return f"{what} {numbers} {absence}. {pictures[0].failure_reason or ''}".rstrip()


def recipes(job: Job) -> str:
    """What a job was asked to paint, and by which numbers."""
    first = job.recipes[0]
    lines = [
        f"**{escape(first.prompt, _PROMPT_SHOWN)}**",
        _settings(first),
        _seeds(job.recipes),
        *([f"without {escape(first.negative, _NEGATIVE_SHOWN)}"] if first.negative else []),
    ]
    return "\n".join(lines)


def _settings(recipe: Recipe) -> str:
    parts = [
        f"{recipe.steps} steps",
        f"guidance {recipe.guidance:g}",
        f"{recipe.sampler}",
        f"{recipe.width}x{recipe.height}",
    ]
    if recipe.strength is not None:
        parts.append(f"over a sketch, strength {recipe.strength:g}")
    return " · ".join(parts)


def _seeds(recipes: Sequence[Recipe]) -> str:
    return "seeds " + " · ".join(f"`{_seed(recipe)}`" for recipe in recipes)


def _seed(recipe: Recipe) -> str:
    if recipe.subseed_strength == 0.0:
        return str(recipe.seed)
    return f"{recipe.seed} + {recipe.subseed_strength:g} of {recipe.subseed}"


def full_size(picture: Picture) -> str:
    """The words beside one picture at full size."""
    recipe = picture.recipe
    return (
        f"**{escape(recipe.prompt, _PROMPT_SHOWN)}** · picture {picture.nth}\n"
        f"seed `{_seed(recipe)}` · {_settings(recipe)}"
    )


def direct_message(pictures: Sequence[Picture]) -> str:
    """The words of a direct message with the pictures and their seeds."""
    first = pictures[0].recipe
    lines = [f"**{escape(first.prompt, _PROMPT_SHOWN)}**", _settings(first)]
    for picture in pictures:
        held = f" ({picture.unavailable_reason})" if picture.unavailable_reason else ""
        lines.append(f"{picture.nth}: seed `{_seed(picture.recipe)}`{held}")
    return "\n".join(lines)


def alt_text(pictures: Sequence[Picture]) -> str:
    """What a picture shows, for those who do not see it."""
    prompt = pictures[0].recipe.prompt
    many = f"{len(pictures)} pictures of: " if len(pictures) > _ONE else ""
    return (many + prompt)[:1000]
