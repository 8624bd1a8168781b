"""What differs between two recipes, in the words of the settings; pure."""

from collections.abc import Iterator

from bot.domain import recipe_words
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
        backend = "" if work.backend is None else f" by {work.backend}"
        return f"{work.scale}x with detail {work.strength:g}{backend}"
    return f"{work.scale}x {work.upscaler}"


def _detail(old: Detail, new: Detail) -> Iterator[str]:
    """What differs between two of one picture."""
    texts = _enlargement(old), _enlargement(new)
    if texts != texts[::-1]:
        yield f"{texts[0]} -> {texts[1]}"
    if old.upscaler != new.upscaler:
        yield f"{old.upscaler} -> {new.upscaler}"
    if (old.tile, old.overlap) != (new.tile, new.overlap):
        tiles = (f"{work.tile} pixels with {work.overlap} shared" for work in (old, new))
        yield f"tiles of {' -> '.join(tiles)}"
    steps = [work.rounding.executed_steps(work.steps, work.strength) for work in (old, new)]
    if old.rounding != new.rounding and steps != steps[::-1]:
        yield f"{steps[0]} -> {steps[1]} steps on each tile"


def _settings(old: Recipe, new: Recipe) -> Iterator[str]:
    names = public_model_name(old.model), public_model_name(new.model)
    if names != names[::-1]:
        yield f"model {names[0]} -> {names[1]}"
    elif old.revision != new.revision:
        revisions = short_revision(old.revision, 7), short_revision(new.revision, 7)
        yield f"revision {revisions[0]} -> {revisions[1]}"
    if old.steps != new.steps:
        yield f"steps {old.steps} -> {new.steps}"
    if old.guidance != new.guidance:
        yield f"guidance {old.guidance:g} -> {new.guidance:g}"
    yield from _encoding(old, new)
    if old.sampler != new.sampler:
        yield f"{old.sampler} -> {new.sampler}"
    if old.backend != new.backend:
        yield f"backend {old.backend} -> {new.backend}"
    if old.size != new.size:
        yield f"{old.width}x{old.height} -> {new.width}x{new.height}"
    yield from _source(old, new)


def _encoding(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.clip_skip != new.clip_skip:
        yield f"clip skip {old.clip_skip} -> {new.clip_skip}"
    elif old.negative_clip_skip != new.negative_clip_skip:
        yield f"negative clip skip {old.negative_clip_skip} -> {new.negative_clip_skip}"
    if old.embeddings != new.embeddings:
        yield f"embeddings {_names(old)} -> {_names(new)}"


def _names(recipe: Recipe) -> str:
    """The names of its embeddings."""
    return ", ".join(embedding.name for embedding in recipe.embeddings) or "none"


def _source(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.source == new.source:
        return
    are_sketches = isinstance(old.source, Img2Img) and isinstance(new.source, Img2Img)
    if not are_sketches or old.source.images != new.source.images:
        yield _other_source(old.source, new.source)
    elif old.strength != new.strength:
        yield f"strength {old.strength or 0:g} -> {new.strength or 0:g}"
    else:
        yield f"{old.executed_steps} -> {new.executed_steps} steps on the sketch"


def _other_source(old: Source, new: Source) -> str:
    match old, new:
        case _, Edit(image_guidance=image_guidance):
            return f"image guidance {image_guidance:g}"
        case _, Inpaint():
            return "a part painted again"
        case _, Outpaint():
            return "another canvas"
        case Img2Img(), Img2Img():
            return "another sketch"
        case Img2Img(), _:
            return "without the sketch"
        case _, Img2Img():
            return "with a sketch"
    return "without an input image"


def _steering(old: Recipe, new: Recipe) -> Iterator[str]:
    pairs = (
        (old.controls != new.controls, recipe_words.controls),
        (old.references != new.references, recipe_words.references),
        (old.adapters != new.adapters, recipe_words.adapters),
    )
    for differs, words in pairs:
        before, after = words(old), words(new)
        if differs and before == after:
            yield f"{after}, another one"
        elif differs and not (before and after):
            yield after or f"not {before}"
        elif differs:
            yield f"{before} -> {after}"


def _noise(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.seed != new.seed:
        yield f"seed {new.seed}"
    count = len(old.subseeds)
    if new.subseeds[:count] == old.subseeds:
        yield from (f"noise {subseed.share:g}" for subseed in new.subseeds[count:])
    else:
        yield "other noise"


def _words(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.prompt_format != new.prompt_format:
        is_plain = new.prompt_format is PromptFormat.PLAIN
        yield "brackets as words" if is_plain else "brackets as weights"
    if old.prompt != new.prompt:
        yield f"prompt {new.prompt or 'removed'}"
    if old.negative != new.negative:
        yield f"negative {new.negative or 'removed'}"


def _later_changes(old: Recipe, new: Recipe) -> Iterator[str]:
    """Those of the new recipe that the old one has not; how many of the old one are gone."""
    for change in new.changes:
        if change not in old.changes:
            yield f"from step {change.step}: {', '.join(_changed(change))}"
    gone = sum(change not in new.changes for change in old.changes)
    if gone:
        yield f"without {gone} {'change' if gone == 1 else 'changes'}"


def _changed(change: Change) -> Iterator[str]:
    if change.guidance is not None:
        yield f"guidance {change.guidance:g}"
    if change.sampler is not None:
        yield str(change.sampler)
    if change.prompt is not None:
        yield "prompt"
    if change.negative is not None:
        yield "negative"
