"""What differs between two recipes, in the words of the settings; pure."""

from collections.abc import Iterator

from bot.domain import recipe_words
from bot.i18n import _, decimal, ngettext, pgettext
from engine.contract import (
    Change,
    Detail,
    Edit,
    Img2Img,
    Inpaint,
    Outpaint,
    PromptFormat,
    Recipe,
    Source,
    Upscale,
    Work,
    short_revision,
)
from engine.contract.infotext import public_model_name


def recipe_changes(old: Work, new: Work) -> list[str]:
    """Each setting that differs, as `guidance 7.5 -> 5` or `from step 12: prompt`.

    Equal recipes have none. The row class is no setting.
    """
    if isinstance(old, Detail) and isinstance(new, Detail) and old.picture == new.picture:
        return list(_detail(old, new))
    if not isinstance(new, Recipe) and new != old:
        return [*recipe_changes(old, new.picture), _enlargement(new)]
    first, second = old.recipe, new.recipe
    parts = _settings, _steering, _noise, _words, _later_changes
    return [change for part in parts for change in part(first, second)]


def _enlargement(work: Upscale | Detail) -> str:
    if isinstance(work, Detail):
        backend = "" if work.backend is None else _(" by {backend}").format(backend=work.backend)
        return _("{scale}x with detail {strength}{backend}").format(
            scale=work.scale, strength=decimal(work.strength), backend=backend
        )
    return f"{work.scale}x {work.upscaler}"


def _detail(old: Detail, new: Detail) -> Iterator[str]:
    """What differs between two of one picture."""
    texts = _enlargement(old), _enlargement(new)
    if texts != texts[::-1]:
        yield f"{texts[0]} -> {texts[1]}"
    if old.upscaler != new.upscaler:
        yield f"{old.upscaler} -> {new.upscaler}"
    if (old.tile, old.overlap) != (new.tile, new.overlap):
        tiles = (
            _("{tile} pixels with {overlap} shared").format(tile=work.tile, overlap=work.overlap)
            for work in (old, new)
        )
        yield _("tiles of {tiles}").format(tiles=" -> ".join(tiles))
    steps = [work.rounding.executed_steps(work.steps, work.strength) for work in (old, new)]
    if old.rounding != new.rounding and steps != steps[::-1]:
        yield _("{old} -> {new} steps on each tile").format(old=steps[0], new=steps[1])


def _settings(old: Recipe, new: Recipe) -> Iterator[str]:
    names = public_model_name(old.model), public_model_name(new.model)
    if names != names[::-1]:
        yield _("model {old} -> {new}").format(old=names[0], new=names[1])
    elif old.revision != new.revision:
        revisions = short_revision(old.revision, 7), short_revision(new.revision, 7)
        yield _("revision {old} -> {new}").format(old=revisions[0], new=revisions[1])
    if old.steps != new.steps:
        yield _("steps {old} -> {new}").format(old=old.steps, new=new.steps)
    if old.guidance != new.guidance:
        yield _("guidance {old} -> {new}").format(
            old=decimal(old.guidance), new=decimal(new.guidance)
        )
    yield from _encoding(old, new)
    if old.sampler != new.sampler:
        yield f"{old.sampler} -> {new.sampler}"
    if old.backend != new.backend:
        yield _("backend {old} -> {new}").format(old=old.backend, new=new.backend)
    if old.size != new.size:
        yield f"{old.width}x{old.height} -> {new.width}x{new.height}"
    yield from _source(old, new)


def _encoding(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.clip_skip != new.clip_skip:
        yield _("clip skip {old} -> {new}").format(old=old.clip_skip, new=new.clip_skip)
    elif old.negative_clip_skip != new.negative_clip_skip:
        yield _("negative clip skip {old} -> {new}").format(
            old=old.negative_clip_skip, new=new.negative_clip_skip
        )
    if old.embeddings != new.embeddings:
        yield _("embeddings {old} -> {new}").format(old=_names(old), new=_names(new))


def _names(recipe: Recipe) -> str:
    """The names of its embeddings."""
    return ", ".join(embedding.name for embedding in recipe.embeddings) or _("none")


def _source(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.source == new.source:
        return
    are_sketches = isinstance(old.source, Img2Img) and isinstance(new.source, Img2Img)
    if not are_sketches or old.source.images != new.source.images:
        yield _other_source(old.source, new.source)
    elif old.strength != new.strength:
        yield _("strength {old} -> {new}").format(
            old=decimal(old.strength or 0), new=decimal(new.strength or 0)
        )
    else:
        yield _("{old} -> {new} steps on the sketch").format(
            old=old.executed_steps, new=new.executed_steps
        )


def _other_source(old: Source, new: Source) -> str:
    match old, new:
        case _, Edit(image_guidance=image_guidance):
            return _("image guidance {value}").format(value=decimal(image_guidance))
        case _, Inpaint():
            return _("a part painted again")
        case _, Outpaint():
            return _("another canvas")
        case Img2Img(), Img2Img():
            return _("another sketch")
        case Img2Img(), _:
            return _("without the sketch")
        case _, Img2Img():
            return _("with a sketch")
    return _("without an input image")


def _steering(old: Recipe, new: Recipe) -> Iterator[str]:
    pairs = (
        (old.controls != new.controls, recipe_words.controls),
        (old.references != new.references, recipe_words.references),
        (old.adapters != new.adapters, recipe_words.adapters),
    )
    for differs, words in pairs:
        before, after = words(old), words(new)
        if differs and before == after:
            yield _("{after}, another one").format(after=after)
        elif differs and not (before and after):
            yield after or _("not {before}").format(before=before)
        elif differs:
            yield f"{before} -> {after}"


def _noise(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.seed != new.seed:
        yield _("seed {seed}").format(seed=new.seed)
    count = len(old.subseeds)
    if new.subseeds[:count] == old.subseeds:
        yield from (
            _("noise {share}").format(share=decimal(subseed.share))
            for subseed in new.subseeds[count:]
        )
    else:
        yield _("other noise")


def _words(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.prompt_format != new.prompt_format:
        is_plain = new.prompt_format is PromptFormat.PLAIN
        yield _("brackets as words") if is_plain else _("brackets as weights")
    if old.prompt != new.prompt:
        yield _("prompt {words}").format(words=new.prompt or _("removed"))
    if old.negative != new.negative:
        yield _("negative {words}").format(words=new.negative or _("removed"))


def _later_changes(old: Recipe, new: Recipe) -> Iterator[str]:
    """Those of the new recipe that the old one has not; how many of the old one are gone."""
    for change in new.changes:
        if change not in old.changes:
            yield _("from step {step}: {changes}").format(
                step=change.step, changes=", ".join(_changed(change))
            )
    gone = sum(change not in new.changes for change in old.changes)
    if gone:
        yield ngettext("without {count} change", "without {count} changes", gone).format(count=gone)


def _changed(change: Change) -> Iterator[str]:
    if change.guidance is not None:
        yield _("guidance {value}").format(value=decimal(change.guidance))
    if change.sampler is not None:
        yield str(change.sampler)
    if change.prompt is not None:
        yield _("prompt")
    if change.negative is not None:
        yield pgettext("option name", "negative")
