"""Remix: earlier pictures with other words or settings; pure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

import msgspec

from bot.domain import rules, steering_transfer, styles
from bot.domain.kinds.variation import STRONG, SUBTLE, VARIATION_STRENGTH
from bot.domain.lowering import lowered_count, lowered_settings
from bot.domain.model_names import short_names
from bot.domain.picture import Picture
from bot.domain.picture_size import ChosenSize, chosen_size
from bot.domain.plan import CHANGED, PICTURE_ACTIONS, Edge, JobKind, Plan, PlanContext, Relation
from bot.domain.prompt_template import as_typed
from bot.domain.prompt_template import parse as parse_template
from bot.domain.remix_form import (
    ANY_SEED,
    FormEdits,
    FormTexts,
    RemixOptions,
    edits_of,
    settings_text,
)
from bot.domain.row_classes import with_row_classes
from bot.domain.variants import drawn_prompts, with_fitting_count
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import (
    RANDOM_SEED,
    SEED_LIMIT,
    Change,
    Edit,
    Img2Img,
    Inpaint,
    ModelCard,
    Outpaint,
    PictureOptions,
    PromptFormat,
    Recipe,
    Source,
    Subseed,
    card_for,
    check_seed,
    make_recipes,
)
from engine.contract.prompt_schedule import parse as parse_prompt

COUNT: Final = 4
"""Pictures that a single one becomes."""
NO_PICTURE: Final = N_("There is no picture here that could be remixed.")
NOTHING_CHANGED: Final = N_(
    "Nothing is changed, so the same picture would come again. Change the words, a "
    "setting or the seed."
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


class _Remixed(NamedTuple):
    """A picture with its own noise, and sentences for the user."""

    recipe: Recipe
    notes: tuple[str, ...]


def shown_texts(request: RemixRequest, context: PlanContext) -> FormTexts:
    """The form of these pictures as it is shown first; the settings are those of the first one.

    Raises Refused if there are no pictures.
    """
    recipes = _bases(context)
    first = recipes[0]
    seed = ANY_SEED if request.noise is Noise.NEW else str(first.seed)
    names = {
        name
        for name, card in short_names(context.models).items()
        for recipe in recipes
        if (recipe.model, recipe.revision) == (card.name, card.revision)
    }
    samplers = {recipe.sampler for recipe in recipes}
    return FormTexts(
        prompt=_own_words(first, request.words) or as_typed(first.prompt, first.prompt_format),
        negative=first.negative,
        settings=settings_text(first, seed=seed, count=_shown_count(request, context)),
        sampler=first.sampler.value if len(samplers) == 1 else "",
        model=names.pop() if len(names) == 1 else "",
    )


def _shown_count(request: RemixRequest, context: PlanContext) -> int:
    count = len(context.parents)
    is_one = count == 1 and request.noise is not Noise.NEW
    return min(COUNT, context.limits.max_pictures) if is_one else count


def with_words(words: str, request: RemixRequest, context: PlanContext) -> RemixRequest:
    """The request whose form has these words behind the prompt. Raises Refused."""
    texts = shown_texts(request, context)
    prompt = ", ".join(part for part in (texts.prompt.rstrip(" ,."), words) if part)
    return msgspec.structs.replace(request, texts=msgspec.structs.replace(texts, prompt=prompt))


def plan(request: RemixRequest, context: PlanContext) -> Plan:
    """The pictures with what was changed in the form, also by flags of its prompt; what was not
    stays that of each picture.

    If the model is changed, the settings that were not are those of the new model. Each permutation
    of the prompt has the count of the form or, if that is as it was shown, one picture for each
    earlier one. Raises Refused, with a sentence for the user.
    """
    bases, shown = _bases(context), shown_texts(request, context)
    edits = edits_of(request.texts, shown, context.models)
    count, notes = _count(request, edits, context)
    if edits.is_empty and request.noise is Noise.SAME and count <= len(bases):
        raise Refused(NOTHING_CHANGED)
    try:
        remixed = [
            _remixed(bases[nth % count % len(bases)], prompt, edits, request.words, context)
            for nth, prompt in enumerate(_prompts(request, edits, count, context))
        ]
        recipes = [
            _with_noise(work.recipe, nth % count, request, edits, context)
            for nth, work in enumerate(remixed)
        ]
    except ValueError as error:
        raise Refused(str(error)) from error
    words = request.texts.prompt if edits.prompt is None else edits.prompt
    all_notes = (*edits.notes, *notes, *(note for work in remixed for note in work.notes))
    return Plan(
        recipes=with_row_classes(recipes, context.models),
        prompt=words if words != recipes[0].prompt else "",
        edges=tuple(
            edge
            for nth in range(len(recipes))
            for edge in _edges(context.parents[nth % count % len(bases)], nth + 1, request.edges)
        ),
        notes=tuple(dict.fromkeys(all_notes)),
    )


def _bases(context: PlanContext) -> list[Recipe]:
    if not context.parents:
        raise Refused(_(NO_PICTURE))
    return [parent.recipe.recipe for parent in context.parents]


def _count(
    request: RemixRequest, edits: FormEdits, context: PlanContext
) -> tuple[int, tuple[str, ...]]:
    """The number of pictures of each permutation, and notes. Raises Refused."""
    most = context.limits.max_pictures
    prompt, is_raw = edits.prompt or "", _is_raw(edits, context)
    count = edits.options.count
    if count is None:
        has_one = is_raw or parse_template(prompt).count == 1
        count = _shown_count(request, context) if has_one else len(context.parents)
    if count < 1:
        raise Refused(
            _("The count is {count}; it must be 1 to {most}.").format(count=count, most=most)
        )
    options = PictureOptions(prompt=prompt, raw=is_raw, count=count)
    fitting, notes = with_fitting_count(options, most)
    lowered, more_notes = lowered_count(fitting.count or count, most)
    return lowered, (*notes, *more_notes)


def _is_raw(edits: FormEdits, context: PlanContext) -> bool:
    """Whether braces of the prompt are words."""
    return edits.options.raw or _bases(context)[0].prompt_format is PromptFormat.PLAIN


def _prompts(
    request: RemixRequest, edits: FormEdits, count: int, context: PlanContext
) -> list[str] | list[None]:
    """The prompt of each picture; None if it is that of the earlier one. Raises Refused."""
    if edits.prompt is None:
        return [None] * count
    first, bases = _first_seed(request, edits, context), _bases(context)
    seeds = [
        bases[nth % len(bases)].seed + nth // len(bases) if first is None else first + nth
        for nth in range(count)
    ]
    is_raw = _is_raw(edits, context)
    return drawn_prompts(edits.prompt, [s % SEED_LIMIT for s in seeds], context, is_raw=is_raw)


def _remixed(
    base: Recipe, prompt: str | None, edits: FormEdits, words: str, context: PlanContext
) -> _Remixed:
    """The recipe with what was changed, and with its own noise. Raises Refused or ValueError."""
    if edits.card is None:
        rules.check_models((base,), context.models)
    card = card_for(base, context.models) if edits.card is None else edits.card
    is_own = (base.model, base.revision) == (card.name, card.revision)
    own_words, edit = _own_words(base, words), edits.options
    sampler = _first(edit.sampler, base.sampler.value if is_own else None)
    limited, notes = lowered_settings(msgspec.structs.replace(edit, sampler=sampler), card)
    options = msgspec.structs.replace(
        limited,
        prompt=_first(prompt, own_words, base.prompt),
        negative=_first(edit.negative, base.negative),
        raw=edit.raw or base.prompt_format is PromptFormat.PLAIN,
        seed=base.seed,
        count=1,
        steps=_first(limited.steps, base.steps if is_own else None),
        guidance=_first(limited.guidance, base.guidance if is_own else None),
        clip_skip=_first(edit.clip_skip, base.clip_skip if is_own else None),
        strength=None,
    )
    chosen = styles.chosen(edit.styles, "", context.presets.styles)
    options, style_notes = styles.apply(options, chosen.styles, card)
    size, size_notes = _size(base, edit, card, is_own=is_own)
    card.check_area(*size)
    [recipe] = make_recipes(
        options,
        card,
        size=size,
        seed=base.seed,
        source=_source(base.source, edit, card),
        adapters=steering_transfer.adapters(base, edit.loras, card, context.models, is_own=is_own),
        controls=base.controls if is_own else steering_transfer.controls(base, card),
        references=base.references if is_own else steering_transfer.references(base, card),
    )
    if own_words is None:
        recipe = _with_changes_of(base, recipe, edits)
    recipe = msgspec.structs.replace(recipe, subseeds=base.subseeds)
    return _Remixed(recipe, (*chosen.notes, *notes, *style_notes, *size_notes))


_T = TypeVar("_T")


def _first(*values: _T | None) -> _T | None:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)


def _own_words(recipe: Recipe, words: str) -> str | None:
    """The words, if the recipe's prompt and changes are what they say; None if they are not."""
    if not words or recipe.prompt_format is PromptFormat.PLAIN:
        return None
    schedule = parse_prompt(words, recipe.executed_steps)
    changes = tuple(Change(step=step, prompt=prompt) for step, prompt in schedule.changes)
    return words if (schedule.prompt, changes) == (recipe.prompt, recipe.changes) else None


