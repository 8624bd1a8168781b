"""The text of job messages; pure. Prompts are escaped: no pings, markdown, links or embeds.

A result has one line of words and one of settings, so that a phone shows the pictures without
scrolling.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import discord

from bot.domain import recipe_words
from bot.domain.job import Job, Progress, Status
from bot.domain.model_names import short_names
from bot.domain.picture import Picture
from bot.domain.plan import Grid, Layout, Matrix
from bot.domain.variants import own_words
from bot.i18n import ENGLISH, N_, _, current_language, decimal, from_english, ngettext, pgettext
from engine.contract import (
    Change,
    Detail,
    Edit,
    Img2Img,
    Inpaint,
    ModelCard,
    Omission,
    Outpaint,
    Upscale,
    Work,
)
from engine.contract.infotext import public_model_name

_MAX_CONTENT: Final = 2000
_UNUSED_NEGATIVE: Final = N_(
    "The negative prompt had no effect: the model painted without classifier-free guidance."
)
_LINE_CHARS: Final = 60
"""Of a prompt in a message: about one line on a phone. The rest is in the recipe."""
_PART_CHARS: Final = 30
"""Of each prompt in a message that has several of one picture."""
_MAX_CHANGES: Final = 2
_MAX_ADAPTERS: Final = 3
"""LoRAs of a picture in a message. All are in the recipe."""
_MAX_ADAPTERS_CHARS: Final = 100
_MAX_PROMPT: Final = 400
"""Of a prompt on a card for moderators."""
_MAX_NEGATIVE: Final = 200
_MAX_SEEDS: Final = 400
"""Characters of the seeds on a card for moderators."""
_MAX_VARIANTS: Final = 300
"""Characters of the pictures' own words in a message."""
_MAX_NOTES: Final = 4
_MAX_NOTE: Final = 200
"""Of a sentence about a value of the request that was changed."""
_MARKDOWN: Final = re.compile(r"[\\`*_~|\[\]<]")
"""Each sign is escaped by itself: what looks like a link or like code may hide other Markdown."""
_INVITE: Final = re.compile(r"discord(?:app)?\.(?:gg|com)(?=/)", re.IGNORECASE)
"""Discord shows invites as cards, also without a scheme."""
WITHOUT_WORDS: Final = N_("*without words*")
"""Stands for an empty prompt."""
PROMPT_BLOCKED: Final = N_("Discord or AutoMod of this server blocks the text of this prompt.")
"""Stands where the prompt would be."""
UPLOAD_REJECTED: Final = N_(
    "Discord did not accept the grid. Open the pictures one by one instead."
)


