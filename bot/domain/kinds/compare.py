"""/compare: models or samplers on one prompt, with the same seeds; pure."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bot.domain import loras, styles
from bot.domain.kinds.imagine import ImagineOptions, chosen_styles, size_of, with_option
from bot.domain.limits import check_pictures
from bot.domain.lowering import lowered_count, lowered_settings
from bot.domain.model_names import find_model, short_names
from bot.domain.plan import SEED_AXIS, Axis, JobKind, Matrix, Plan, PlanContext
from bot.domain.row_classes import with_row_classes
from bot.domain.steering import References
from bot.domain.variants import plain_words
from bot.errors import Refused
from bot.i18n import N_, _, pgettext
from engine.contract import (
    RANDOM_SEED,
    SEED_LIMIT,
    ModelCard,
    Recipe,
    check_seed,
    make_recipes,
)

DEFAULT_COUNT: Final = 3
"""Pictures in a row."""


class CompareRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request by /compare."""

    options: ImagineOptions
    """Those that all pictures have; its `count` is that of the pictures in a row."""
    models: str | None = None
    """Names, separated by commas; without any and without samplers, all models are compared that
    paint from words and take the references and LoRAs."""
    samplers: str | None = None
    """Names, separated by commas."""
    references: References = References()
    notes: tuple[str, ...] = ()
    """Sentences for the user about how the request was read."""

    def steered(self, model: ModelCard, models: Sequence[ModelCard]) -> dict[str, Any]:
        """What `make_recipes` takes beside the options. Raises Refused."""
        prompt = self.options.prompt
        return {
            "adapters": loras.parse(self.options.loras, model, models),
            "references": self.references.pending(model, models, prompt=prompt),
        }


class _Row(msgspec.Struct, frozen=True):
    model: ModelCard
    sampler: str | None
    label: str


def plan(request: CompareRequest, context: PlanContext) -> Plan:
    """A row for each combination of the models and samplers, with the same seeds.

    Raises Refused, with a sentence for the user.
    """
    words = plain_words(request.options.prompt, is_raw=request.options.raw)
    options = msgspec.structs.replace(request.options, prompt=words)
    request = msgspec.structs.replace(request, options=options)
    rows = _rows(request, context.models)
    count = DEFAULT_COUNT if request.options.count is None else request.options.count
    if count < 1:
        raise Refused(_("The count is {count}; it must be at least 1.").format(count=count))
    most = context.limits.max_pictures // len(rows)
    check_pictures(len(rows) * min(count, max(most, 1)), context.limits)
    count, notes = lowered_count(count, most, N_("that there may be in a row"))
    seed = _first_seed(request.options, context)
    named = chosen_styles(request.options.styles, context)
    recipes, row_notes = list[Recipe](), list[str]()
    for row in rows:
        options, lowerings = _row_options(request, row)
        options, style_notes = styles.apply(options, named.styles, row.model)
        size = size_of(row.model, options)
        row_notes += (*lowerings, *style_notes, *size.notes)
        for nth in range(count):
            cell = msgspec.structs.replace(options, seed=(seed + nth) % SEED_LIMIT)
            recipes.append(_recipe(request, cell, row.model, context.models, size.size))
    seeds = tuple(str(recipe.seed) for recipe in recipes[:count])
    prompt = request.options.prompt
    return Plan(
        recipes=with_row_classes(recipes, context.models),
        prompt=prompt if prompt != recipes[0].prompt else "",
        layout=Matrix(
            rows=Axis(_axis_name(request), tuple(row.label for row in rows)),
            columns=Axis(SEED_AXIS, seeds),
        ),
        inputs=request.references.inputs,
        notes=tuple(dict.fromkeys((*request.notes, *named.notes, *notes, *row_notes))),
    )


def _row_options(request: CompareRequest, row: _Row) -> tuple[ImagineOptions, tuple[str, ...]]:
    """The options of a row's pictures, as far as its model takes them, and what was lowered."""
    sampler = row.sampler or request.options.sampler
    options = msgspec.structs.replace(request.options, count=1, sampler=sampler)
    return lowered_settings(options, row.model)


def with_preference(
    request: CompareRequest, name: str, value: object, context: PlanContext
) -> CompareRequest:
    """The request with a value of an option that was not given."""
    is_axis = name == "sampler" and request.samplers is not None
    if is_axis or name not in ("steps", "sampler", "aspect", "styles"):
        return request
    return with_option(request, name, value, context)


def _first_seed(options: ImagineOptions, context: PlanContext) -> int:
    if options.seed is None or options.seed == RANDOM_SEED:
        return context.seed
    try:
        check_seed("seed", options.seed)
    except ValueError as error:
        raise Refused(str(error)) from error
    return options.seed


def _rows(request: CompareRequest, models: Sequence[ModelCard]) -> list[_Row]:
    samplers = _names("samplers", request.samplers)
    model_names = _names("models", request.models)
    if not samplers and request.models is None:
        model_names = _fitting(request, models)
    cards = [find_model(name, models) for name in model_names] or [
        find_model(request.options.model, models)
    ]
    if len(set(map(id, cards))) < len(cards):
        raise Refused(_("The option models has two names of the same model."))
    labels = {id(card): name for name, card in short_names(models).items()}
    row_samplers: list[str | None] = [*samplers] or [None]
    rows = [
        _Row(card, sampler, _label(labels[id(card)] if model_names else "", sampler or ""))
        for card in cards
        for sampler in row_samplers
    ]
    if len(rows) < 2:  # one row is no comparison
        raise Refused(
            _(
                "Name at least two models or samplers, with commas between them. The "
                "models are: {values}. The samplers are: {samplers}."
            ).format(values=", ".join(labels.values()), samplers=", ".join(models[0].samplers))
        )
    return rows


def _fitting(request: CompareRequest, models: Sequence[ModelCard]) -> list[str]:
    """The names of the models that can paint the request; if only one can, of all that paint from
    words, so that another one says what it cannot do."""
    painters = {name: card for name, card in short_names(models).items() if not card.is_editor}
    fitting = [name for name, card in painters.items() if _can_paint(request, card, models)]
    return fitting if len(fitting) > 1 else list(painters)


def _can_paint(request: CompareRequest, card: ModelCard, models: Sequence[ModelCard]) -> bool:
    try:
        request.steered(card, models)
    except Refused:
        return False
    return True


def _names(option: str, text: str | None) -> list[str]:
    """The names in this text, each once."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if names.count(name) > 1:
            raise Refused(
                _("The option {option} has “{name}” more than once.").format(
                    option=pgettext("option name", option), name=name[:50]
                )
            )
    return names


def _label(model: str, sampler: str) -> str:
    return " · ".join(part for part in (model, sampler) if part)


def _axis_name(request: CompareRequest) -> str:
    has_models = request.models or not request.samplers
    names = ("model" if has_models else "", "sampler" if request.samplers else "")
    return _label(*names)


def _recipe(
    request: CompareRequest,
    options: ImagineOptions,
    model: ModelCard,
    models: Sequence[ModelCard],
    size: tuple[int, int],
) -> Recipe:
    try:
        return make_recipes(
            options,
            model,
            size=size,
            seed=options.seed or 0,
            **request.steered(model, models),
        )[0]
    except ValueError as error:
        raise Refused(str(error)) from error


KIND: Final = JobKind(name="compare", title=N_("Compared: "), plan=plan, actions=("reroll",))
