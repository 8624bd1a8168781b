"""The evaluations of a recipe, and what its changes do between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.contract import Inpaint, Outpaint, Phase, Recipe, Sampler
from engine.flow_matching import for_picture
from engine.samplers import InitWeights, Schedule, Step, noise_levels, schedule_from


class LatentWeights(NamedTuple):
    """The latents at the start of a sampler as a weighted sum of those that another one left."""

    latents: float
    pred_original_sample: float


@dataclass(frozen=True)
class Transition:
    """What happens before an evaluation."""

    phase: Phase
    """The settings from then on."""
    latents: LatentWeights | None
    """None if the sampler stays."""


@dataclass(frozen=True)
class Timeline:
    """All evaluations of a recipe in order."""

    steps: tuple[Step, ...]
    init: InitWeights
    phase: Phase
    """The settings of the first evaluation."""
    transitions: Mapping[int, Transition]
    """By the number of completed evaluations."""
    step_ends: tuple[int, ...]
    """For each sampler step, the number of evaluations that are completed after it."""
    levels: tuple[InitWeights, ...] = ()
    """Image and noise in the latents after each evaluation, if a part of an init image is kept."""


def timeline_for(recipe: Recipe, config: Mapping[str, object]) -> Timeline:
    """The timeline of a recipe with this scheduler config.

    Raises InvalidJob if a sampler cannot take the recipe's number of steps.
    """
    config = for_picture(config, *recipe.size, recipe.steps)
    begin = recipe.steps - recipe.executed_steps
    is_inpaint = isinstance(recipe.source, Inpaint | Outpaint)
    run = _Run(recipe, config, recipe.sampler, begin, is_img2img=_has_image(recipe))
    first, *later = recipe.phases
    steps: list[Step] = []
    transitions: dict[int, Transition] = {}
    step_ends: list[int] = []
    levels: list[InitWeights] = []
    init = run.schedule.init
    for phase in later:
        step = begin + phase.step
        latents = None
        if phase.sampler is not run.sampler:
            following = _Run(recipe, config, phase.sampler, step, is_img2img=True)
            latents = _converted(run.level_at(step), following.schedule.init)
            step_ends += run.step_ends(len(steps), step)
            steps += run.schedule.steps[: run.evaluations_at(step)]
            if is_inpaint:
                levels += run.levels_until(step)
            run = following
        transitions[len(steps) + run.evaluations_at(step)] = Transition(phase, latents)
    step_ends += run.step_ends(len(steps), recipe.steps)
    steps += run.schedule.steps
    if is_inpaint:
        levels += run.levels_until(recipe.steps)
    return Timeline(tuple(steps), init, first, transitions, tuple(step_ends), tuple(levels))


def _has_image(recipe: Recipe) -> bool:
    """Whether there is an image in the initial latents. As in diffusers' pipelines for inpainting,
    these begin with noise alone if the strength is 1. The trace of a canvas that a strength of 1
    leaves helps to continue the colours of its image."""
    is_inpaint = isinstance(recipe.source, Inpaint)
    return recipe.strength is not None and not (is_inpaint and recipe.strength == 1.0)


class _Run:
    """A sampler that runs from a step of a recipe on."""

    def __init__(
        self,
        recipe: Recipe,
        config: Mapping[str, object],
        sampler: Sampler,
        begin: int,
        *,
        is_img2img: bool,
    ) -> None:
        self.sampler = sampler
        self.schedule: Schedule = schedule_from(
            sampler, recipe.steps, begin if is_img2img else None, config
        )
        self._steps = recipe.steps
        self._begin = begin
        self._config = config

    def evaluations_at(self, step: int) -> int:
        """Its evaluations before this step of the recipe.

        A step of a second-order sampler takes two, but the last one takes one. The first step of
        PNDM takes two.
        """
        if step == self._begin:
            return 0
        order = self.sampler.scheduler.order
        return len(self.schedule.steps) - order * (self._steps - step) + order - 1

    def step_ends(self, offset: int, end: int) -> list[int]:
        """The completed evaluations, plus `offset`, after each of its steps before `end`."""
        inner = [offset + self.evaluations_at(step) for step in range(self._begin + 1, end)]
        whole = end == self._steps
        return [*inner, offset + (len(self.schedule.steps) if whole else self.evaluations_at(end))]

    def level_at(self, step: int) -> InitWeights:
        """Image and noise in its latents before this step of the recipe."""
        return self._levels[self._first + self.evaluations_at(step)]

    def levels_until(self, end: int) -> Sequence[InitWeights]:
        """Image and noise in its latents after each of its evaluations before this step of the
        recipe."""
        whole = end == self._steps
        count = len(self.schedule.steps) if whole else self.evaluations_at(end)
        return self._levels[self._first + 1 :][:count]

    @property
    def _first(self) -> int:
        """The index of its first evaluation among those of all steps."""
        return self._begin * self.sampler.scheduler.order

    @property
    def _levels(self) -> tuple[InitWeights, ...]:
        return noise_levels(self.sampler, self._steps, self._config)


def _converted(old: InitWeights, new: InitWeights) -> LatentWeights:
    """The weights that keep image and noise, but mix them as another sampler does.

    With x = a * x0 + b * noise, the noise is (x - a * x0) / b.
    """
    ratio = new.noise / old.noise
    return LatentWeights(ratio, new.image_latents - ratio * old.image_latents)