def _with_changes_of(base: Recipe, recipe: Recipe, edits: FormEdits) -> Recipe:
    """The recipe with the later changes of the base, except of what was edited, and with its very
    prompts if they were not."""
    names = [
        *(["prompt"] if edits.prompt is None else []),
        *(["negative"] if edits.options.negative is None else []),
        *(["guidance"] if edits.options.guidance is None else []),
        *(["sampler"] if edits.options.sampler is None and edits.card is None else []),
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


def _size(base: Recipe, edit: RemixOptions, card: ModelCard, *, is_own: bool) -> ChosenSize:
    """A side that was not typed is that of the earlier picture, or follows from the aspect."""
    width, height = edit.width, edit.height
    is_same = edit.aspect is None and width is None and height is None
    if isinstance(base.source, Inpaint | Outpaint):
        if not is_same:
            raise Refused(
                _(
                    "The size stays {width}x{height}, that of the picture of which a "
                    "part is painted again."
                ).format(width=base.width, height=base.height)
            )
        return ChosenSize(base.size)
    if is_same:
        return ChosenSize(base.size if is_own else card.size_for_aspect(base.width / base.height))
    if edit.aspect is None:
        width = base.width if width is None else width
        height = base.height if height is None else height
    return chosen_size(card, aspect=edit.aspect, width=width, height=height)


def _source(source: Source, settings: RemixOptions, card: ModelCard) -> Source:
    """The source with the strength or image guidance of the settings. Raises Refused."""
    if settings.keep is not None and not isinstance(source, Edit):
        raise Refused(_("This picture is no edit, so it has no setting keep."))
    if isinstance(source, Edit):
        if settings.strength is not None:
            raise Refused(_("An edit has no strength; its setting keep says how much of it stays."))
        keep = source.image_guidance if settings.keep is None else settings.keep
        return msgspec.structs.replace(source, image_guidance=keep)
    if isinstance(source, Img2Img | Inpaint | Outpaint):
        strength = source.strength if settings.strength is None else settings.strength
        return msgspec.structs.replace(source, strength=strength, rounding=card.rounding)
    if settings.strength is not None:
        raise Refused(_("This picture was not painted over another one, so it has no strength."))
    return source


def _with_noise(
    recipe: Recipe, nth: int, request: RemixRequest, edits: FormEdits, context: PlanContext
) -> Recipe:
    """The recipe of the nth picture of a permutation, from 0."""
    seed = _first_seed(request, edits, context)
    if seed is not None:
        check_seed("seed", seed)
        subseeds = recipe.subseeds if edits.options.seed is None else ()
        return msgspec.structs.replace(recipe, seed=(seed + nth) % SEED_LIMIT, subseeds=subseeds)
    if request.noise in _SHARES or nth >= len(context.parents):
        share = _SHARES.get(request.noise, VARIATION_STRENGTH)
        subseed = Subseed((context.seed + nth) % SEED_LIMIT, share)
        return msgspec.structs.replace(recipe, subseeds=(*recipe.subseeds, subseed))
    return recipe


def _first_seed(request: RemixRequest, edits: FormEdits, context: PlanContext) -> int | None:
    """The seed of the first picture; None if each one has that of an earlier picture."""
    seed = edits.options.seed
    if seed == RANDOM_SEED or (seed is None and request.noise is Noise.NEW):
        return context.seed
    return seed


def _edges(parent: Picture, child: int, edges: Sequence[Edge]) -> list[Edge]:
    """From a new picture to the one that is remixed, and to what that one changed."""
    inherited = [
        Edge(child, edge.parent, edge.relation)
        for edge in edges
        if edge.child == parent.nth and edge.relation in CHANGED
    ]
    return [Edge(child, parent.id, Relation.REMIX), *inherited]


KIND: Final = JobKind(name="remix", title=N_("Remix: "), plan=plan, actions=PICTURE_ACTIONS)
