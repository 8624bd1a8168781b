"""/explore: a matrix of pictures that differ in one or two settings; pure."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Final

import msgspec

from bot.domain import loras, styles
from bot.domain.axes import Values, as_integers, as_numbers, parse_values
from bot.domain.job_input import PENDING_IMAGE
from bot.domain.kinds.imagine import (
    ImagineOptions,
    chosen_styles,
    is_styled,
    sketch_inputs,
)
from bot.domain.limits import check_pictures
from bot.domain.model_names import find_model
from bot.domain.picture_size import chosen_size
from bot.domain.plan import (
    SEED_AXIS,
    STEPS_AXIS,
    Axis,
    JobKind,
    Matrix,
    Plan,
    PlanContext,
)
from bot.domain.row_classes import with_row_classes
from bot.domain.steering import References
from bot.domain.variants import plain_words
from bot.errors import Refused
from bot.i18n import N_, _, pgettext
from engine.contract import RANDOM_SEED, ModelCard, Recipe, make_recipes

AXES: Final = (STEPS_AXIS, "guidance", "strength", SEED_AXIS, "sampler")
"""The options that can differ; the first of two is the one of the columns."""
STEPS_PRESET: Final = ("12", "24", "38", "50")
PRESETS: Final = ("steps", "samplers")
_PRESET_OPTIONS: Final = {"steps": "steps", "samplers": "sampler"}
_MAX_AXES: Final = 2
_OTHER_AXIS: Final = Axis("", ("",))
_CONVERSIONS: Final[Mapping[str, Callable[[str, Sequence[str]], Sequence[object]]]] = {
    "steps": as_integers,
    "seed": as_integers,
    "guidance": as_numbers,
    "strength": as_numbers,
    "sampler": lambda _, texts: texts,
}


class ExploreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request by /explore."""

    prompt: str
    negative: str | None = None
    model: str | None = None
    values: Mapping[str, str]
    """By the option of AXES, as they were typed."""
    raw: bool = False
    """Brackets in prompts are words."""
    preset: str | None = None
    """One of PRESETS."""
    sketch_url: str | None = None
    """The address of the sketch, if there is one."""
    aspect: str | None = None
    """As `parse_aspect` reads it; None for square, or for that of the sketch."""
    styles: str | None = None
    """As `styles.parse` reads them."""
    loras: str | None = None
    """As `loras.parse` reads them."""
    references: References = References()
    notes: tuple[str, ...] = ()
    """Sentences for the user about how the request was read."""


def plan(request: ExploreRequest, context: PlanContext) -> Plan:
    """One picture for each combination of the values; all others are the same, also the seed.

    Raises Refused, with a sentence for the user.
    """
    words = plain_words(request.prompt, is_raw=request.raw)
    request = msgspec.structs.replace(request, prompt=words)
    model = find_model(request.model, context.models)
    typed = {name: parse_values(name, text) for name, text in _typed(request, model).items()}
    _check_single_values(typed)
    axes = _axes(typed)
    check_pictures(prod(typed[name].count for name in axes), context.limits)
    texts = {name: values.texts() for name, values in typed.items()}
    _check_seeds(texts.get(SEED_AXIS, ()))
    columns = Axis(axes[0], texts[axes[0]])
    rows = Axis(axes[1], texts[axes[1]]) if len(axes) == _MAX_AXES else _OTHER_AXIS
    settings = {name: _CONVERSIONS[name](name, texts[name]) for name in texts}
    steered = {
        "source": None if request.sketch_url is None else PENDING_IMAGE,
        "adapters": loras.parse(request.loras, model, context.models),
        "references": request.references.pending(model, context.models, prompt=request.prompt),
    }
    size = chosen_size(model, aspect=request.aspect)
    named = chosen_styles(request.styles, context)
    recipes, style_notes = list[Recipe](), dict[str, None]()
    for row, column in product(range(len(rows.labels)), range(len(columns.labels))):
        options = _options(request, context.seed, _cell(settings, axes, row, column))
        options, notes = styles.apply(options, named.styles, model)
        style_notes |= dict.fromkeys(notes)
        recipes.append(_recipe(options, model, size.size, steered))
    return Plan(
        recipes=with_row_classes(recipes, context.models),
        layout=Matrix(rows=rows, columns=columns),
        prompt=request.prompt if request.prompt != recipes[0].prompt else "",
        inputs=(
            *sketch_inputs(request.sketch_url, keep_size=request.aspect is not None),
            *request.references.inputs,
        ),
        notes=(*request.notes, *named.notes, *style_notes, *size.notes),
    )


