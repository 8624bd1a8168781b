"""The settings of guilds, channels and users, as people read and choose them; pure.

SETTINGS is the only list: the options of /settings, its panel and the audit entries are made from
it. A new setting is a field of Preferences, a row here, and what reads it.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from bot.domain.model_names import short_names
from bot.domain.preferences import (
    MAX_STYLES,
    NO_PREFERENCES,
    Layer,
    Owner,
    Preferences,
    Values,
    decode,
)
from bot.domain.setting_values import Aspect, Channels, Choice, Commands, Number, Offer, Text
from bot.errors import Refused
from bot.i18n import LANGUAGES, N_, _
from engine.contract import MAX_STEPS, Sampler

_GUILD_ONLY: Final = (Layer.GUILD,)
_AUTOMATIC: Final = N_("automatic")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A field of Preferences."""

    name: str
    title: str
    description: str
    values: Choice | Number | Text | Channels | Commands
    layers: tuple[Layer, ...] = (Layer.GUILD, Layer.CHANNEL, Layer.USER)
    """At which it may be set."""
    default_label: str = ""
    """What people call the default value, which is none of `values`; empty if it is."""

    @property
    def default(self) -> object:
        """The value of the bot."""
        return getattr(NO_PREFERENCES, self.name)

    def labels(self, offer: Offer) -> tuple[str, ...]:
        """What can be chosen, in English; empty if it is typed or Discord has a menu for it."""
        labels = self.values.labels(offer)
        return (self.default_label, *labels) if labels and self.default_label else tuple(labels)

    def label(self, value: object, offer: Offer) -> str:
        """What people call a value, in English."""
        if self.default_label and value == self.default:
            return self.default_label
        return self.values.label(value, offer)

    def allowed(self, offer: Offer) -> str:
        """What it can be, in a few words."""
        parts = (_(self.default_label), self.values.allowed(offer))
        return ", ".join(part for part in parts if part)

    def warning(self, value: object, offer: Offer) -> str:
        """A sentence if the value has no effect now; empty if it has."""
        if (self.default_label and value == self.default) or self.values.is_offered(value, offer):
            return ""
        if self.name == "default_model":
            model = next(iter(short_names(offer.models)))
            return _("It is not offered now, so {model} is used.").format(model=model)
        return _("It is not possible now; it can be {values}.").format(values=self.allowed(offer))

    def parse(self, text: str, offer: Offer) -> object:
        """The value that people call so. Raises Refused, which says what is allowed."""
        text = text.strip()
        labels = {self.default_label, _(self.default_label).casefold()}
        if self.default_label and text.casefold() in labels:
            return self.default
        try:
            return self.values.parse(text, offer)
        except ValueError:
            sentence = _("The {title} can be {values}.")
            raise Refused(
                sentence.format(title=_(self.title), values=self.allowed(offer))
            ) from None


def _models(offer: Offer) -> Mapping[str, object]:
    models = short_names(offer.models).items()
    return {name: model.name for name, model in models if not model.is_editor}


def _samplers(offer: Offer) -> Mapping[str, object]:
    return {
        sampler.value: sampler.value
        for sampler in Sampler
        if any(sampler in model.samplers for model in offer.models)
    }


def _switch(offer: Offer) -> Mapping[str, object]:
    return {N_("on"): True, N_("off"): False}


SETTINGS: Final[Mapping[str, Setting]] = {
    setting.name: setting
    for setting in (
        Setting(
            name="default_model",
            title=N_("default model"),
            description=N_("The model that paints if a request names none"),
            values=Choice(_models),
            default_label=_AUTOMATIC,
        ),
        Setting(
            name="aspect",
            title=N_("aspect"),
            description=N_("The aspect ratio of new pictures; automatic: square"),
            values=Aspect(lambda offer: {name: name for name in offer.aspects}),
            default_label=_AUTOMATIC,
        ),
        Setting(
            name="steps",
            title=N_("steps"),
            description=N_("The steps of new pictures; automatic: as the model recommends"),
            values=Number(lambda _: MAX_STEPS),
            default_label=_AUTOMATIC,
        ),
        Setting(
            name="sampler",
            title=N_("sampler"),
            description=N_("The sampling method; automatic: as the model recommends"),
            values=Choice(_samplers),
            default_label=_AUTOMATIC,
        ),
        Setting(
            name="count",
            title=N_("count"),
            description=N_("How many pictures a request makes; automatic: 4"),
            values=Number(lambda offer: offer.max_count),
            default_label=_AUTOMATIC,
        ),
        Setting(
            name="styles",
            title=N_("styles"),
            description=N_("Names of styles of new pictures, with commas between them"),
            values=Text(MAX_STYLES),
            default_label=N_("none"),
        ),
        Setting(
            name="expand",
            title=N_("prompt expansion"),
            description=N_("/imagine adds words to prompts ✨, and shows them before it paints"),
            values=Choice(_switch),
        ),
        Setting(
            name="remix",
            title=N_("remix mode"),
            description=N_("V and 🔄 open a form with the prompt before they paint"),
            values=Choice(_switch),
        ),
        Setting(
            name="direct",
            title=N_("direct messages"),
            description=N_("Send finished results as direct messages, too"),
            values=Choice(_switch),
            layers=(Layer.USER,),
        ),
        Setting(
            name="language",
            title=N_("language"),
            description=N_("Of private replies for you, of all others for a channel or server"),
            values=Choice(lambda _: {name: code for code, name in LANGUAGES.items()}),
            default_label=_AUTOMATIC,
        ),
        Setting(
            name="display_scale",
            title=N_("display scale"),
            description=N_("How many times larger pictures are shown; automatic: small ones"),
            values=Choice(lambda _: {"1": 1, "2": 2, "4": 4}),
            layers=_GUILD_ONLY,
            default_label=_AUTOMATIC,
        ),
        Setting(
            name="gallery_channel_id",
            title=N_("gallery channel"),
            description=N_("Where results go that get a ⭐"),
            values=Channels(is_single=True),
            layers=_GUILD_ONLY,
            default_label=N_("none"),
        ),
        Setting(
            name="channel_ids",
            title=N_("allowed channels"),
            description=N_("Where I may be used, with their threads"),
            values=Channels(),
            layers=_GUILD_ONLY,
            default_label=N_("all"),
        ),
        Setting(
            name="commands",
            title=N_("allowed commands"),
            description=N_("Which commands may be used, with their buttons"),
            values=Commands(),
            layers=_GUILD_ONLY,
            default_label=N_("all"),
        ),
    )
}


def offered_at(layer: Layer) -> tuple[Setting, ...]:
    """The settings that may be set at this layer."""
    return tuple(setting for setting in SETTINGS.values() if layer in setting.layers)


def stored_value(owner: Owner, name: str, value: str) -> Values:
    """A value from the database by its name; empty for one that this version of the bot does not
    have."""
    try:
        decoded = decode(name, value)
    except ValueError:
        return {}
    return {name: decoded} if owner.layer in SETTINGS[name].layers else {}


def values_of(preferences: Preferences) -> Values:
    """All values that count."""
    return {name: getattr(preferences, name) for name in SETTINGS}
