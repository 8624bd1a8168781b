"""Remix: earlier pictures with other words or settings; pure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from bot.domain import loras, rules
from bot.domain.kinds.imagine import parse
from bot.domain.kinds.variation import STRONG, SUBTLE, VARIATION_STRENGTH
from bot.domain.model_names import find_model, short_names
from bot.domain.picture import Picture
from bot.domain.picture_size import ASPECTS
from bot.domain.plan import CHANGED, PICTURE_ACTIONS, Edge, JobKind, Plan, PlanContext, Relation
from bot.domain.remix_form import (
    ANY_SEED,
    FormSettings,
    FormTexts,
    edited,
    parse_settings,
    settings_text,
)
from bot.domain.row_classes import with_row_classes
from bot.errors import Refused
from engine.contract import (
    RANDOM_SEED,
    SEED_LIMIT,
    Adapter,
    Change,
    Control,
    Edit,
    Img2Img,
    Inpaint,
    ModelCard,
    Outpaint,
    PromptFormat,
    Recipe,
    Reference,
    Source,
    Subseed,
    card_for,
    check_seed,
    make_recipes,
)
from engine.contract.prompt_schedule import parse as parse_prompt

COUNT: Final = 4
"""Pictures that a single one becomes."""
NO_PICTURE: Final = "There is no picture here that could be remixed."
NOTHING_CHANGED: Final = (
    "Nothing is changed, so the same picture would come again. Change the words, a setting or the "
    "seed."
)


class Noise(StrEnum):
    """What the pictures of a remix start from. Its value is part of custom ids."""

    SAME = "same"
    """The noise of the earlier pictures; further pictures have a share of other noise."""
    VARY = "vary"
    """The same with a share of other noise, as variations."""
    SUBTLE = "subtle"
    STRONG = "strong"
    NEW = "new"
    """Other seeds, as pictures that are rerolled."""


_SHARES: Final = {
    Noise.VARY: VARIATION_STRENGTH,
    Noise.SUBTLE: SUBTLE,
    Noise.STRONG: STRONG,
}
"""Of other noise."""


class RemixRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures `PlanContext.parents`, which are of one job, with what a form says."""

    texts: FormTexts = FormTexts()
    noise: Noise = Noise.SAME
    words: str = ""
    """The user's own words of that job, as in `PlanDetails`."""
    edges: tuple[Edge, ...] = ()
    """What the pictures of that job were made from."""