def escape(text: str, limit: int) -> str:
    """A user's text in one line, escaped, and cut to `limit` characters before that."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    plain = " ".join(cut.split())
    plain = _MARKDOWN.sub(r"\\\g<0>", plain)
    plain = discord.utils.escape_mentions(plain).replace("://", ":\u200b//")
    return _INVITE.sub("\\g<0>\u200b", plain)


def progress(job: Job, progress: Progress, *, has_prompt: bool = True) -> str:
    """The message of an unfinished job."""
    return f"{_headline(job, has_prompt)}\n{stage(progress)}"


def stage(progress: Progress) -> str:
    """How far an unfinished job is, and when it is expected to end: Discord counts down to it."""
    if progress.engine_down:
        return _("The engine is restarting. Your job keeps its place in the queue.")
    if progress.ends_at is None:
        return _position(progress)
    until = _("ready {when}").format(when=f"<t:{int(progress.ends_at)}:R>")
    return f"{_position(progress)} · {until}"


def _position(progress: Progress) -> str:
    if progress.percent is not None:
        text = _("Painting… {percent} %").format(percent=progress.percent)
        if not progress.done:
            return text
        done = _("{done} of {count} done").format(done=progress.done, count=progress.pictures)
        return f"{text} · {done}"
    if progress.jobs_ahead:
        return _("Waiting: {count} ahead of you").format(count=progress.jobs_ahead)
    if progress.jobs_ahead == 0:
        return _("Next in line…")
    return _("Starting…")


def ending(
    job: Job,
    pictures: Sequence[Picture],
    *,
    has_prompt: bool = True,
    models: Sequence[ModelCard] = (),
) -> str:
    """The final message of a job; it names the model if several are offered."""
    headline = _headline(job, has_prompt)
    if job.status is Status.DONE:
        variants = _variants(job, pictures) if has_prompt else ""
        notes = _request_notes(job) if has_prompt else []
        lines = [headline, variants, *_result(job, pictures, models), *notes]
        return "\n".join(filter(None, lines))
    if job.status is Status.CANCELLED:
        cancelled = _("Cancelled.")
        return f"{headline}\n{cancelled}"
    return f"{headline}\n{from_english(job.failure_reason or '')}"[:_MAX_CONTENT]


def title(job: Job, *, has_prompt: bool = True) -> str:
    """What a job paints, in one line."""
    prompt = job.plan.prompt
    words = _words(prompt, has_prompt) if prompt else _recipe_words(job.recipes[0], has_prompt)
    return f"{_(job.kind.title)}{words}"


def _headline(job: Job, has_prompt: bool) -> str:
    return f"{title(job, has_prompt=has_prompt)} · <@{job.user_id}>"


def _recipe_words(work: Work, has_prompt: bool) -> str:
    """The prompt, cut to one line, and what changes at later steps."""
    changes = work.recipe.changes
    if not changes or not has_prompt:
        return _words(work.prompt, has_prompt)
    words = _words(work.prompt, has_prompt, _PART_CHARS)
    first = [_change(change) for change in changes[:_MAX_CHANGES]]
    more = len(changes) - _MAX_CHANGES
    sentence = ngettext("{count} more change", "{count} more changes", more)
    rest = [sentence.format(count=more)] if more > 0 else []
    return ", ".join([words, *first, *rest])


def words(work: Work) -> str:
    """The prompt alone, cut to one line."""
    return _words(work.prompt, has_prompt=True)


def _change(change: Change) -> str:
    parts = [
        *(
            []
            if change.prompt is None
            else [_words(change.prompt, has_prompt=True, limit=_PART_CHARS)]
        ),
        *([] if change.guidance is None else [_guidance_words(change.guidance)]),
        *([] if change.sampler is None else [str(change.sampler)]),
        *([] if change.negative is None else [_("another negative")]),
    ]
    return _("from step {step}: {changes}").format(step=change.step, changes=", ".join(parts))


def _words(prompt: str, has_prompt: bool, limit: int = _LINE_CHARS) -> str:
    if not prompt.strip():
        return _(WITHOUT_WORDS)
    return f"**{escape(prompt, limit)}**" if has_prompt else _(PROMPT_BLOCKED)


def _variants(job: Job, pictures: Sequence[Picture]) -> str:
    """What the prompt of each picture has beside the words of all; empty if they are the same."""
    if not isinstance(job.plan.layout, Grid):
        return ""
    words = own_words([picture.recipe.prompt for picture in pictures])
    numbered = zip(pictures, words, strict=False)
    texts = [f"{picture.nth}: {escape(text, _PART_CHARS)}" for picture, text in numbered]
    return _fitting(texts, " · ", _MAX_VARIANTS)


def _request_notes(job: Job) -> list[str]:
    """What was changed in the request; it may have words of the prompt."""
    return [escape(from_english(note), _MAX_NOTE) for note in job.plan.notes[:_MAX_NOTES]]


def _result(job: Job, pictures: Sequence[Picture], models: Sequence[ModelCard]) -> list[str]:
    recipes = [picture.recipe for picture in pictures]
    parts = _axes(job.plan.layout), _model(recipes, models), settings(recipes)
    lines = [" · ".join(part for part in parts if part), *_notes(pictures)]
    unavailable = sorted((p for p in pictures if p.unavailable_reason), key=_reason)
    lines += [_unavailable(reason, list(group)) for reason, group in groupby(unavailable, _reason)]
    return lines


def _notes(pictures: Sequence[Picture]) -> list[str]:
    """What had no effect on the pictures."""
    works = [picture.recipe for picture in pictures]
    is_negative_unused = bool(works) and all(w.negative and not w.uses_cfg for w in works)
    notes = [_omission(pictures), _(_UNUSED_NEGATIVE) if is_negative_unused else ""]
    return [note for note in notes if note]


def _omission(pictures: Sequence[Picture]) -> str:
    """How many words of the prompts the model did not read; empty if it read all."""
    omissions = [picture.omission for picture in pictures if picture.omission is not None]
    most = Omission(
        max((omission.prompt for omission in omissions), default=0),
        max((omission.negative for omission in omissions), default=0),
    )
    if not omissions:
        return ""
    if current_language() == ENGLISH:
        return most.sentence
    each = (Omission(prompt=most.prompt), Omission(negative=most.negative))
    return " ".join(from_english(part.sentence) for part in each if part != Omission())


def _reason(picture: Picture) -> str:
    return picture.unavailable_reason or ""


def _unavailable(reason: str, pictures: Sequence[Picture]) -> str:
    sentence = ngettext(
        "Picture {numbers} {reason}.", "Pictures {numbers} {reason}.", len(pictures)
    ).format(numbers=", ".join(str(picture.nth) for picture in pictures), reason=reason)
    return f"{sentence} {from_english(pictures[0].failure_reason or '')}".rstrip()


def recipes(job: Job, *, has_prompt: bool = True) -> str:
    """The prompts, settings and seeds of a job, for moderators."""
    first = job.recipes[0]
    lines = [
        _words(first.prompt, has_prompt, _MAX_PROMPT),
        _shared(job.recipes),
        _seeds(job.recipes),
    ]
    if first.negative and has_prompt:
        lines.append(_("without {words}").format(words=escape(first.negative, _MAX_NEGATIVE)))
    return "\n".join(lines)


def _model(recipes: Sequence[Work], models: Sequence[ModelCard]) -> str:
    """The short name of the model that all recipes have, if several are offered."""
    names = {recipe.model for recipe in recipes}
    if len(models) < 2 or len(names) != 1:
        return ""
    [name] = names
    short = next((k for k, model in short_names(models).items() if model.name == name), None)
    return escape(short or public_model_name(name), _PART_CHARS)


def _axes(layout: Layout) -> str:
    """What differs in a matrix; empty for other layouts."""
    if not isinstance(layout, Matrix):
        return ""
    axes = [axis for axis in (layout.rows, layout.columns) if len(axis.labels) > 1]
    names = [f"{pgettext('option name', axis.name)} ({len(axis.labels)})" for axis in axes]
    return " x ".join(names)


def settings(recipes: Sequence[Work]) -> str:
    """The settings that all recipes share, and their range of seeds, in one line."""
    return " · ".join(part for part in (_shared(recipes), _base_seeds(recipes)) if part)


def _shared(recipes: Sequence[Work]) -> str:
    parts = (
        *(_enlargement, _steps, _guidance, _sampler, _size, _source, _controls, _references),
        *(_adapters, _other_noise),
    )
    values = ({part(recipe) for recipe in recipes} for part in parts)
    return " · ".join(texts.pop() for texts in values if len(texts) == 1 and "" not in texts)


def _steps(recipe: Work) -> str:
    return ngettext("{count} step", "{count} steps", recipe.steps).format(count=recipe.steps)


def _guidance(recipe: Work) -> str:
    return _guidance_words(recipe.guidance)


def _guidance_words(guidance: float) -> str:
    return _("guidance {value}").format(value=decimal(guidance))


def _sampler(recipe: Work) -> str:
    return f"{recipe.sampler}"


def _size(recipe: Work) -> str:
    return f"{recipe.width}x{recipe.height}"


def _source(recipe: Work) -> str:
    match recipe.recipe.source:
        case Img2Img(strength=strength):
            return _("from a sketch ({strength})").format(strength=decimal(strength))
        case Inpaint():
            return _("a part painted again")
        case Outpaint():
            return _("painted around the picture")
        case Edit(image_guidance=image_guidance):
            return _("image guidance {value}").format(value=decimal(image_guidance))
    return ""


def _controls(recipe: Work) -> str:
    return recipe_words.controls(recipe.recipe)


def _references(recipe: Work) -> str:
    return recipe_words.references(recipe.recipe)


def _adapters(recipe: Work) -> str:
    return escape(recipe_words.adapters(recipe.recipe, _MAX_ADAPTERS), _MAX_ADAPTERS_CHARS)


def _other_noise(recipe: Work) -> str:
    """How strong a variation it is."""
    subseeds = recipe.recipe.subseeds
    if not subseeds:
        return ""
    return _("{percent} % other noise").format(percent=decimal(subseeds[-1].share * 100))


def _enlargement(recipe: Work) -> str:
    match recipe:
        case Upscale():
            return f"⬆ {recipe.scale}x"
        case Detail():
            return _("✨ detail {strength}").format(strength=decimal(recipe.strength))
    return ""


def _base_seeds(recipes: Sequence[Work]) -> str:
    """The seeds without their subseeds, unless they are several that are not consecutive."""
    seeds = [recipe.seed for recipe in recipes]
    if len(set(seeds)) == 1:
        return _("seed {seed}").format(seed=seeds[0])
    is_consecutive = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    text = _("seeds {first}–{last}").format(first=seeds[0], last=seeds[-1])
    return text if is_consecutive else ""


def _seeds(recipes: Sequence[Work]) -> str:
    seeds = _fitting([f"`{recipe.seed_text}`" for recipe in recipes], " · ", _MAX_SEEDS)
    return _("seeds {seeds}").format(seeds=seeds)


def _fitting(parts: Sequence[str], separator: str, limit: int) -> str:
    """The first parts that fit into `limit` characters, and the number of the others."""
    text = separator.join(parts)
    count = len(parts)
    while len(text) > limit:
        count -= 1
        more = _("… and {count} more").format(count=len(parts) - count)
        text = separator.join([*parts[:count], more])
    return text


def full_size(
    picture: Picture, *, has_prompt: bool = True, models: Sequence[ModelCard] = ()
) -> str:
    """The message of one picture at full size; it names the model if several are offered."""
    recipe = picture.recipe
    details = [part for part in (_model([recipe], models), settings([recipe])) if part]
    number = _("picture {number}").format(number=picture.nth)
    headline = f"{_recipe_words(recipe, has_prompt)} · {number}"
    return "\n".join(filter(None, [headline, " · ".join(details), *_notes([picture])]))


def direct_message(pictures: Sequence[Picture], notes: Sequence[str] = ()) -> str:
    """The text of a DM with the pictures, notes on the files and, as far as they fit, the seeds;
    the files have all of them."""
    first = pictures[0].recipe
    lines = [_words(first.prompt, has_prompt=True), _shared([p.recipe for p in pictures])]
    for picture in pictures:
        note = f" ({picture.unavailable_reason})" if picture.unavailable_reason else ""
        seed = _("seed {seed}").format(seed=f"`{picture.recipe.seed_text}`")
        lines.append(f"{picture.nth}: {seed}{note}")
    end = "".join(f"\n{note}" for note in notes)
    return _fitting(lines, "\n", _MAX_CONTENT - len(end)) + end
