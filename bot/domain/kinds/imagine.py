"""/imagine: the plan of the options of the command; pure."""

from typing import Any, Final, Protocol, TypeVar

import msgspec

from bot.domain import loras, steering, styles
from bot.domain.job_input import InputRole, PlanInput, pending_image
from bot.domain.lowering import lowered
from bot.domain.model_names import find_model
from bot.domain.picture_size import ChosenSize, chosen_size
from bot.domain.plan import (
    PICTURE_ACTIONS,
    JobKind,
    Plan,
    PlanContext,
    Relation,
)
from bot.domain.repainting import edges
from bot.domain.steering import References
from bot.domain.variants import make_variants, with_fitting_count
from bot.errors import Refused
from bot.i18n import _
from engine.contract import ModelCard, PictureOptions
from engine.contract.images.fit import Fit


class ImagineOptions(PictureOptions, frozen=True, kw_only=True):
    """The options of /imagine."""

    aspect: str | None = None
    """As `parse_aspect` reads it; None for square, or for that of the sketch."""
    width: int | None = None
    """In pixels, as the user gave it."""
    height: int | None = None
    model: str | None = None
    """The short or whole name of a loaded model; None for the default."""
    mode: str | None = None
    """One of `steering.MODES`; None for painting over the sketch."""
    fit: str | None = None
    """One of `Fit`: how the sketch is brought to the size of the pictures; None for cover."""
    reference_strength: float | None = None
    """The scale of all references; None for the default of each."""
    loras: str | None = None
    """As `loras.parse` reads them."""
    styles: str | None = None
    """As `styles.parse` reads them."""


class HasOptions(Protocol):
    """A request by a command with options of /imagine."""

    @property
    def options(self) -> ImagineOptions:
        """Those that the user gave."""


R = TypeVar("R", bound=HasOptions)


class ImagineRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request by /imagine."""

    options: ImagineOptions
    sketch_url: str | None = None
    """The address of the sketch, if there is one: that of an attachment, or `picture_url` of the
    only parent of the context."""
    style_url: str | None = None
    """The address of a reference for the style, if there is one."""
    like_url: str | None = None
    """The address of a reference for content and style, if there is one."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about how the request was read."""
    own_words: str = ""
    """The user's own prompt, if that of the options is an expansion of it."""

    @property
    def follows_lines(self) -> bool:
        """Whether the lines of the sketch are followed. Raises Refused for an impossible mode."""
        return steering.follows_lines(self.options.mode, has_sketch=self.sketch_url is not None)

    @property
    def references(self) -> References:
        """The references there are."""
        return References(
            style_url=self.style_url, like_url=self.like_url, scale=self.options.reference_strength
        )


def parse(**options: object) -> ImagineOptions:
    """Options from outside. Raises Refused for a value of the wrong type."""
    values = {name: value for name, value in options.items() if value is not None}
    try:
        return msgspec.convert(values, ImagineOptions)
    except msgspec.ValidationError as error:
        raise Refused(_("One of the options is not valid: {error}.").format(error=error)) from error


def plan(request: ImagineRequest, context: PlanContext) -> Plan:
    """The plan with seeds seed, seed + 1, …; recipes name placeholders of its attachments.

    Raises Refused, with a sentence for the user.
    """
    options = request.options
    model = find_model(options.model, context.models)
    if options.count is not None and options.count < 1:
        most = context.limits.max_pictures
        raise Refused(
            _("The count is {count}; it must be 1 to {most}.").format(
                count=options.count, most=most
            )
        )
    options, notes = lowered(options, model, context.limits)
    size = size_of(model, options)
    named = chosen_styles(options.styles, context)
    options, style_notes = styles.apply(options, named.styles, model)
    options, count_notes = with_fitting_count(options, context.limits.max_pictures)
    steered = _steering(request, model, context, options.prompt)
    if request.follows_lines:
        options = msgspec.structs.replace(options, strength=None)  # it is the control's scale
    try:
        recipes = make_variants(options, model, context, size=size.size, steered=steered)
    except ValueError as error:
        raise Refused(str(error)) from error
    prompt = request.own_words or request.options.prompt
    return Plan(
        prompt=prompt if prompt != recipes[0].prompt else "",
        recipes=recipes,
        inputs=_inputs(request, context),
        edges=tuple(
            edge
            for parent in context.parents
            for edge in edges(parent, Relation.SKETCH, len(recipes))
        ),
        notes=(*request.notes, *named.notes, *notes, *style_notes, *count_notes, *size.notes),
    )


