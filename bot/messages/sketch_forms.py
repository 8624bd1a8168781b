"""The form that asks how to paint over a picture, and the preview of what the model will see; pure.

Custom ids and messages have all of their state, so that they also work after a restart.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import discord

from bot.domain.picture_size import ASPECTS
from bot.domain.sketches import BALANCED, LINES, STRENGTHS
from bot.i18n import N_, _, decimal, in_all_languages, pgettext
from bot.messages import components
from bot.messages.components import VERSION, submitted_text, submitted_values
from engine.contract import MAX_PROMPT_CHARS
from engine.contract.images.fit import Fit

PROMPT: Final = "prompt"
STRENGTH: Final = "strength"
FIT: Final = "fit"
ASPECT: Final = "aspect"
FIRST: Final = "first"
"""The field that says what comes first: the pictures or a preview."""
PREVIEW: Final = "preview"
OWN_ASPECT: Final = "sketch"
"""The choice of the sketch's own aspect ratio."""
FILE_NAME: Final = "sketch.png"
_PAINT: Final = f"{VERSION}:sketchpaint"
_REFIT: Final = f"{VERSION}:sketchfit"
_ADDRESS_MODAL: Final = f"{VERSION}:sketchby"
_CDN: Final = "https://cdn.discordapp.com/attachments/"
_MAX_CUSTOM_ID: Final = 100
_TITLE: Final = N_("What the model will see")
_SETTINGS: Final = (
    r"(?P<strength>[a-z]{1,12}):(?P<fit>[a-z]{1,12}):(?P<aspect>[a-z]{1,12})"
    r"(?::(?P<job>[0-9a-z]{1,24}):(?P<nth>[0-9]{1,3}))?"
)
PAINT_PATTERN: Final = f"{_PAINT}:{_SETTINGS}"
REFIT_PATTERN: Final = f"{_REFIT}:{_SETTINGS}"
ADDRESS_PATTERN: Final = rf"{_ADDRESS_MODAL}:(?P<address>\S+)"
_FITS: Final = {
    Fit.COVER: N_("Fill the picture, and crop what sticks out"),
    Fit.CONTAIN: N_("Show all of it, and paint more beside it"),
    Fit.STRETCH: N_("Distort it to the picture's shape"),
}


class SketchSettings(NamedTuple):
    """How a picture is painted over, as the user chose it; not checked yet."""

    strength: str = BALANCED
    """A key of STRENGTHS, or LINES."""
    fit: str = Fit.COVER.value
    aspect: str = OWN_ASPECT
    """A key of ASPECTS, or OWN_ASPECT."""


class SketchPreview(NamedTuple):
    """A preview of a sketch, and all that is needed to paint it."""

    prompt: str
    settings: SketchSettings
    size: tuple[int, int]
    """Width and height in pixels of the pictures."""
    url: str | None = None
    """The address of an attachment; None for a picture of a job."""
    picture: tuple[str, int] | None = None
    """The id of the job and the number of its picture."""


def address_custom_id(url: str) -> str | None:
    """The custom id of the form about an attachment; None if its address is too long for it.

    The address is stored without its signature, which is made anew when it is downloaded.
    """
    custom_id = f"{_ADDRESS_MODAL}:{url.partition('?')[0].removeprefix(_CDN)}"
    return custom_id if len(custom_id) <= _MAX_CUSTOM_ID else None


def address_of(match: re.Match[str]) -> str:
    """The address of the attachment that a custom id names."""
    address = match["address"]
    return address if "://" in address else f"{_CDN}{address}"


