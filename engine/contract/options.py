"""The options of a request for pictures, and the recipes that they become."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from engine.contract.extra_networks import take_loras
from engine.contract.model_card import ModelCard
from engine.contract.prompt_schedule import parse as parse_prompt
from engine.contract.prompt_weights import check_sections
from engine.contract.recipe import MAX_STEPS, RANDOM_SEED, ROW_CLASSES, Recipe
from engine.contract.recipe_parts import (
    SEED_LIMIT,
    Backend,
    Change,
    Img2Img,
    PromptFormat,
    Source,
    Subseed,
    Txt2Img,
    check_seed,
    check_strength,
)
from engine.contract.samplers import Sampler
from engine.contract.steering import Adapter, Control, Reference, is_steered, show_content
from engine.contract.support import check_steering

DEFAULT_COUNT: Final = 4
"""The number of pictures if the option is not set."""
MAX_COUNT: Final = 1000
"""Pictures of one request; the bot allows fewer."""
DEFAULT_STRENGTH: Final = 0.75
"""The strength for an init image if the option is not set."""


class PictureOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a request. One that is None has a default, which may depend on the model."""

    prompt: str
    """May change from step to step, as `prompt_schedule` describes, and may have weights, as
    `prompt_weights` describes; the negative prompt too."""
    negative: str | None = None
    raw: bool = False
    """Brackets in prompts are words."""
    seed: int | None = None
    """None and RANDOM_SEED stand for any seed."""
    subseed: int | None = None
    subseed_strength: float | None = None
    count: int | None = None
    """By default DEFAULT_COUNT."""
    steps: int | None = None
    guidance: float | None = None
    clip_skip: int | None = None
    """By default 1: none of the text encoder's layers is left out. As in AUTOMATIC1111's web UI it
    is that of both prompts; with `raw`, as in diffusers, not that of the negative prompt."""
    sampler: str | None = None
    strength: float | None = None
    """By default DEFAULT_STRENGTH."""
    backend: Backend | None = None
    """By default the one that the model's card names first."""

    @property
    def init_image_strength(self) -> float:
        """The strength for an init image."""
        return DEFAULT_STRENGTH if self.strength is None else self.strength

    def check(self, *, has_init_image: bool, samplers: Iterable[Sampler] = Sampler) -> None:
        """Raise ValueError, with a sentence for the user, for values that no recipe can have.

        Recipes check the other values themselves.
        """
        if self.sampler is not None and self.sampler not in list(Sampler):
            raise ValueError(
                f"There is no sampler “{self.sampler[:50]}”. Choose one of: {', '.join(samplers)}."
            )
        if self.count is not None and not 1 <= self.count <= MAX_COUNT:
            raise ValueError(f"The count is {self.count}; it must be 1 to {MAX_COUNT}.")
        if (self.subseed is None) != (self.subseed_strength is None):
            raise ValueError("A subseed and its strength must be given together.")
        if self.subseed is not None:
            check_seed("subseed", self.subseed)
        check_strength(self.init_image_strength)
        if self.strength is not None and not has_init_image:
            raise ValueError(
                "The strength says how much of a sketch to paint over, so it needs a sketch."
            )


