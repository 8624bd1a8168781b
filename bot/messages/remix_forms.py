"""The form of a remix as a modal, and what was typed into it as an embed; pure.

The embed is the state of the button that opens the form again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import discord

from bot.domain.model_names import MAX_CHOICES
from bot.domain.remix_form import FormTexts
from bot.i18n import N_, _, in_all_languages, pgettext
from bot.messages.components import submitted_text, submitted_values
from engine.contract import MAX_PROMPT_CHARS, Sampler

_LABELS: Final[Mapping[str, str]] = {
    "prompt": N_("Prompt"),
    "negative": N_("Negative prompt"),
    "settings": N_("Settings"),
    "sampler": N_("Sampler"),
    "model": N_("Model"),
    "shape": N_("Shape"),
}
"""By the names of fields of FormTexts, which are the custom ids of the fields of the modal."""
_MAX_SETTINGS: Final = 1000
_MAX_FIELD: Final = 1024
"""Characters in a field of an embed."""
_SHAPES: Final[Mapping[str, str]] = {
    "": N_("As in the settings"),
    "square": N_("Square"),
    "portrait": N_("Portrait, 2:3"),
    "landscape": N_("Landscape, 3:2"),
    "tall": N_("Tall, 9:16"),
    "wide": N_("Wide, 16:9"),
}
_AS_IT_IS: Final = "as it is"
"""The value of the first shape; Discord allows no empty one."""
_Item = discord.ui.Item[discord.ui.Modal]


def modal(
    custom_id: str,
    texts: FormTexts,
    *,
    models: Sequence[str],
    samplers: Sequence[Sampler],
    has_shape: bool = True,
) -> discord.ui.Modal:
    """The form with these texts. Its fifth field is the model if several are offered, or else the
    shape, if the pictures can have another one. Its custom id is its only state, so it also works
    after a restart."""
    form = discord.ui.Modal(title=pgettext("title", "Remix"), custom_id=custom_id)
    _add(form, "prompt", _long(texts.prompt, "prompt", is_required=bool(texts.prompt)))
    _add(form, "negative", _long(texts.negative, "negative"))
    settings = _long(texts.settings, "settings", most=_MAX_SETTINGS)
    _add(form, "settings", settings, _("One a line; seed: any for other pictures"))
    names = [sampler.value for sampler in samplers]
    _add(form, "sampler", _menu("sampler", names, texts.sampler))
    if len(models) > 1:
        _add(form, "model", _menu("model", models, texts.model))
    elif has_shape:
        _add(form, "shape", _shapes(texts.shape))
    form.stop()
    return form


def _add(form: discord.ui.Modal, name: str, field: _Item, description: str | None = None) -> None:
    label = discord.ui.Label[discord.ui.Modal](
        text=_(_LABELS[name]), description=description, component=field
    )
    form.add_item(label)


def _long(
    text: str, name: str, *, most: int = MAX_PROMPT_CHARS, is_required: bool = False
) -> discord.ui.TextInput[discord.ui.Modal]:
    return discord.ui.TextInput(
        custom_id=name,
        style=discord.TextStyle.paragraph,
        default=text[:most] or None,
        max_length=most,
        required=is_required,
    )


def _menu(name: str, values: Sequence[str], chosen: str) -> discord.ui.Select[discord.ui.Modal]:
    """A menu of these values; of too many, the chosen one and the first others."""
    first = [value for value in values if value == chosen]
    other_values = [value for value in values if value != chosen]
    offered = {*first, *other_values[: MAX_CHOICES - len(first)]}
    return discord.ui.Select(
        custom_id=name,
        placeholder=pgettext("placeholder", "As it is"),
        required=False,
        min_values=0,
        options=[
            discord.SelectOption(label=value, value=value, default=value == chosen)
            for value in values
            if value in offered
        ],
    )


def _shapes(chosen: str) -> discord.ui.RadioGroup[discord.ui.Modal]:
    return discord.ui.RadioGroup(
        custom_id="shape",
        options=[
            discord.RadioGroupOption(
                label=_(label), value=value or _AS_IT_IS, default=value == chosen
            )
            for value, label in _SHAPES.items()
        ],
    )


def submitted(interaction: discord.Interaction[Any]) -> FormTexts:
    """The texts of a submitted form."""
    shape = submitted_text(interaction, "shape")
    return FormTexts(
        prompt=submitted_text(interaction, "prompt"),
        negative=submitted_text(interaction, "negative"),
        settings=submitted_text(interaction, "settings"),
        sampler=next(iter(submitted_values(interaction, "sampler")), ""),
        model=next(iter(submitted_values(interaction, "model")), ""),
        shape="" if shape == _AS_IT_IS else shape,
    )


def typed(texts: FormTexts) -> discord.Embed:
    """What was typed, as `texts_of` reads it."""
    embed = discord.Embed(title=_("What you typed"))
    for name, label in _LABELS.items():
        text = getattr(texts, name)
        if text:
            embed.add_field(name=_(label), value=text[:_MAX_FIELD], inline=False)
    return embed


def texts_of(embed: discord.Embed) -> FormTexts:
    """The texts that an embed of `typed` shows."""
    values = {field.name: field.value or "" for field in embed.fields}
    return FormTexts(
        **{
            name: next((values[text] for text in in_all_languages(label) if text in values), "")
            for name, label in _LABELS.items()
        }
    )
