"""Blend: two to five pictures mixed into one; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain import loras, styles
from bot.domain.axes import MAX_TEXT
from bot.domain.job_input import InputRole, PlanInput, pending_image
from bot.domain.kinds.imagine import ImagineOptions, chosen_styles, size_of, with_option
from bot.domain.lowering import lowered
from bot.domain.numbers import parse_number
from bot.domain.plan import PICTURE_ACTIONS, JobKind, Plan, PlanContext
from bot.domain.repainting import COUNT, model_that
from bot.domain.variants import make_variants, with_fitting_count
from bot.errors import Refused
from bot.i18n import N_, _, ngettext
from engine.contract import NEUTRAL_PROMPT, ModelCard, ReferenceRole

MIN_PICTURES: Final = 2
MAX_PICTURES: Final = 5
MAX_RATIO: Final = 1000.0
PROMPT: Final = NEUTRAL_PROMPT
"""If the request has no prompt."""
NO_BLENDER: Final = N_(
    "None of my models takes reference pictures, so I cannot blend any. Whoever runs "
    "me can add an IP-Adapter."
)
LACK: Final = N_("takes no reference pictures that could be mixed")


class BlendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request by /blend."""

    options: ImagineOptions
    """Its prompt is PROMPT if there is none."""
    picture_urls: tuple[str, ...]
    """The addresses of the pictures."""
    ratios: str = ""
    """How much of each, such as `2:1`; as much of each if it is empty."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about how the request was read."""


def can_blend(card: ModelCard) -> bool:
    """Whether the model mixes reference pictures."""
    return card.image_adapter is not None and ReferenceRole.BLEND in card.image_adapter.roles


def shares(ratios: str, count: int) -> tuple[float, ...]:
    """The share of each of so many pictures; together 1. Raises Refused, with a sentence for the
    user."""
    if not ratios.strip():
        return (1 / count,) * count
    texts = [text.strip() for text in ratios[:MAX_TEXT].replace("/", ":").split(":")]
    if len(texts) != count:
        raise Refused(
            ngettext(
                "The option ratios has {count} number, and there are {pictures} pictures; "
                "give one for each, such as 2:1.",
                "The option ratios has {count} numbers, and there are {pictures} pictures; "
                "give one for each, such as 2:1.",
                len(texts),
            ).format(count=len(texts), pictures=count)
        )
    numbers = [parse_number(text, "ratio", MAX_RATIO) for text in texts]
    if min(numbers) <= 0:
        raise Refused(_("A ratio is 0; each picture needs one above 0."))
    return tuple(number / sum(numbers) for number in numbers)


def plan(request: BlendRequest, context: PlanContext) -> Plan:
    """Pictures with consecutive seeds, by default four. Raises Refused, with a sentence for the
    user."""
    urls, options = request.picture_urls, request.options
    if not MIN_PICTURES <= len(urls) <= MAX_PICTURES:
        raise Refused(
            ngettext(
                "{count} picture given; {least} to {most} can be blended.",
                "{count} pictures given; {least} to {most} can be blended.",
                len(urls),
            ).format(count=len(urls), least=MIN_PICTURES, most=MAX_PICTURES)
        )
    card = model_that(can_blend, context.models, _(NO_BLENDER), options.model, LACK)
    options, count_notes = with_fitting_count(options, context.limits.max_pictures)
    count = COUNT if options.count is None else options.count
    if count < 1:
        raise Refused(
            _("The count is {count}; it must be 1 to {limit}.").format(
                count=count, limit=context.limits.max_pictures
            )
        )
    options = msgspec.structs.replace(options, count=count)
    options, notes = lowered(options, card, context.limits)
    size, named = size_of(card, options), chosen_styles(options.styles, context)
    options, style_notes = styles.apply(options, named.styles, card)
    try:
        references = [
            card.reference(
                pending_image(InputRole.BLEND, nth), role=ReferenceRole.BLEND, scale=share
            )
            for nth, share in enumerate(shares(request.ratios, len(urls)), start=1)
        ]
        steered = {
            "adapters": loras.parse(options.loras, card, context.models),
            "references": references,
        }
        recipes = make_variants(options, card, context, size=size.size, steered=steered)
    except ValueError as error:
        raise Refused(str(error)) from error
    return Plan(
        recipes=recipes,
        prompt=_shown(request.options, recipes[0].prompt, urls),
        inputs=_inputs(urls, keep_size=options.aspect is not None),
        notes=(*request.notes, *named.notes, *notes, *style_notes, *size.notes, *count_notes),
    )


def with_preference(
    request: BlendRequest, name: str, value: object, context: PlanContext
) -> BlendRequest:
    """The request with a value of an option that was not given. The pictures have their own
    aspect."""
    return request if name == "aspect" else with_option(request, name, value, context)


def _shown(options: ImagineOptions, prompt: str, urls: Sequence[str]) -> str:
    """The words in messages; empty for those of the recipe."""
    if options.prompt == PROMPT:
        return _("{count} pictures").format(count=len(urls))
    return options.prompt if options.prompt != prompt else ""


def _inputs(urls: Sequence[str], *, keep_size: bool) -> tuple[PlanInput, ...]:
    return tuple(
        PlanInput(role=InputRole.BLEND, url=url, nth=nth, keep_size=keep_size)
        for nth, url in enumerate(urls, start=1)
    )


KIND: Final = JobKind(name="blend", title=N_("Blended: "), plan=plan, actions=PICTURE_ACTIONS)