def _steering(
    request: ImagineRequest, model: ModelCard, context: PlanContext, prompt: str
) -> dict[str, Any]:
    """What `make_recipes` takes beside the options."""
    models, options = context.models, request.options
    is_followed = request.follows_lines
    references = request.references.pending(model, models, prompt=prompt)
    image = pending_image(_sketch_role(request, context))
    controls = []
    if is_followed:
        controls = [steering.line_control(model, models, options.strength, image)]
    is_painted_over = request.sketch_url is not None and not is_followed
    return {
        "source": image if is_painted_over else None,
        "adapters": loras.parse(options.loras, model, models),
        "controls": controls,
        "references": references,
    }


def _sketch_role(request: ImagineRequest, context: PlanContext) -> InputRole:
    """An earlier picture has the role of those that are changed, and is removed as they are."""
    if context.parents:
        return InputRole.PICTURE
    return InputRole.CONTROL if request.follows_lines else InputRole.SKETCH


def _inputs(request: ImagineRequest, context: PlanContext) -> tuple[PlanInput, ...]:
    role, fit = _sketch_role(request, context), _fit(request)
    options = request.options
    keep_size = any(side is not None for side in (options.aspect, options.width, options.height))
    return (
        *sketch_inputs(request.sketch_url, keep_size=keep_size, role=role, fit=fit),
        *request.references.inputs,
    )


def _fit(request: ImagineRequest) -> Fit:
    name = request.options.fit
    if name is None:
        return Fit.COVER
    if name not in [fit.value for fit in Fit]:
        raise Refused(
            _("There is no fit “{name}”. Choose one of: {fit}.").format(
                name=name[:50], fit=", ".join(Fit)
            )
        )
    if request.sketch_url is None:
        raise Refused(_("The fit says how to use a sketch, so it needs a sketch."))
    return Fit(name)


def with_preference(
    request: ImagineRequest, name: str, value: object, context: PlanContext
) -> ImagineRequest:
    """The request with a value of an option that was not given.

    A sketch has its own aspect, and styles that were given may have their own settings. Raises
    Refused for styles that do not exist.
    """
    options = request.options
    sides = (request.sketch_url, options.width, options.height)
    if name == "aspect" and any(side is not None for side in sides):
        return request
    return with_option(request, name, value, context)


def with_option(request: R, name: str, value: object, context: PlanContext) -> R:
    """The request with a value of an option, unless the option or a style that was given has one.

    Raises Refused for styles that do not exist.
    """
    options = request.options
    if getattr(options, name) is not None or is_styled(options.styles, name, context):
        return request
    changed = msgspec.structs.replace(options, **{name: value})
    return msgspec.structs.replace(request, options=changed)  # type: ignore[type-var] # a struct


def is_styled(text: str | None, name: str, context: PlanContext) -> bool:
    """Whether one of the styles that an option names has a setting of this name. Raises Refused for
    styles that do not exist."""
    if name not in ("steps", "sampler"):
        return False
    presets = context.presets.styles
    return any(getattr(presets[style], name) is not None for style in styles.parse(text, presets))


def chosen_styles(text: str | None, context: PlanContext) -> styles.Chosen:
    """The styles that an option names or, without it, those of the user's setting. Raises Refused
    for styles that do not exist."""
    return styles.chosen(text, context.preferences.styles, context.presets.styles)


def sketch_inputs(
    url: str | None,
    *,
    keep_size: bool,
    role: InputRole = InputRole.SKETCH,
    fit: Fit = Fit.COVER,
) -> tuple[PlanInput, ...]:
    """The sketch at this address as an input; none without an address."""
    if url is None:
        return ()
    return (PlanInput(role=role, url=url, keep_size=keep_size, fit=fit),)


def size_of(model: ModelCard, options: ImagineOptions) -> ChosenSize:
    """The width and height in pixels of the pictures of a request. Raises Refused if the options do
    not say one."""
    return chosen_size(model, aspect=options.aspect, width=options.width, height=options.height)


KIND: Final = JobKind(name="imagine", plan=plan, actions=PICTURE_ACTIONS)
