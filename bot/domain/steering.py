"""What a request steers its pictures with beside words: lines to follow and references; pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from bot.domain.job_input import InputRole, PlanInput, pending_image
from bot.domain.model_names import short_name, short_names
from bot.errors import Refused
from bot.i18n import _
from engine.contract import Control, ControlCard, ModelCard, Reference, ReferenceRole

NO_WORDS: Final = ("-", "–", "—")
"""Prompts that stand for none: Discord requires a prompt. Phones make the longer ones of `-`."""
PAINT_OVER: Final = "paint over"
FOLLOW_LINES: Final = "follow the lines"
MODES: Final = (PAINT_OVER, FOLLOW_LINES)
"""How a sketch is used."""
DEFAULT_SCALES: Final = {ReferenceRole.STYLE: 1.0, ReferenceRole.LIKE: 0.6}
"""A reference for the content leaves less to the prompt."""
WORDLESS_SCALE: Final = 1.0
"""Without a prompt, the references alone say what to paint."""
_LINE_KINDS: Final = ("scribble", "sketch", "lineart", "softedge", "canny")
"""Controls that follow the lines of a sketch, the best one first."""


class References(msgspec.Struct, frozen=True, kw_only=True):
    """The references of a request."""

    style_url: str | None = None
    """The address of a reference for the style, if there is one."""
    like_url: str | None = None
    """The address of a reference for content and style, if there is one."""
    scale: float | None = None
    """That of all; None for the default of each."""

    @property
    def urls(self) -> Mapping[ReferenceRole, str]:
        """The addresses of those there are."""
        urls = {ReferenceRole.STYLE: self.style_url, ReferenceRole.LIKE: self.like_url}
        return {role: url for role, url in urls.items() if url is not None}

    @property
    def inputs(self) -> tuple[PlanInput, ...]:
        """Their attachments."""
        return tuple(reference_input(role, url) for role, url in self.urls.items())

    def pending(
        self, model: ModelCard, models: Sequence[ModelCard], *, prompt: str
    ) -> list[Reference]:
        """The references, not fetched yet, of recipes with this prompt. Raises Refused."""
        check_references(self.urls.keys(), model, self.scale)
        scale = WORDLESS_SCALE if self.scale is None and not prompt.strip() else self.scale
        return [reference(role, model, models, scale) for role in self.urls]


def words(prompt: str) -> str:
    """The prompt that was typed; empty for one of NO_WORDS."""
    return "" if prompt in NO_WORDS else prompt


def follows_lines(mode: str | None, *, has_sketch: bool) -> bool:
    """Whether the lines of a sketch are followed; else it is painted over. Raises Refused."""
    if mode is None:
        return False
    if mode not in MODES:
        raise Refused(
            _("There is no mode “{mode}”. Choose one of: {modes}.").format(
                mode=mode[:50], modes=", ".join(MODES)
            )
        )
    if not has_sketch:
        raise Refused(_("The mode says how to use a sketch, so it needs a sketch."))
    return mode == FOLLOW_LINES


def line_control(
    model: ModelCard,
    models: Sequence[ModelCard],
    scale: float | None,
    image: str = pending_image(InputRole.CONTROL),
) -> Control:
    """What follows the lines of a sketch that was not fetched yet, whose placeholder is `image`.

    Raises Refused, which names the models that can.
    """
    card = _line_card(model)
    if card is None:
        others = _names(models, lambda card: _line_card(card) is not None)
        raise Refused(
            _("The model {model} cannot follow the lines of a sketch; {others}.").format(
                model=short_name(model, models), others=others
            )
        )
    try:
        return model.control(
            card.kind,
            image,
            preprocessor=card.preprocessors[0],
            scale=1.0 if scale is None else scale,
        )
    except ValueError as error:
        raise Refused(str(error)) from error


def check_references(
    roles: Collection[ReferenceRole], model: ModelCard, scale: float | None
) -> None:
    """Raise Refused if a request with references in these roles has too few of them."""
    if scale is not None and not roles:
        raise Refused(
            _(
                "The reference strength says how strongly the pictures of style and like "
                "act, so it needs one of them."
            )
        )
    if model.image_adapter is not None and not model.image_adapter.name and not roles:
        raise Refused(
            _("The model {name} paints from a picture: give it one by the option like.").format(
                name=model.name
            )
        )


def reference(
    role: ReferenceRole, model: ModelCard, models: Sequence[ModelCard], scale: float | None
) -> Reference:
    """A reference that was not fetched yet. Raises Refused, which names the models that take one in
    this role."""
    if not _takes(model, role):
        others = _names(models, lambda card: _takes(card, role))
        raise Refused(
            _("The model {model} takes no picture as “{role}”; {others}.").format(
                model=short_name(model, models), role=role, others=others
            )
        )
    try:
        return model.reference(
            pending_image(InputRole(role.value)),
            role=role,
            scale=DEFAULT_SCALES[role] if scale is None else scale,
        )
    except ValueError as error:
        raise Refused(str(error)) from error


def reference_input(role: ReferenceRole, url: str) -> PlanInput:
    """The attachment of a reference."""
    return PlanInput(role=InputRole(role.value), url=url)


def can_follow_lines(model: ModelCard) -> bool:
    """Whether the model has a control that follows the lines of a sketch."""
    return _line_card(model) is not None


def _line_card(model: ModelCard) -> ControlCard | None:
    by_kind = {card.kind: card for card in model.controls}
    return next((by_kind[kind] for kind in _LINE_KINDS if kind in by_kind), None)


def _takes(model: ModelCard, role: ReferenceRole) -> bool:
    return model.image_adapter is not None and role in model.image_adapter.roles


def _names(models: Sequence[ModelCard], has_it: Callable[[ModelCard], bool]) -> str:
    """Which of the models can, as the end of a sentence."""
    names = [name for name, model in short_names(models).items() if has_it(model)]
    return (
        _("these do: {names}").format(names=", ".join(names)) if names else _("no model here does")
    )