def with_preference(
    request: ExploreRequest, name: str, value: object, context: PlanContext
) -> ExploreRequest:
    """The request with a value of an option that was not given. A sketch has its own aspect."""
    if name in ("model", "aspect", "styles"):
        is_of_sketch = name == "aspect" and request.sketch_url is not None
        if is_of_sketch or getattr(request, name) is not None:
            return request
        return msgspec.structs.replace(request, **{name: str(value)})
    is_preset = request.preset is not None and _PRESET_OPTIONS.get(request.preset) == name
    if name not in ("steps", "sampler") or name in request.values or is_preset:
        return request
    if is_styled(request.styles, name, context):
        return request
    return msgspec.structs.replace(request, values={**request.values, name: str(value)})


def _typed(request: ExploreRequest, model: ModelCard) -> Mapping[str, str]:
    """The values of each option, with those of the preset."""
    typed = dict(request.values)
    if unknown := set(typed) - set(AXES):
        raise Refused(_("There is no option {option}.").format(option=min(unknown)))
    if request.preset is None:
        return typed
    presets = {
        "steps": ",".join(_preset_steps(model)),
        "samplers": ",".join(model.samplers),
    }
    if request.preset not in presets:
        raise Refused(
            _("There is no preset “{preset}”. Choose one of: {presets}.").format(
                preset=request.preset[:50], presets=", ".join(PRESETS)
            )
        )
    option, text = _PRESET_OPTIONS[request.preset], presets[request.preset]
    if option in typed:
        raise Refused(
            _(
                "The preset {preset} has values for the option {option}, which you set "
                "too. Choose one of them."
            ).format(preset=request.preset, option=pgettext("option name", option))
        )
    return typed | {option: text}


def _preset_steps(model: ModelCard) -> Sequence[str]:
    """The preset, or quarters of the steps that a distilled model takes if they are fewer."""
    most = None if model.distilled is None else model.distilled.most_steps
    if most is None or most >= int(STEPS_PRESET[-1]):
        return STEPS_PRESET
    return [str(steps) for steps in sorted({-(-most * nth // 4) for nth in (1, 2, 3, 4)})]


def _check_single_values(typed: Mapping[str, Values]) -> None:
    """Raise Refused with the one that is not understood, before the number of axes is."""
    for name, values in typed.items():
        if values.count == 1:
            _CONVERSIONS[name](name, values.texts())


def _axes(typed: Mapping[str, Values]) -> list[str]:
    """The options with several values, in the order of AXES."""
    axes = [name for name in AXES if name in typed and typed[name].count > 1]
    if not axes:
        raise Refused(
            _(
                "Give one or two options several values, such as `steps` 12,24,38 or "
                "`guidance` 4..12:2, or choose a preset."
            )
        )
    if len(axes) > _MAX_AXES:
        raise Refused(
            _("The options {axes} have several values; at most {limit} may.").format(
                axes=", ".join(axes), limit=_MAX_AXES
            )
        )
    return axes


def _check_seeds(texts: Sequence[str]) -> None:
    """Raise Refused if one of several seeds is the one that stands for any."""
    if len(texts) > 1 and str(RANDOM_SEED) in texts:
        raise Refused(
            _(
                "The option seed has {random_seed}, which is any seed, beside others; "
                "give each seed as a number from 0."
            ).format(random_seed=RANDOM_SEED)
        )


def _cell(
    settings: Mapping[str, Sequence[object]], axes: Sequence[str], row: int, column: int
) -> Mapping[str, object]:
    """The settings of one picture."""
    index = dict(zip(axes, (column, row), strict=False))
    return {name: values[index.get(name, 0)] for name, values in settings.items()}


def _options(request: ExploreRequest, seed: int, settings: Mapping[str, object]) -> ImagineOptions:
    """Those of a picture with these settings."""
    prompts = {"prompt": request.prompt, "negative": request.negative, "raw": request.raw}
    values = {**prompts, "count": 1, **settings}
    if values.get("seed") in (None, RANDOM_SEED):
        values["seed"] = seed
    try:
        return msgspec.convert(values, ImagineOptions)
    except ValueError as error:
        raise Refused(str(error)) from error


def _recipe(
    options: ImagineOptions, model: ModelCard, size: tuple[int, int], steered: Mapping[str, Any]
) -> Recipe:
    """`steered` is what `make_recipes` takes beside options."""
    try:
        return make_recipes(options, model, size=size, seed=options.seed or 0, **steered)[0]
    except ValueError as error:
        raise Refused(str(error)) from error


KIND: Final = JobKind(name="explore", title=N_("Explored: "), plan=plan, actions=("reroll",))