class _Edits(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from the form as it was shown; None for what does not."""

    prompt: str | None
    negative: str | None
    settings: FormSettings
    sampler: str | None
    card: ModelCard | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the number of pictures differs."""
        settings = msgspec.structs.replace(self.settings, count=None)
        parts = (self.prompt, self.negative, self.sampler, self.card)
        return settings == FormSettings() and all(part is None for part in parts)


def shown_texts(request: RemixRequest, context: PlanContext) -> FormTexts:
    """The form of these pictures as it is shown first; the settings are those of the first one.

    Raises Refused if there are no pictures.
    """
    recipes = _bases(context)
    first = recipes[0]
    count = len(recipes)
    if count == 1 and request.noise is not Noise.NEW:
        count = min(COUNT, context.limits.max_pictures)
    seed = ANY_SEED if request.noise is Noise.NEW else str(first.seed)
    names = {
        name
        for name, card in short_names(context.models).items()
        for recipe in recipes
        if (recipe.model, recipe.revision) == (card.name, card.revision)
    }
    samplers = {recipe.sampler for recipe in recipes}
    return FormTexts(
        prompt=_own_words(first, request.words) or first.prompt,
        negative=first.negative,
        settings=settings_text(first, seed=seed, count=count),
        sampler=first.sampler.value if len(samplers) == 1 else "",
        model=names.pop() if len(names) == 1 else "",
    )


def with_words(words: str, request: RemixRequest, context: PlanContext) -> RemixRequest:
    """The request whose form has these words behind the prompt. Raises Refused."""
    texts = shown_texts(request, context)
    prompt = ", ".join(part for part in (texts.prompt.rstrip(" ,."), words) if part)
    return msgspec.structs.replace(request, texts=msgspec.structs.replace(texts, prompt=prompt))


def plan(request: RemixRequest, context: PlanContext) -> Plan:
    """The pictures with what was changed in the form; what was not stays that of each picture.

    If the model is changed, the settings that were not are those of the new model. Raises Refused,
    with a sentence for the user.
    """
    bases, edits = _bases(context), _edits(request, context)
    count = _count(request, context)
    if edits.is_empty and request.noise is Noise.SAME and count <= len(bases):
        raise Refused(NOTHING_CHANGED)
    try:
        remixed = [_remixed(base, edits, request.words, context) for base in bases]
        recipes = [
            _with_noise(remixed[nth % len(bases)], nth, nth >= len(bases), request, edits, context)
            for nth in range(count)
        ]
    except ValueError as error:
        raise Refused(str(error)) from error
    words = request.texts.prompt
    return Plan(
        recipes=with_row_classes(recipes, context.models),
        prompt=words if words != recipes[0].prompt else "",
        edges=tuple(
            edge
            for nth in range(count)
            for edge in _edges(context.parents[nth % len(bases)], nth + 1, request.edges)
        ),
    )


def _bases(context: PlanContext) -> list[Recipe]:
    if not context.parents:
        raise Refused(NO_PICTURE)
    return [parent.recipe.recipe for parent in context.parents]


def _count(request: RemixRequest, context: PlanContext) -> int:
    texts = request.texts.settings, shown_texts(request, context).settings
    counts = (parse_settings(text, ASPECTS).count for text in texts)
    count = next(count for count in counts if count is not None)
    most = context.limits.max_pictures
    if not 1 <= count <= most:
        raise Refused(f"The count is {count}; it must be 1 to {most}.")
    return count


def _edits(request: RemixRequest, context: PlanContext) -> _Edits:
    """What the user has changed. Raises Refused."""
    texts, defaults = request.texts, shown_texts(request, context)
    settings = edited(
        parse_settings(texts.settings, ASPECTS), parse_settings(defaults.settings, ASPECTS)
    )
    if texts.shape:
        if settings.size is not None:
            raise Refused("Choose either a shape or another size; both are changed.")
        if texts.shape not in ASPECTS:
            raise Refused(f"There is no shape “{texts.shape[:30]}”.")
        settings = msgspec.structs.replace(settings, size=ASPECTS[texts.shape])
    prompt, negative = (
        None if rules.strip_invisible(new) == rules.strip_invisible(old) else new
        for new, old in ((texts.prompt, defaults.prompt), (texts.negative, defaults.negative))
    )
    is_other_model = texts.model not in ("", defaults.model)
    is_other_sampler = texts.sampler not in ("", defaults.sampler)
    return _Edits(
        prompt=None if prompt is None else rules.strip_invisible(prompt),
        negative=None if negative is None else rules.strip_invisible(negative),
        settings=settings,
        sampler=texts.sampler if is_other_sampler else None,
        card=find_model(texts.model, context.models) if is_other_model else None,
    )


def _remixed(base: Recipe, edits: _Edits, words: str, context: PlanContext) -> Recipe:
    """The recipe with what was changed, and with its own noise. Raises Refused or ValueError."""
    if edits.card is None:
        rules.check_models((base,), context.models)
    card = card_for(base, context.models) if edits.card is None else edits.card
    is_own = (base.model, base.revision) == (card.name, card.revision)
    own_words = _own_words(base, words)
    settings = edits.settings
    options = parse(
        prompt=_first(edits.prompt, own_words, base.prompt),
        negative=_first(edits.negative, base.negative),
        raw=base.prompt_format is PromptFormat.PLAIN,
        count=1,
        steps=_first(settings.steps, base.steps if is_own else None),
        guidance=_first(settings.guidance, base.guidance if is_own else None),
        clip_skip=_first(settings.clip_skip, base.clip_skip if is_own else None),
        sampler=_first(edits.sampler, base.sampler.value if is_own else None),
    )
    size = _size(base, settings.size, card, is_own=is_own)
    card.check_area(*size)
    [recipe] = make_recipes(
        options,
        card,
        size=size,
        seed=base.seed,
        source=_source(base.source, settings, card),
        adapters=_adapters(base, settings.loras, card, context.models, is_own=is_own),
        controls=base.controls if is_own else _controls(base, card),
        references=base.references if is_own else _references(base, card),
    )
    if own_words is None:
        recipe = _with_changes_of(base, recipe, edits)
    return msgspec.structs.replace(recipe, subseeds=base.subseeds)


def _first(*values: object) -> object:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)


def _own_words(recipe: Recipe, words: str) -> str | None:
    """The words, if the recipe's prompt and changes are what they say; None if they are not."""
    if not words or recipe.prompt_format is PromptFormat.PLAIN:
        return None
    schedule = parse_prompt(words, recipe.executed_steps)
    changes = tuple(Change(step=step, prompt=prompt) for step, prompt in schedule.changes)
    return words if (schedule.prompt, changes) == (recipe.prompt, recipe.changes) else None


