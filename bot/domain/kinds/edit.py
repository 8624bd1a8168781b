"""Edit: a picture changed by an instruction; pure."""

from typing import Final

import msgspec

from bot.domain import prompt_flags, rules
from bot.domain.job_input import InputRole, PlanInput, pending_image
from bot.domain.kinds.imagine import ImagineOptions, parse, with_option
from bot.domain.lowering import lowered
from bot.domain.picture import Picture
from bot.domain.plan import PICTURE_ACTIONS, JobKind, Plan, PlanContext, Relation
from bot.domain.repainting import COUNT, edges, model_that, only_parent, picture_input
from bot.domain.variants import make_variants, with_fitting_count
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import Edit, ModelCard

NO_EDITOR: Final = N_(
    "None of my models edits pictures by instructions. Whoever runs me can add one, "
    "such as InstructPix2Pix."
)
NO_INSTRUCTION: Final = N_("The instruction is empty. Say in a few words what to change.")
FLAGS: Final = ("negative", "seed", "steps", "guidance", "count", "model")
"""Those of an instruction in a form; /edit has the options of the same names."""
LACK: Final = N_("does not edit pictures by instructions")


class EditRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The one picture of `PlanContext.parents`, or an attachment, changed."""

    options: ImagineOptions
    """The prompt is the instruction."""
    image_guidance: float | None = None
    """How closely to keep the picture; by default that of the model's card."""
    picture_url: str | None = None
    """The address of the attachment; None for the parent."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about how the request was read."""


def editor(context: PlanContext, name: str | None = None) -> ModelCard:
    """The model of this name, or else the first that edits. Raises Refused if there is none."""
    return model_that(lambda card: card.is_editor, context.models, _(NO_EDITOR), name, _(LACK))


def instruction(text: str) -> ImagineOptions:
    """The options of an instruction with flags, as people type it into a form. Raises Refused."""
    flagged = prompt_flags.read(rules.strip_invisible(text), FLAGS)
    return parse(prompt=flagged.prompt, **flagged.values)


def plan(request: EditRequest, context: PlanContext) -> Plan:
    """Pictures with consecutive seeds, by default four. What steered the parent is left out: the
    picture shows it, and belongs to another model. Raises Refused, with a sentence for the user."""
    card = editor(context, request.options.model)
    if not request.options.prompt.strip():
        raise Refused(_(NO_INSTRUCTION))
    most = context.limits.max_pictures
    options, count_notes = with_fitting_count(request.options, most)
    count = COUNT if options.count is None else options.count
    if count < 1:
        raise Refused(
            _("The count is {count}; it must be 1 to {most}.").format(count=count, most=most)
        )
    options = msgspec.structs.replace(options, count=count)
    options, notes = lowered(options, card, context.limits)
    parent = only_parent(context) if request.picture_url is None else None
    guidance = card.image_guidance if request.image_guidance is None else request.image_guidance
    size = card.size_for_aspect(1.0)
    if parent is not None:
        size = card.size_for_init_image(*parent.recipe.size)
    try:
        source = Edit(pending_image(InputRole.PICTURE), guidance)
        recipes = make_variants(options, card, context, size=size, steered={"source": source})
    except ValueError as error:
        raise Refused(str(error)) from error
    prompt = request.options.prompt
    return Plan(
        recipes=recipes,
        prompt=prompt if prompt != recipes[0].prompt else "",
        inputs=(_input(request, parent),),
        edges=() if parent is None else edges(parent, Relation.EDIT, len(recipes)),
        notes=(*request.notes, *notes, *count_notes),
    )


def with_preference(
    request: EditRequest, name: str, value: object, context: PlanContext
) -> EditRequest:
    """The request with a value of an option that was not given. The picture has its own aspect, and
    an instruction no styles; another model paints than the default one."""
    is_used = name in ("steps", "sampler", "count")
    return with_option(request, name, value, context) if is_used else request


def _input(request: EditRequest, parent: Picture | None) -> PlanInput:
    if parent is not None:
        return picture_input(parent)
    return PlanInput(role=InputRole.PICTURE, url=request.picture_url or "")


KIND: Final = JobKind(name="edit", title=N_("Edited: "), plan=plan, actions=PICTURE_ACTIONS)
