"""The settings of a guild, and how moderators and managers change them; pure.

A new setting is a field with a default, and what reads it. If its annotation has a title, it is
offered by /admin settings, whose options, answers and audit entries are made from the annotation.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

import msgspec

from bot.domain.limits import RoleLimit, merge, summary
from bot.domain.model_names import short_names
from bot.domain.nsfw import NsfwPolicy, NsfwSettings
from bot.errors import Refused
from engine.contract import ModelCard
from engine.contract.infotext import public_model_name

_AUTOMATIC: Final = "automatic"
_SWITCH: Final = {True: "on", False: "off"}


class GuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one guild. Each field is stored as JSON under its name."""

    nsfw: NsfwSettings = NsfwSettings()
    """How flagged pictures are shown in age-restricted channels."""
    role_limits: tuple[RoleLimit, ...] = ()
    """By role id."""
    mod_channel_id: int | None = None
    """The channel that reports are posted to."""
    gallery_channel_id: int | None = None
    """The channel or forum that pictures with a ⭐ are posted to."""
    display_scale: Annotated[
        Literal[1, 2, 4] | None,
        msgspec.Meta(
            title="display scale",
            description="How many times larger pictures are shown",
        ),
    ] = None
    """None: pictures of models with a small native size are enlarged."""
    default_model: Annotated[
        str | None,
        msgspec.Meta(
            title="default model",
            description="The model that paints if a request names none",
        ),
    ] = None
    """The whole name of a model, which may no longer be offered; None: the first model."""


NO_SETTINGS: Final = GuildSettings()
"""Those of a guild that has chosen nothing."""


class Changed(NamedTuple):
    """Settings after a change, and the audit entry's description of it."""

    settings: GuildSettings
    detail: str
    channel_id: int | None = None
    """The channel that it is about."""


Change = Callable[[GuildSettings], Changed]
"""Raises Refused, with a sentence for the user."""


def set_nsfw_policy(channel_id: int | None, policy: NsfwPolicy) -> Change:
    """Of one channel, or of all that have no policy of their own."""

    def change(settings: GuildSettings) -> Changed:
        if channel_id is None:
            nsfw = msgspec.structs.replace(settings.nsfw, guild=policy)
        else:
            channels = {**settings.nsfw.channels, channel_id: policy}
            nsfw = msgspec.structs.replace(settings.nsfw, channels=channels)
        detail = f"flagged pictures: {policy}"
        return Changed(msgspec.structs.replace(settings, nsfw=nsfw), detail, channel_id)

    return change


def change_role_limit(changes: RoleLimit) -> Change:
    """Those limits of a role that are not None."""

    def change(settings: GuildSettings) -> Changed:
        limit = merge(role_limit(settings, changes.role_id), changes)
        others = _without_role(settings, limit.role_id)
        limits = tuple(sorted((*others, limit), key=lambda each: each.role_id))
        detail = f"<@&{limit.role_id}>: {summary(limit)}"
        return Changed(msgspec.structs.replace(settings, role_limits=limits), detail)

    return change


def remove_role_limit(role_id: int) -> Change:
    """All limits of a role."""

    def change(settings: GuildSettings) -> Changed:
        limits = _without_role(settings, role_id)
        detail = f"<@&{role_id}>: no limits of its own"
        return Changed(msgspec.structs.replace(settings, role_limits=limits), detail)

    return change


def set_mod_channel(channel_id: int | None) -> Change:
    """The channel that reports are posted to; None for none."""

    def change(settings: GuildSettings) -> Changed:
        detail = "no channel for reports"
        if channel_id is not None:
            detail = f"reports go to <#{channel_id}>"
        return Changed(msgspec.structs.replace(settings, mod_channel_id=channel_id), detail)

    return change


def set_gallery_channel(channel_id: int | None) -> Change:
    """The channel or forum that pictures with a ⭐ are posted to; None for none."""

    def change(settings: GuildSettings) -> Changed:
        detail = "no gallery" if channel_id is None else f"the gallery is <#{channel_id}>"
        return Changed(msgspec.structs.replace(settings, gallery_channel_id=channel_id), detail)

    return change


def role_limit(settings: GuildSettings, role_id: int) -> RoleLimit:
    """The limits of this role."""
    limits = (limit for limit in settings.role_limits if limit.role_id == role_id)
    return next(limits, RoleLimit(role_id=role_id))


def _without_role(settings: GuildSettings, role_id: int) -> tuple[RoleLimit, ...]:
    return tuple(limit for limit in settings.role_limits if limit.role_id != role_id)


# Settings that /admin settings offers


Models = Sequence[ModelCard]
"""Those that are offered; the first is the default."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A field of GuildSettings that has one of a few values."""

    name: str
    title: str
    description: str
    values: tuple[object, ...]
    has_models: bool = False
    """Whether the names of the models are values too."""

    def labels(self, models: Models) -> tuple[str, ...]:
        """What users call the values: those of `values`, then the models."""
        return tuple(self._values(models))

    def label(self, settings: GuildSettings, models: Models) -> str:
        """What users call the current value."""
        value = getattr(settings, self.name)
        return next(
            (label for label, item in self._values(models).items() if item == value),
            public_model_name(str(value)),
        )

    def warning(self, settings: GuildSettings, models: Models) -> str | None:
        """A sentence, if the current value has no effect."""
        value = getattr(settings, self.name)
        if value in self._values(models).values():
            return None
        return f"It is not offered now, so {next(iter(short_names(models)))} is used."

    def change(self, label: str, models: Models) -> Change:
        """The change to the value of this label, in any case. Raises Refused if there is none."""
        values = self._values(models)
        names = {name.casefold(): name for name in reversed(values)}
        name = names.get(label.strip().casefold())
        if name is None:
            raise Refused(f"The {self.title} can be {', '.join(values)}.")

        def change(settings: GuildSettings) -> Changed:
            changed = msgspec.structs.replace(settings, **{self.name: values[name]})
            return Changed(changed, f"{self.title}: {name}")

        return change

    def _values(self, models: Models) -> dict[str, object]:
        values = {_label(value): value for value in self.values}
        names = {name: model.name for name, model in short_names(models).items()}
        return values | {name: names[name] for name in names if self.has_models} | values


def _label(value: object) -> str:
    if value is None:
        return _AUTOMATIC
    return _SWITCH[value] if isinstance(value, bool) else str(value)


def _values(annotation: Any) -> tuple[object, ...]:  # noqa: ANN401 # any annotation
    """The values of a Literal, a bool, or a union with None; none of a str."""
    if annotation is str:
        return ()
    if annotation is bool:
        return (True, False)
    if annotation is type(None):
        return (None,)
    arguments = get_args(annotation)
    if all(not isinstance(value, type) and not get_args(value) for value in arguments):
        return arguments
    nested = [value for argument in arguments for value in _values(argument)]
    return tuple(sorted(nested, key=lambda value: value is not None))


def _settings() -> tuple[Setting, ...]:
    settings = []
    for field in msgspec.structs.fields(GuildSettings):
        annotation, *metadata = get_args(field.type) or (field.type,)
        for meta in metadata:
            if isinstance(meta, msgspec.Meta) and meta.title is not None:
                setting = Setting(
                    name=field.name,
                    title=meta.title,
                    description=meta.description or "",
                    values=_values(annotation),
                    has_models=str in get_args(annotation),
                )
                settings.append(setting)
    return tuple(settings)


SETTINGS: Final = {setting.name: setting for setting in _settings()}