def make_recipes(
    options: PictureOptions,
    model: ModelCard,
    *,
    size: tuple[int, int],
    seed: int,
    source: str | Source | None = None,
    adapters: Sequence[Adapter] = (),
    controls: Sequence[Control] = (),
    references: Sequence[Reference] = (),
) -> tuple[Recipe, ...]:
    """The recipes of a request, with consecutive seeds or, if it has a subseed, subseeds.

    `seed` is used if the options have none; `source` is the sha256 of the init image, or a source
    of another kind. The LoRAs that the prompts name follow those of `adapters`. Steered
    pictures are run by torch. Raises ValueError, with a sentence for the user.
    """
    options.check(has_init_image=source is not None, samplers=model.samplers)
    steps = model.steps if options.steps is None else options.steps
    init_image = _source(options, model, source)
    options, named = _take_loras(options, model)
    adapters = (*adapters, *named)
    prompt, negative, changes = _prompts(
        options,
        init_image.executed_steps(steps),
        may_be_empty=show_content(controls, references),
    )
    needs_torch = is_steered(adapters, controls, references)
    default_backend = Backend.TORCH if needs_torch else model.backend
    clip_skip = 1 if options.clip_skip is None else options.clip_skip
    first = Recipe(
        model=model.name,
        revision=model.revision,
        prompt=prompt,
        negative=negative,
        prompt_format=PromptFormat.PLAIN if options.raw else PromptFormat.A1111,
        clip_skip=clip_skip,
        negative_clip_skip=1 if options.raw else clip_skip,
        seed=seed if options.seed in (None, RANDOM_SEED) else options.seed,
        subseeds=_subseeds(options),
        steps=steps,
        guidance=model.guidance if options.guidance is None else options.guidance,
        guidance_embedding=model.guidance_embedding,
        sampler=model.sampler if options.sampler is None else Sampler(options.sampler),
        width=size[0],
        height=size[1],
        changes=changes,
        source=init_image,
        adapters=adapters,
        controls=tuple(controls),
        references=tuple(references),
        backend=default_backend if options.backend is None else options.backend,
        row_class=ROW_CLASSES[0],
    )
    first = _checked(model.with_embeddings(first), model)
    count = DEFAULT_COUNT if options.count is None else options.count
    return model.with_row_class([_following(first, nth) for nth in range(count)])


def _source(options: PictureOptions, model: ModelCard, source: str | Source | None) -> Source:
    if source is None:
        return Txt2Img()
    if isinstance(source, str):
        return Img2Img(source, options.init_image_strength, model.rounding)
    return source


def _checked(first: Recipe, model: ModelCard) -> Recipe:
    """The recipe. Raises ValueError if the model cannot paint it, or if new ones must not be so."""
    if first.prompt_format is PromptFormat.A1111:
        for text in {text for phase in first.phases for text in (phase.prompt, phase.negative)}:
            check_sections(text)
    model.check_sampler(first)
    model.check_steps(first)
    model.check_distillation(first)
    model.check_clip_skip(first)
    model.check_backend(first)
    check_steering(first, model)
    return first


def _take_loras(
    options: PictureOptions, model: ModelCard
) -> tuple[PictureOptions, tuple[Adapter, ...]]:
    """The options without the LoRAs that their prompts name, and these LoRAs of the model."""
    if options.raw:
        return options, ()
    prompt, tags = take_loras(options.prompt)
    negative, negative_tags = take_loras(options.negative or "")
    adapters = tuple(model.adapter(tag.name, tag.scale) for tag in (*tags, *negative_tags))
    return msgspec.structs.replace(options, prompt=prompt, negative=negative), adapters


def _prompts(
    options: PictureOptions, steps: int, *, may_be_empty: bool
) -> tuple[str, str, tuple[Change, ...]]:
    """The prompt, the negative prompt, and what replaces them while `steps` steps are run."""
    negative = options.negative or ""
    if options.raw:
        return options.prompt, negative, ()
    prompts = parse_prompt(options.prompt, min(steps, MAX_STEPS))
    for step, prompt in prompts.changes:
        if not prompt.strip() and not may_be_empty:
            raise ValueError(
                f"The prompt is empty from step {step} on. Say in a few words what you want to see "
                "then."
            )
    negatives = parse_prompt(negative, min(steps, MAX_STEPS))
    changed, changed_negative = dict(prompts.changes), dict(negatives.changes)
    return (
        prompts.prompt,
        negatives.prompt,
        tuple(
            Change(step=step, prompt=changed.get(step), negative=changed_negative.get(step))
            for step in sorted(changed | changed_negative)
        ),
    )


def _following(first: Recipe, nth: int) -> Recipe:
    """The recipe of the picture nth after the first one of a request."""
    if not first.subseeds:
        return first.with_seed(first.seed + nth)
    *subseeds, last = first.subseeds
    subseeds.append(Subseed((last.seed + nth) % SEED_LIMIT, last.share))
    return msgspec.structs.replace(first, subseeds=tuple(subseeds))


def _subseeds(options: PictureOptions) -> tuple[Subseed, ...]:
    if options.subseed is None or not options.subseed_strength:
        return ()
    return (Subseed(options.subseed, options.subseed_strength),)
