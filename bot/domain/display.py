"""How many times larger pictures are shown; pure."""

from collections.abc import Sequence
from typing import Final

from bot.domain.plan import Plan
from engine.contract import ModelCard, UpscalerCard, Work

SMALL_NATIVE_SIZE: Final = 256
"""Pictures of models below this native size are shown enlarged, unless a guild chose otherwise."""
SHOWN_SIDES: Final = 4
"""They are shown with up to this many times the sides of the native size."""


def display_scale(
    plan: Plan,
    models: Sequence[ModelCard],
    upscalers: Sequence[UpscalerCard],
    chosen: int | None = None,
) -> int:
    """The factor for the pictures of a plan; 1 for none. `chosen` is the guild's setting.

    Films and strips are shown in place of their pictures, which are not enlarged then.
    """
    if plan.capture.film or plan.capture.strip or not upscalers:
        return 1
    if chosen is not None:
        return chosen if chosen in upscalers[0].scales else 1
    scales = [_automatic(work, models, upscalers[0].scales) for work in plan.recipes]
    return min(scales)


def _automatic(work: Work, models: Sequence[ModelCard], scales: Sequence[int]) -> int:
    native = next((m.native_size for m in models if m.name == work.model), SMALL_NATIVE_SIZE)
    if native >= SMALL_NATIVE_SIZE:
        return 1
    limit = (SHOWN_SIDES * native) ** 2
    fitting = [scale for scale in scales if work.width * work.height * scale**2 <= limit * 3 / 2]
    return max(fitting, default=1)
