"""Styles: presets that add words and settings to a request, as `neon, photo`; pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple, TypeVar

import msgspec

from bot.domain.model_names import MAX_CHOICE_CHARS, MAX_CHOICES
from bot.domain.prompt_template import normal_name
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import (
    MAX_GUIDANCE,
    MAX_PROMPT_CHARS,
    MAX_STEPS,
    ModelCard,
    PictureOptions,
    Sampler,
)

MAX_STYLES: Final = 5
"""Of a request."""
MAX_TEXT: Final = 200
"""Characters of the option."""
MAX_WORDS: Final = 400
"""Characters that a style adds to a prompt, and to a negative prompt."""
PLACE: Final = "{prompt}"
"""Stands for the prompt in the words of a style; without it, they follow the prompt."""
NONE: Final = ("-", "–", "—")
"""Texts that stand for no style and no words; phones make the longer ones of `-`."""
HINT: Final = " — "
"""Precedes the words of a style in a suggestion, which Discord puts into the option as it is."""
_MAX_LISTED: Final = 40
_ENDS: Final = " ,"
Options = TypeVar("Options", bound=PictureOptions)


class Style(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a style adds. Raises Refused, with a sentence for the user, if it cannot be one."""

    prompt: str = ""
    """May have PLACE."""
    negative: str = ""
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    """`steps`, `guidance` and `sampler` are used where the request has none and the model takes
    them."""

    def __post_init__(self) -> None:
        for words, title in ((self.prompt, _("prompt")), (self.negative, _("negative prompt"))):
            if len(words) > MAX_WORDS:
                raise Refused(
                    _(
                        "The {title} of a style has at most {limit} characters; this "
                        "one has {count}."
                    ).format(title=title, limit=MAX_WORDS, count=len(words))
                )
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise Refused(
                _("The steps are {steps}; they must be 1 to {limit}.").format(
                    steps=self.steps, limit=MAX_STEPS
                )
            )
        if self.guidance is not None and not 0 <= self.guidance <= MAX_GUIDANCE:
            raise Refused(
                _("The guidance is {guidance:g}; it must be 0 to {limit:g}.").format(
                    guidance=self.guidance, limit=MAX_GUIDANCE
                )
            )
        if not (self.added or self.negative or self.settings):
            raise Refused(_("A style needs words, or one of steps, guidance and sampler."))

    @property
    def added(self) -> str:
        """The words that it adds to a prompt."""
        return self.prompt.replace(PLACE, "").strip(_ENDS)

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that it has, in words."""
        return (
            *(() if self.steps is None else (_("{steps} steps").format(steps=self.steps),)),
            *(
                ()
                if self.guidance is None
                else (_("guidance {guidance:g}").format(guidance=self.guidance),)
            ),
            *(() if self.sampler is None else (self.sampler,)),
        )

    def styled(self, prompt: str) -> str:
        """The prompt with its words."""
        if PLACE in self.prompt:
            return self.prompt.replace(PLACE, prompt).strip(_ENDS)
        return ", ".join(filter(None, (prompt.rstrip(_ENDS), self.prompt.strip(_ENDS))))


class Chosen(NamedTuple):
    """The styles of a request."""

    styles: tuple[Style, ...]
    notes: tuple[str, ...]
    """Sentences for the user: which styles these are, and which of a setting are none."""


class Suggestion(NamedTuple):
    """A choice for the option."""

    label: str
    value: str


_STYLES: Final = (N_("Style: {names}."), N_("Styles: {names}."))
"""Of one style, and of several."""


def parse(text: str | None, styles: Mapping[str, Style]) -> tuple[str, ...]:
    """The names, each once, of those of these styles that a text names, as `neon, photo`; none for
    one of NONE.

    Raises Refused, with a sentence for the user.
    """
    items = [] if (text or "").strip() in NONE else _items(text or "")
    names = tuple(dict.fromkeys(_known(item, styles) for item in items))
    if len(names) > MAX_STYLES:
        raise Refused(
            _("A request has at most {limit} styles; this one has {count}.").format(
                limit=MAX_STYLES, count=len(names)
            )
        )
    return names


def chosen(text: str | None, setting: str, styles: Mapping[str, Style]) -> Chosen:
    """The styles that the option names or, without the option, those of the user's setting.

    Names in the setting that are no styles, such as those of another guild, are left out. Raises
    Refused for the option as `parse` does.
    """
    if text and text.strip():
        names, missing = parse(text, styles), list[str]()
    else:
        items = [] if setting.strip() in NONE else list(_items(setting))
        matches = [name for name in map(normal_name, items) if name in styles]
        names = tuple(dict.fromkeys(name for name in matches if name))[:MAX_STYLES]
        missing = [item for item in items if normal_name(item) not in styles]
    notes = [
        N_("Your setting styles names “{item}”, which is no style here.").format(item=item[:30])
        for item in missing
    ]
    if names:
        notes.insert(0, _STYLES[len(names) > 1].format(names=", ".join(names)))
    return Chosen(tuple(styles[name] for name in names), tuple(notes))


def apply(
    options: Options, styles: Sequence[Style], model: ModelCard
) -> tuple[Options, tuple[str, ...]]:
    """The options with the words and settings of the styles, and a sentence for each setting that
    is not used.

    Of several styles, the first one with a setting counts. Raises Refused if the prompts are too
    long.
    """
    if not styles:
        return options, ()
    prompt, chosen = options.prompt, _Choice(options, model)
    for style in styles:
        prompt = style.styled(prompt)
        chosen.add(style)
    negatives = [options.negative, *(style.negative for style in styles if chosen.has_negative)]
    negative = ", ".join(text.strip(_ENDS) for text in negatives if text)
    for title, text in ((_("prompt"), prompt), (_("negative prompt"), negative)):
        if len(text) > MAX_PROMPT_CHARS:
            raise Refused(
                _(
                    "With its styles, the {title} has {count} characters; at most "
                    "{limit} are allowed."
                ).format(title=title, count=len(text), limit=MAX_PROMPT_CHARS)
            )
    changed = {"prompt": prompt, "negative": negative or options.negative, **chosen.settings}
    return msgspec.structs.replace(options, **changed), tuple(chosen.notes)


def suggestions(typed: str, styles: Mapping[str, Style]) -> list[Suggestion]:
    """What the last of the typed names may become, with its words, at most MAX_CHOICES."""
    items = list(_items(typed))
    is_new = not items or typed.rstrip().endswith(",")
    done, last = (items, "") if is_new else (items[:-1], items[-1])
    if len(done) >= MAX_STYLES:
        return []
    part = normal_name(last) or last.casefold()
    used = {normal_name(item) for item in done}
    fitting = [name for name in styles if part in name and name not in used]
    fitting.sort(key=lambda name: not name.startswith(part))
    texts = [", ".join([*done, name]) for name in fitting]
    return [
        Suggestion(_label(text, styles[name]), text)
        for text, name in zip(texts, fitting, strict=True)
        if len(text) <= MAX_CHOICE_CHARS
    ][:MAX_CHOICES]


def unknown(title: str, name: str, names: Sequence[str], written: str = "{}") -> str:
    """The sentence that there is nothing of this name, with similar names or with all of them."""
    close = get_close_matches(normal_name(name) or name, names, n=3, cutoff=0.6)
    listed = [written.format(candidate) for candidate in close or names[:_MAX_LISTED]]
    if close:
        return _("There is no {title} “{name}”. Did you mean {names}?").format(
            title=_(title), name=name[:50], names=_(" or ").join(listed)
        )
    more = (
        _(" and {count} more").format(count=len(names) - _MAX_LISTED)
        if len(names) > _MAX_LISTED
        else ""
    )
    return _("There is no {title} “{name}”. There are: {names}{more}.").format(
        title=_(title), name=name[:50], names=", ".join(listed) or _("none"), more=more
    )


def _items(text: str) -> Iterator[str]:
    """The names that are separated by commas, without what a suggestion has behind them."""
    items = (item.partition(HINT)[0].strip() for item in text.split(","))
    return (item for item in items if item)


def _known(item: str, styles: Mapping[str, Style]) -> str:
    name = normal_name(item)
    if name is None or name not in styles:
        raise Refused(unknown("style", item, list(styles)))
    return name


def _label(text: str, style: Style) -> str:
    hint = " ".join(style.added.replace(",", " ").split())
    label = f"{text}{HINT}{hint}" if hint else text
    return label if len(label) <= MAX_CHOICE_CHARS else f"{label[: MAX_CHOICE_CHARS - 1]}…"


class _Choice:
    """The settings of a request with styles."""

    def __init__(self, options: PictureOptions, model: ModelCard) -> None:
        self._model = model
        self.notes: list[str] = []
        self.settings: dict[str, object] = {
            "steps": options.steps,
            "guidance": options.guidance,
            "sampler": options.sampler,
        }

    @property
    def has_negative(self) -> bool:
        """Whether a negative prompt has an effect."""
        guidance = self.settings["guidance"]
        value = self._model.guidance if guidance is None else guidance
        is_high = isinstance(value, int | float) and value > 1
        return is_high and not self._model.guidance_embedding

    def add(self, style: Style) -> None:
        """Use the settings of a style that are not set yet."""
        if style.sampler is not None and self.settings["sampler"] is None:
            steps = self.settings["steps"]
            most = self._most_steps(style.sampler)
            takes = most > 0 and not (isinstance(steps, int) and steps > most)
            self._set(
                "sampler",
                style.sampler,
                takes=takes,
                text=N_("sampler {sampler}").format(sampler=style.sampler),
            )
        if style.steps is not None and self.settings["steps"] is None:
            most = self._most_steps(str(self.settings["sampler"] or self._model.sampler))
            self._set(
                "steps",
                style.steps,
                takes=style.steps <= most,
                text=N_("{steps} steps").format(steps=style.steps),
            )
        if style.guidance is not None and self.settings["guidance"] is None:
            self._set(
                "guidance",
                style.guidance,
                takes=self._takes_guidance(style.guidance),
                text=N_("guidance {guidance:g}").format(guidance=style.guidance),
            )

    def _set(self, name: str, value: object, *, takes: bool, text: str) -> None:
        if takes:
            self.settings[name] = value
        else:
            self.notes.append(
                N_("This model does not take the style's {text}; it has its own.").format(text=text)
            )

    def _most_steps(self, sampler: str) -> int:
        """The most steps of this sampler; 0 if the model does not work with it."""
        if sampler not in list(self._model.samplers):
            return 0
        most = self._model.max_steps.get(Sampler(sampler), MAX_STEPS)
        distilled = self._model.distilled
        return most if distilled is None else min(most, distilled.most_steps)

    def _takes_guidance(self, guidance: float) -> bool:
        distilled = self._model.distilled
        if self._model.guidance_embedding:
            return False
        return distilled is None or guidance <= distilled.most_guidance
