"""The recipe: everything that determines one picture."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from engine.contract.prompt_weights import words_of
from engine.contract.recipe_parts import (
    MAX_GUIDANCE,
    SEED_LIMIT,
    Backend,
    Change,
    Edit,
    Embedding,
    Img2Img,
    Inpaint,
    Outpaint,
    PromptFormat,
    Source,
    Subseed,
    Txt2Img,
    check_length,
    check_prompt,
    check_range,
    check_seed,
)
from engine.contract.samplers import Sampler
from engine.contract.sizes import check_size
from engine.contract.steering import (
    MAX_ADAPTERS,
    MAX_CONTROLS,
    MAX_REFERENCES,
    Adapter,
    Control,
    Reference,
    is_steered,
    show_content,
)

MAX_STEPS: Final = 150
MAX_CHANGED_CHARS: Final = 50_000
"""Characters in the prompts of all changes of a recipe."""
MAX_DISTINCT_CHARS: Final = 4_000
"""The same, if each different prompt is counted once: prompt filters read them all."""
MAX_SUBSEEDS: Final = 64
MAX_CLIP_SKIP: Final = 12
"""Layers of the text encoder of Stable Diffusion 1."""
RANDOM_SEED: Final = -1
"""Stands for any seed in requests, as in other programs; no recipe has it."""
ROW_CLASSES: Final = (2, 4, 8, 16, 32)
"""Allowed numbers of rows in a denoising batch. The batch size changes the bits of a picture, so it
is part of the recipe."""


def row_class_for(rows: int) -> int:
    """The smallest row class that holds so many rows."""
    return next(row_class for row_class in ROW_CLASSES if rows <= row_class)


INITIAL_SECONDS_PER_PIXEL: Final = 1e-6
"""Estimated cost of a pixel of a row in one forward pass, before anything was measured."""


class Phase(NamedTuple):
    """The settings of a recipe from one step on."""

    step: int
    """The number of completed steps; 0 for the first phase."""
    prompt: str
    negative: str
    guidance: float
    sampler: Sampler
    guidance_embedding: bool = False
    """As that of the recipe."""
    image_guidance: float | None = None
    """That of an edit."""

    @property
    def uses_cfg(self) -> bool:
        """Whether classifier-free guidance is on. Of an edit, both guidances are on, or none."""
        is_on = self.guidance > 1.0 and not self.guidance_embedding
        return is_on and (self.image_guidance is None or self.image_guidance >= 1.0)

    def with_change(self, change: Change) -> "Phase":
        """The phase that begins with this change."""
        return Phase(
            step=change.step,
            prompt=self.prompt if change.prompt is None else change.prompt,
            negative=self.negative if change.negative is None else change.negative,
            guidance=self.guidance if change.guidance is None else change.guidance,
            sampler=self.sampler if change.sampler is None else change.sampler,
            guidance_embedding=self.guidance_embedding,
            image_guidance=self.image_guidance,
        )


class Recipe(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag=True,
):
    """Everything that determines one picture.

    Raises ValueError, with a sentence for the user, if a value is not allowed. The docstring of a
    field says what diffusers' pipelines call it, if they have another name.
    """

    model: str
    """As in IMAGINE_MODEL: `starter`, a folder, a file or a hub id."""
    revision: str
    """A digest of the model's files, or the hub's commit."""
    prompt: str
    """May be empty if a control or a reference, not for the style alone, says what to paint; so may
    those of changes."""
    negative: str = ""
    """diffusers: `negative_prompt`."""
    prompt_format: PromptFormat = PromptFormat.PLAIN
    """Of all its prompts, also those of the changes."""
    clip_skip: int = 1
    """The layer of the text encoder, counted from the last one (1) back as in AUTOMATIC1111's web
    UI, whose output is used for the prompt. diffusers: `clip_skip` is one less, and None for 1."""
    negative_clip_skip: int = 1
    """The same for the negative prompt. The web UI has one layer for both; diffusers has the last
    one."""
    seed: int
    """diffusers: the seed of `generator`."""
    subseeds: tuple[Subseed, ...] = ()
    """Mixed into the noise of the seed one after the other."""
    steps: int
    """diffusers: `num_inference_steps`."""
    guidance: float
    """diffusers: `guidance_scale`. Classifier-free guidance is off at 1 and below, which halves
    the rows."""
    guidance_embedding: bool = False
    """Whether the guidance is an input of the denoiser, as the model's card says, in place of
    classifier-free guidance. diffusers: `timestep_cond`."""
    sampler: Sampler
    """diffusers: the class and options of `scheduler`."""
    width: int
    height: int
    changes: tuple[Change, ...] = ()
    """In ascending order of their steps."""
    source: Source = Txt2Img()
    references: tuple[Reference, ...] = ()
    controls: tuple[Control, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    backend: Backend = Backend.TORCH
    """What runs the denoiser and the decoder. An engine that lacks it uses torch."""
    embeddings: tuple[Embedding, ...] = ()
    """Those whose names in the prompts of the format A1111 stand for their vectors; other names are
    words. diffusers: `load_textual_inversion`."""
    row_class: int
    """Padded batch size at which the picture is computed, one of ROW_CLASSES; compare vLLM's
    `cudagraph_capture_sizes` and TensorFlow Serving's `allowed_batch_sizes`."""

    def __post_init__(self) -> None:
        may_be_empty = show_content(self.controls, self.references)
        for prompt in (self.prompt, *(change.prompt for change in self.changes)):
            if prompt is not None:
                check_prompt(prompt, may_be_empty=may_be_empty)
        check_length("negative prompt", self.negative)
        self._check_numbers()
        self._check_source()
        self._check_steering()
        self._check_changes()

    def _check_numbers(self) -> None:
        check_seed("seed", self.seed)
        if len(self.subseeds) > MAX_SUBSEEDS:
            raise ValueError(
                f"The picture has {len(self.subseeds)} subseeds; at most {MAX_SUBSEEDS} are "
                "allowed. Start again from an earlier picture."
            )
        if not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"Steps is {self.steps}; it must be 1 to {MAX_STEPS}.")
        check_range("guidance", self.guidance, 0.0, MAX_GUIDANCE)
        for skip in (self.clip_skip, self.negative_clip_skip):
            if not 1 <= skip <= MAX_CLIP_SKIP:
                raise ValueError(f"The clip skip is {skip}; it must be 1 to {MAX_CLIP_SKIP}.")
        for name, size in (("width", self.width), ("height", self.height)):
            check_size(name, size)
        if self.row_class not in ROW_CLASSES:
            raise ValueError(f"The row class is {self.row_class}; it must be one of {ROW_CLASSES}.")

    def _check_source(self) -> None:
        source = self.source
        if isinstance(source, Img2Img | Inpaint | Outpaint) and self.executed_steps < 1:
            smallest = source.rounding.smallest_strength(self.steps)
            raise ValueError(
                f"With a strength of {source.strength:g}, none of the {self.steps} steps would "
                f"run; the strength must be at least {smallest:g}."
            )

        if isinstance(source, Outpaint) and (
            source.left + source.width > self.width or source.top + source.height > self.height
        ):
            raise ValueError(
                f"The image of {source.width} x {source.height} pixels at {source.left}, "
                f"{source.top} does not lie on the canvas of {self.width} x {self.height} pixels."
            )

    def _check_steering(self) -> None:
        for name, items, most in (
            ("LoRAs", self.adapters, MAX_ADAPTERS),
            ("controls", self.controls, MAX_CONTROLS),
            ("references", self.references, MAX_REFERENCES),
        ):
            if len(items) > most:
                raise ValueError(
                    f"The picture has {len(items)} {name}; at most {most} are allowed."
                )
        names = [adapter.name for adapter in self.adapters]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"The LoRA {name} is named twice; name it once.")

    def _check_changes(self) -> None:
        for earlier, later in pairwise(self.changes):
            if later.step <= earlier.step:
                raise ValueError(
                    f"A change at step {later.step} follows one at step {earlier.step}; the steps "
                    "of changes must ascend."
                )
        if self.changes and self.changes[-1].step >= self.executed_steps:
            raise ValueError(
                f"A change is at step {self.changes[-1].step}, but the picture has "
                f"{self.executed_steps} steps; it must be 1 to {self.executed_steps - 1}."
            )
        texts = [text for change in self.changes for text in (change.prompt, change.negative)]
        for name, counted, most in (
            ("", texts, MAX_CHANGED_CHARS),
            ("different ", set(texts), MAX_DISTINCT_CHARS),
        ):
            chars = sum(len(text) for text in counted if text is not None)
            if chars > most:
                raise ValueError(
                    f"The {name}prompts of all changes have {chars} characters; at most {most} are "
                    "allowed."
                )

    @property
    def recipe(self) -> "Recipe":
        """The recipe itself; an enlargement has that of the picture that it enlarges."""
        return self

    @property
    def strength(self) -> float | None:
        """That of the source; None if the image starts as noise."""
        return self.source.strength

    @property
    def executed_steps(self) -> int:
        """Sampler steps that are run: with an init image, only a part of `steps`."""
        return self.source.executed_steps(self.steps)

    @property
    def images(self) -> tuple[str, ...]:
        """The digests of all input images, each once."""
        references = (reference.image for reference in self.references)
        controls = (control.image for control in self.controls)
        return tuple(dict.fromkeys((*self.source.images, *references, *controls)))

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The settings from the first step on, and after each change."""
        return tuple(self._phases())

    def _phases(self) -> Iterator[Phase]:
        phase = Phase(
            0,
            self.prompt,
            self.negative,
            self.guidance,
            self.sampler,
            self.guidance_embedding,
            self.source.image_guidance if isinstance(self.source, Edit) else None,
        )
        yield phase
        for change in self.changes:
            phase = phase.with_change(change)
            yield phase

    @property
    def samplers(self) -> tuple[Sampler, ...]:
        """Each sampler that runs."""
        return tuple(dict.fromkeys(phase.sampler for phase in self.phases))

    @property
    def prompts(self) -> tuple[tuple[str, str], ...]:
        """Each prompt that takes effect with its negative prompt, empty without guidance.

        With weights, the words without their notation too, if they differ.
        """
        pairs = [(phase.prompt, phase.negative if phase.uses_cfg else "") for phase in self.phases]
        if self.prompt_format is PromptFormat.A1111:
            pairs += [(words_of(prompt), words_of(negative)) for prompt, negative in pairs]
        return tuple(dict.fromkeys(pairs))

    @property
    def encoded_texts(self) -> frozenset[str]:
        """The prompts of all phases; with guidance at any step, their negative prompts too."""
        negatives = [phase.negative for phase in self.phases] if self.uses_cfg else []
        return frozenset([*(phase.prompt for phase in self.phases), *negatives])

    @property
    def uses_cfg(self) -> bool:
        """Whether classifier-free guidance is on at any step, as diffusers'
        `do_classifier_free_guidance`."""
        return any(phase.uses_cfg for phase in self.phases)

    @property
    def uses_image_cfg(self) -> bool:
        """Whether it is an edit with classifier-free guidance for the image too."""
        return isinstance(self.source, Edit) and self.uses_cfg

    @property
    def rows(self) -> int:
        """Rows of this picture in each forward pass: 2 with classifier-free guidance, 3 for an edit
        with it, else 1."""
        return 1 + self.uses_cfg + self.uses_image_cfg

    @property
    def is_steered(self) -> bool:
        """Whether anything but prompts and source steers it; the prompt may be an image."""
        return is_steered(self.adapters, self.controls, self.references)

    def with_seed(self, seed: int) -> "Recipe":
        """The recipe with this seed modulo SEED_LIMIT."""
        return msgspec.structs.replace(self, seed=seed % SEED_LIMIT)

    @property
    def seed_text(self) -> str:
        """The seed, and the subseeds with their shares: `7`, `7 + 0.15 of 3`."""
        subseeds = (f" + {subseed.share:g} of {subseed.seed}" for subseed in self.subseeds)
        return f"{self.seed}{''.join(subseeds)}"

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """The names of its embeddings."""
        return tuple(embedding.name for embedding in self.embeddings)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height
