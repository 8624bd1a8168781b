"""Region: a part of an earlier picture painted again; pure."""

from typing import Final

import msgspec

from bot.domain.canvas import Size
from bot.domain.job_input import InputRole, PlanInput, cells_url, pending_image
from bot.domain.picture import Picture
from bot.domain.plan import PICTURE_ACTIONS, JobKind, Plan, PlanContext, Relation
from bot.domain.repainting import painted_size, repainted
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import Inpaint, ModelCard, PictureOptions, Source

CELLS: Final = (
    N_("top left"),
    N_("top"),
    N_("top right"),
    N_("left"),
    N_("middle"),
    N_("right"),
    N_("bottom left"),
    N_("bottom"),
    N_("bottom right"),
)
"""The parts of a picture, in reading order."""
NOWHERE: Final = N_("Choose where to paint, or upload a mask.")
EVERYWHERE: Final = N_(
    "That is the whole picture, so nothing of it would be left. Choose some of its parts."
)
STRENGTH: Final = 1.0
FLAGS: Final = ("negative", "seed", "steps", "guidance", "sampler", "count")
"""Those of the prompt in the form."""


class RegionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the picture `PlanContext.parents`."""

    prompt: str
    """What to paint there."""
    options: PictureOptions = PictureOptions(prompt="")
    """Settings in place of those of the picture; a negative prompt is added to its own."""
    cells: frozenset[int] = frozenset()
    """Indexes into CELLS."""
    mask_url: str | None = None
    """The address of a mask, which counts in place of the cells."""


def plan(request: RegionRequest, context: PlanContext) -> Plan:
    """Four pictures. Raises Refused, with a sentence for the user."""
    mask = PlanInput(role=InputRole.MASK, url=request.mask_url or _cells(request.cells))

    def source(parent: Picture, card: ModelCard, _: int) -> tuple[Source, Size]:
        image, masking = pending_image(InputRole.PICTURE), pending_image(InputRole.MASK)
        return Inpaint(image, masking, STRENGTH, card.rounding), painted_size(parent, card)

    return repainted(
        context,
        Relation.REGION,
        source,
        prompt=request.prompt,
        settings=request.options,
        inputs=[mask],
    )


def _cells(cells: frozenset[int]) -> str:
    """The mask of these parts, as the address of an input."""
    if not cells or not cells <= set(range(len(CELLS))):
        raise Refused(_(NOWHERE))
    if len(cells) == len(CELLS):
        raise Refused(_(EVERYWHERE))
    return cells_url(cells)


KIND: Final = JobKind(name="region", title=N_("Region: "), plan=plan, actions=PICTURE_ACTIONS)