def _with_changes_of(base: Recipe, recipe: Recipe, edits: _Edits) -> Recipe:
    """The recipe with the later changes of the base, except of what was edited, and with its very
    prompts if they were not."""
    names = [
        *(["prompt"] if edits.prompt is None else []),
        *(["negative"] if edits.negative is None else []),
        *(["guidance"] if edits.settings.guidance is None else []),
        *(["sampler"] if edits.sampler is None and edits.card is None else []),
    ]
    if recipe.changes and edits.prompt is not None:
        return recipe
    fields = [
        (change.step, {name: getattr(change, name) for name in names}) for change in base.changes
    ]
    changes = tuple(
        Change(step=step, **values)
        for step, values in fields
        if any(value is not None for value in values.values())
    )
    same = {name: getattr(base, name) for name in names if name in ("prompt", "negative")}
    return msgspec.structs.replace(recipe, **same, changes=changes)


def _size(
    base: Recipe, size: tuple[int, int] | float | None, card: ModelCard, *, is_own: bool
) -> tuple[int, int]:
    if isinstance(base.source, Inpaint | Outpaint):
        if size is not None:
            raise Refused(
                f"The size stays {base.width}x{base.height}, that of the picture of which a part "
                "is painted again."
            )
        return base.size
    if isinstance(size, float):
        return card.size_for_aspect(size)
    if size is not None:
        return size
    return base.size if is_own else card.size_for_aspect(base.width / base.height)


def _source(source: Source, settings: FormSettings, card: ModelCard) -> Source:
    """The source with the strength or image guidance of the settings. Raises Refused."""
    if settings.keep is not None and not isinstance(source, Edit):
        raise Refused("This picture is no edit, so it has no setting keep.")
    if isinstance(source, Edit):
        if settings.strength is not None:
            raise Refused("An edit has no strength; its setting keep says how much of it stays.")
        keep = source.image_guidance if settings.keep is None else settings.keep
        return msgspec.structs.replace(source, image_guidance=keep)
    if isinstance(source, Img2Img | Inpaint | Outpaint):
        strength = source.strength if settings.strength is None else settings.strength
        return msgspec.structs.replace(source, strength=strength, rounding=card.rounding)
    if settings.strength is not None:
        raise Refused("This picture was not painted over another one, so it has no strength.")
    return source


def _adapters(
    base: Recipe,
    text: str | None,
    card: ModelCard,
    models: Sequence[ModelCard],
    *,
    is_own: bool,
) -> tuple[Adapter, ...]:
    if text is None and is_own:
        return base.adapters
    return loras.parse(loras.text_of(base.adapters) if text is None else text, card, models)


def _controls(base: Recipe, card: ModelCard) -> tuple[Control, ...]:
    return tuple(
        card.control(
            control.kind,
            control.image,
            preprocessor=control.preprocessor,
            scale=control.scale,
            start=control.start,
            end=control.end,
        )
        for control in base.controls
    )


def _references(base: Recipe, card: ModelCard) -> tuple[Reference, ...]:
    return tuple(
        card.reference(reference.image, role=reference.role, scale=reference.scale)
        for reference in base.references
    )


def _with_noise(
    recipe: Recipe,
    nth: int,
    is_further: bool,
    request: RemixRequest,
    edits: _Edits,
    context: PlanContext,
) -> Recipe:
    """The recipe of the nth picture, from 0; a further one repeats an earlier one."""
    seed = context.seed if edits.settings.seed == RANDOM_SEED else edits.settings.seed
    if seed is not None:
        check_seed("seed", seed)
        return msgspec.structs.replace(recipe, seed=(seed + nth) % SEED_LIMIT, subseeds=())
    if request.noise is Noise.NEW:
        return recipe.with_seed(context.seed + nth)
    if request.noise in _SHARES or is_further:
        share = _SHARES.get(request.noise, VARIATION_STRENGTH)
        subseed = Subseed((context.seed + nth) % SEED_LIMIT, share)
        return msgspec.structs.replace(recipe, subseeds=(*recipe.subseeds, subseed))
    return recipe


def _edges(parent: Picture, child: int, edges: Sequence[Edge]) -> list[Edge]:
    """From a new picture to the one that is remixed, and to what that one changed."""
    inherited = [
        Edge(child, edge.parent, edge.relation)
        for edge in edges
        if edge.child == parent.nth and edge.relation in CHANGED
    ]
    return [Edge(child, parent.id, Relation.REMIX), *inherited]


KIND: Final = JobKind(name="remix", title="Remix: ", plan=plan, actions=PICTURE_ACTIONS)
