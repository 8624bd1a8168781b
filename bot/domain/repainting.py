"""What jobs that paint a part of a picture again have in common; pure."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from bot.domain.canvas import Canvas, Size
from bot.domain.display import SMALL_NATIVE_SIZE
from bot.domain.job_input import InputRole, PlanInput, pending_image, picture_url
from bot.domain.lowering import lowered
from bot.domain.model_names import find_model, short_name
from bot.domain.picture import Picture
from bot.domain.plan import Edge, Plan, PlanContext, Relation
from bot.domain.typed_values import joined
from bot.domain.variants import make_variants, with_fitting_count
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import (
    NEUTRAL_PROMPT,
    Adapter,
    ModelCard,
    Outpaint,
    PictureOptions,
    PromptFormat,
    Recipe,
    Reference,
    Source,
    make_recipes,
    show_content,
)

COUNT: Final = 4
"""Pictures of a job."""
STRENGTH: Final = 0.9
"""Of what is painted around a picture: its edges are stretched over the canvas, and their colours
stay in what is painted there."""
SMALL_STRENGTH: Final = 0.6
"""For models below SMALL_NATIVE_SIZE: they paint whole scenes, and another one around the picture
if they are given more freedom."""
NO_PICTURE: Final = N_("There is no picture here that could be changed.")
NO_INPAINTER: Final = N_("None of my models can repaint a part of a picture.")


def only_parent(context: PlanContext) -> Picture:
    """The picture that is changed. Raises Refused if there is none."""
    if len(context.parents) != 1:
        raise Refused(NO_PICTURE)
    return context.parents[0]


def model_that(
    can: Callable[[ModelCard], bool],
    models: Sequence[ModelCard],
    refusal: str,
    name: str | None = None,
    lack: str = "",
) -> ModelCard:
    """The model of this name, or else the first that can do it.

    Raises Refused if there is no such model, or if it cannot: with `lack`, what the named model
    does not do, and the names of those that can, or with `refusal` if there are none.
    """
    able = [card for card in models if can(card)]
    if name is not None and name.strip():
        card = find_model(name, models)
        if able and not can(card):
            names = ", ".join(short_name(model, models) for model in able)
            raise Refused(
                _("The model {model} {lack}. Choose one of: {names}.").format(
                    model=short_name(card, models), lack=_(lack), names=names
                )
            )
        return card
    if not able:
        raise Refused(refusal)
    return able[0]


def inpainter(picture: Picture, models: Sequence[ModelCard]) -> ModelCard:
    """The picture's own model if it can repaint a part of a picture, or else the first that can.

    Raises Refused if none can.
    """
    own = [card for card in models if is_painted_by(card, picture)]
    return model_that(lambda card: card.can_inpaint, [*own, *models], _(NO_INPAINTER))


def is_painted_by(card: ModelCard, picture: Picture) -> bool:
    """Whether this model painted the picture."""
    recipe = picture.recipe.recipe
    return (recipe.model, recipe.revision) == (card.name, card.revision)


def painted_size(picture: Picture, card: ModelCard) -> Size:
    """The size at which the model paints the picture again: the one before it was enlarged."""
    recipe = picture.recipe.recipe
    if is_painted_by(card, picture) and card.is_paintable(*recipe.size):
        return recipe.size
    return card.size_for_init_image(*recipe.size)


def repainted(
    context: PlanContext,
    relation: Relation,
    source: Callable[[Picture, ModelCard, int], tuple[Source, Size]],
    *,
    prompt: str | None = None,
    settings: PictureOptions | None = None,
    inputs: Sequence[PlanInput] = (),
) -> Plan:
    """Pictures with the parent's settings, or the model's if another model paints, and new seeds.
    The parent's LoRAs and references stay; its controls do not, because the lines of its sketch are
    at their places of the whole picture, and what is painted now is beside or instead of them.

    `source` gets the parent, the model and the steps, and returns the recipes' source and size;
    `prompt` replaces the words that say what the parent shows, and `settings` those that it has of
    the parent's. Raises Refused, with a sentence for the user.
    """
    parent = only_parent(context)
    card = inpainter(parent, context.models)
    own = card if is_painted_by(card, parent) else None
    references = _references(parent.recipe.recipe, card)
    parent_words = words_of(context)
    words = parent_words if prompt is None else prompt
    if not (words.strip() or parent_words.strip() or show_content((), references)):
        words = NEUTRAL_PROMPT  # its lines, which are not kept, said what to paint
    options = _options(parent.recipe.recipe, words, own)
    is_typed = prompt is not None and words != parent_words
    options, notes = _with_settings(options, settings, card, context, is_typed=is_typed)
    try:
        steps = card.steps if options.steps is None else options.steps
        new_source, size = source(parent, card, steps)
        steered: dict[str, Any] = {
            "source": new_source,
            "adapters": _adapters(parent.recipe.recipe, card),
            "references": references,
        }
        if is_typed:
            recipes = make_variants(options, card, context, size=size, steered=steered)
        else:
            recipes = make_recipes(options, card, size=size, seed=context.seed, **steered)
    except ValueError as error:
        raise Refused(str(error)) from error
    return Plan(
        recipes=recipes,
        inputs=(picture_input(parent), *inputs),
        edges=edges(parent, relation, len(recipes)),
        prompt=words if is_typed and words != recipes[0].prompt else "",
        notes=notes,
    )


def on_canvas(canvas: Canvas, card: ModelCard, steps: int) -> tuple[Source, Size]:
    """The source and the size of recipes that paint the rest of a canvas around the parent."""
    strength = SMALL_STRENGTH if card.native_size < SMALL_NATIVE_SIZE else STRENGTH
    source = Outpaint(
        image=pending_image(InputRole.PICTURE),
        left=canvas.left,
        top=canvas.top,
        width=canvas.width,
        height=canvas.height,
        strength=max(strength, card.rounding.smallest_strength(steps)),
        rounding=card.rounding,
    )
    return source, canvas.size


def words_of(context: PlanContext) -> str:
    """What the only parent shows."""
    return context.words or only_parent(context).recipe.prompt


def picture_input(picture: Picture) -> PlanInput:
    """An earlier picture as the one that is changed, at the size of the recipes."""
    return PlanInput(role=InputRole.PICTURE, url=picture_url(picture.id), keep_size=True)


def edges(parent: Picture, relation: Relation, count: int) -> tuple[Edge, ...]:
    """All pictures of a plan were made from this one."""
    return tuple(Edge(child, parent.id, relation) for child in range(1, count + 1))


def _options(recipe: Recipe, prompt: str, card: ModelCard | None) -> PictureOptions:
    """The options with which the recipe was painted, as far as they suit the model; `card` is None
    if another model paints."""
    words = PictureOptions(
        prompt=prompt,
        negative=recipe.negative,
        raw=recipe.prompt_format is PromptFormat.PLAIN,
        count=COUNT,
    )
    if card is None:
        return words
    try:
        card.check_distillation(recipe)
    except ValueError:  # an older recipe may have more than new ones
        return words
    return msgspec.structs.replace(
        words,
        steps=recipe.steps,
        guidance=recipe.guidance,
        sampler=recipe.sampler.value,
        clip_skip=recipe.clip_skip,
    )


def _with_settings(
    options: PictureOptions,
    settings: PictureOptions | None,
    card: ModelCard,
    context: PlanContext,
    *,
    is_typed: bool,
) -> tuple[PictureOptions, tuple[str, ...]]:
    """The options with those settings that are not None, and sentences for the user; `is_typed`
    says that the prompt may have permutations. Raises Refused."""
    typed = PictureOptions(prompt="") if settings is None else settings
    most = context.limits.max_pictures
    if typed.count is not None and typed.count < 1:
        raise Refused(
            _("The count is {count}; it must be 1 to {most}.").format(count=typed.count, most=most)
        )
    typed, notes = lowered(typed, card, context.limits)
    changes = {
        name: value
        for name in PictureOptions.__struct_fields__
        if name not in ("prompt", "raw") and (value := getattr(typed, name)) is not None
    }
    if typed.negative:
        changes["negative"] = joined((options.negative, typed.negative))
    options = msgspec.structs.replace(options, **changes)
    if not is_typed or options.raw:
        return options, notes
    fitting, count_notes = with_fitting_count(
        msgspec.structs.replace(options, count=typed.count), most
    )
    count = options.count if fitting.count is None else fitting.count
    return msgspec.structs.replace(options, count=count), (*notes, *count_notes)


def _adapters(recipe: Recipe, card: ModelCard) -> tuple[Adapter, ...]:
    """The LoRAs of the recipe that the model has."""
    here = {(adapter.name, adapter.revision) for adapter in card.adapters}
    return tuple(item for item in recipe.adapters if (item.name, item.revision) in here)


def _references(recipe: Recipe, card: ModelCard) -> tuple[Reference, ...]:
    """The references of the recipe, if the model reads them in the same way."""
    adapter = card.image_adapter
    here = None if adapter is None else (adapter.name, adapter.revision)
    return tuple(item for item in recipe.references if (item.adapter, item.revision) == here)