def modal(custom_id: str, words: str = "", *, can_follow_lines: bool) -> discord.ui.Modal:
    """Asks what to paint and how to use the sketch; `words` are what it shows, if that is known."""
    form = discord.ui.Modal(title=pgettext("title", "Use as sketch"), custom_id=custom_id)
    prompt = discord.ui.TextInput[discord.ui.Modal](
        custom_id=PROMPT,
        style=discord.TextStyle.paragraph,
        placeholder=pgettext("label description", "a lighthouse at dusk"),
        default=words or None,
        max_length=MAX_PROMPT_CHARS,
    )
    aspect = discord.ui.Select[discord.ui.Modal](
        custom_id=ASPECT,
        options=[
            discord.SelectOption(
                label=pgettext("option", "As the sketch"), value=OWN_ASPECT, default=True
            ),
            *(discord.SelectOption(label=_(name).capitalize(), value=name) for name in ASPECTS),
        ],
    )
    fits = {fit.value: (_(fit.value).capitalize(), _(text)) for fit, text in _FITS.items()}
    firsts = {
        "paint": (_("Paint"), _("The pictures are posted here")),
        PREVIEW: (_("Preview"), _("Show only me what the model will see")),
    }
    strength = _radio(STRENGTH, _strengths(can_follow_lines), BALANCED)
    for label, component in (
        (_("What the pictures should show"), prompt),
        (_("How much of the sketch to keep"), strength),
        (_("Aspect ratio"), aspect),
        (_("If the sketch has another aspect ratio"), _radio(FIT, fits, Fit.COVER.value)),
        (_("First"), _radio(FIRST, firsts, "paint")),
    ):
        form.add_item(discord.ui.Label[discord.ui.Modal](text=label, component=component))
    form.stop()
    return form


def _strengths(can_follow_lines: bool) -> dict[str, tuple[str, str]]:
    texts = (_("Stay close to it"), _("Keep its shapes and colours"), _("Take it as a hint"))
    options = {
        name: (f"{_(name).capitalize()} ({decimal(value)})", text)
        for (name, value), text in zip(STRENGTHS.items(), texts, strict=True)
    }
    if can_follow_lines:
        options[LINES] = (_("Follow its lines"), _("Its colours do not count"))
    return options


def _radio(
    custom_id: str, options: Mapping[str, tuple[str, str]], default: str
) -> discord.ui.RadioGroup[Any]:
    return discord.ui.RadioGroup(
        custom_id=custom_id,
        options=[
            discord.RadioGroupOption(
                label=label, value=value, description=text, default=value == default
            )
            for value, (label, text) in options.items()
        ],
    )


def submitted_settings(interaction: discord.Interaction[Any]) -> SketchSettings:
    """What a submitted form says about the sketch."""
    return SketchSettings(
        submitted_text(interaction, STRENGTH) or BALANCED,
        submitted_text(interaction, FIT) or Fit.COVER.value,
        next(iter(submitted_values(interaction, ASPECT)), OWN_ASPECT),
    )


def preview_embed(preview: SketchPreview) -> discord.Embed:
    """What the model will see, the prompt, and the address, which is the only state of uploads."""
    width, height = preview.size
    how = (
        _("its lines are followed")
        if preview.settings.strength == LINES
        else _("it is painted over")
    )
    embed = discord.Embed(title=_(_TITLE), description=preview.prompt, url=preview.url)
    embed.set_image(url=f"attachment://{FILE_NAME}")
    embed.set_footer(text=f"{width} x {height} · {preview.settings.fit} · {how}")
    return embed


def preview_view(preview: SketchPreview) -> discord.ui.View:
    """Paint, and the other fits."""
    view = discord.ui.View(timeout=None)
    view.add_item(
        discord.ui.Button(
            label=pgettext("button", "🎨 Paint"),
            style=discord.ButtonStyle.primary,
            custom_id=_custom_id(_PAINT, preview, preview.settings.fit),
        )
    )
    for fit in Fit:
        fit_button = components.button(
            _(fit.value).capitalize(), _custom_id(_REFIT, preview, fit.value)
        )
        fit_button.disabled = fit.value == preview.settings.fit
        view.add_item(fit_button)
    view.stop()
    return view


def _custom_id(name: str, preview: SketchPreview, fit: str) -> str:
    settings = preview.settings
    source = "" if preview.picture is None else f":{preview.picture[0]}:{preview.picture[1]}"
    return f"{name}:{settings.strength}:{fit}:{settings.aspect}{source}"


def settings_of(match: re.Match[str]) -> SketchSettings:
    """The settings in the custom id of a button of a preview."""
    return SketchSettings(match["strength"], match["fit"], match["aspect"])


def shown_preview(message: discord.Message | None) -> tuple[str, str | None] | None:
    """The prompt and the address of the sketch that a preview shows; None for other messages."""
    embeds = [] if message is None else message.embeds
    embed = next((embed for embed in embeds if embed.title in in_all_languages(_TITLE)), None)
    return None if embed is None else (embed.description or "", embed.url)
