"""The description of a loaded model that the bot receives: limits, defaults and row classes."""

from collections.abc import Sequence

import msgspec

from engine.contract.embedding_names import names_in
from engine.contract.recipe import MAX_STEPS, Recipe, row_class_for
from engine.contract.recipe_parts import (
    Backend,
    Embedding,
    PromptFormat,
    StepRounding,
    short_revision,
)
from engine.contract.samplers import FLOW_SAMPLERS, Sampler
from engine.contract.sizes import MAX_SIZE, SIZE_MULTIPLE, size_for_aspect, size_for_init_image
from engine.contract.steering import (
    Adapter,
    AdapterCard,
    Control,
    ControlCard,
    ImageAdapterCard,
    Preprocessor,
    Reference,
    ReferenceRole,
)
from engine.contract.support import check_steering


class BatchSizes(msgspec.Struct, frozen=True, kw_only=True):
    """The row classes of pictures up to a size, in ascending order."""

    pixels: int
    """The largest area (width x height) to which they apply."""
    default: tuple[int, ...]
    """For jobs whose row class depends on their own pictures alone."""
    under_load: tuple[int, ...]
    """Besides those, for jobs whose row class the engine may choose by load (`Paint.adaptive`)."""

    def holding(self, rows: int) -> "BatchSizes":
        """The same without row classes that are too small for a picture of so many rows."""
        default, under_load = (
            tuple(size for size in sizes if rows <= size) or (row_class_for(rows),)
            for sizes in (self.default, self.under_load)
        )
        return msgspec.structs.replace(self, default=default, under_load=under_load)


class Distilled(msgspec.Struct, frozen=True):
    """How a model was distilled, and what spoils its pictures if there is more of it.

    New requests may not have more; older recipes are painted as they are.
    """

    name: str
    """Such as `Turbo`."""
    most_steps: int
    most_guidance: float


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A loaded model, described without torch."""

    name: str
    revision: str
    native_size: int
    """Side, in pixels, of the square pictures that the model was trained on."""
    size_multiple: int = SIZE_MULTIPLE
    """Widths and heights must be multiples of this number of pixels."""
    max_pixels: int
    """The largest area (width x height) of a picture."""
    max_side: int = MAX_SIZE
    """The largest width and height in pixels."""
    steps: int
    guidance: float
    sampler: Sampler
    """`steps`, `guidance` and `sampler` are the defaults of requests without these options."""
    max_steps: dict[Sampler, int]
    """The most steps of each sampler that allows fewer than MAX_STEPS; 0 for a sampler that does
    not work with the model's noise schedule."""
    rounding: StepRounding = StepRounding.DOWN
    """That of new img2img recipes."""
    guidance_embedding: bool = False
    """Whether the guidance is an input of the denoiser; then recipes have `guidance_embedding`."""
    most_clip_skip: int = 1
    """The highest `clip_skip` of recipes; 1 for a model that always uses the same layer."""
    embeddings: tuple[Embedding, ...] = ()
    """Those that prompts may name."""
    adapters: tuple[AdapterCard, ...] = ()
    """The LoRAs of IMAGINE_LORAS that fit it."""
    refused_adapters: dict[str, str] = {}
    """By the name of each LoRA there that cannot be used, a sentence that says why."""
    controls: tuple[ControlCard, ...] = ()
    image_adapter: ImageAdapterCard | None = None
    """What reads reference images; None if the model takes none."""
    can_inpaint: bool = False
    """Whether it can repaint a part of a picture."""
    is_editor: bool = False
    """Whether it edits pictures by instructions, and does nothing else."""
    image_guidance: float = 1.5
    """The default of edits."""
    distilled: Distilled | None = None
    """None if the model was not distilled, or if that is unknown."""
    max_concurrent_batches: int = 1
    backends: tuple[Backend, ...] = (Backend.TORCH,)
    """What can run the model's networks; the first is that of new requests."""
    batch_sizes: tuple[BatchSizes, ...]
    """By picture size, smallest first."""
    fingerprint: str
    """Software and hardware in one line. Equal recipes and fingerprints give equal bits."""
    licence: str = ""
    """As the model's own files name it, such as `mit`; empty if they do not."""

    @property
    def backend(self) -> Backend:
        """That of new requests."""
        return self.backends[0]

    @property
    def file_sha256(self) -> str | None:
        """The digest of the checkpoint; None for a folder and for a model of the hub."""
        digest, dash, _ = self.revision.partition("-")
        return digest if dash else None

    @property
    def is_flow(self) -> bool:
        """Whether it is trained with flow matching."""
        return all(sampler in FLOW_SAMPLERS for sampler in self.samplers)

    @property
    def samplers(self) -> tuple[Sampler, ...]:
        """The samplers that work with the model."""
        return tuple(sampler for sampler in Sampler if self.max_steps.get(sampler, MAX_STEPS) > 0)

    def size_for_aspect(self, aspect_ratio: float) -> tuple[int, int]:
        """Width and height in pixels with this aspect ratio and about the native area."""
        return size_for_aspect(aspect_ratio, self.native_size, self.size_multiple, self.max_side)

    def size_for_init_image(self, width: int, height: int) -> tuple[int, int]:
        """The width and height in pixels at which to paint over an init image of this size."""
        multiple, max_side = self.size_multiple, self.max_side
        return size_for_init_image(width, height, self.native_size, multiple, max_side)

    def with_row_class(self, recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
        """The recipes of one job, which have one size, with their default row class.

        It is the smallest class of that size that holds all rows of the job. If none does, it is
        the largest, and the pictures take turns in its batches.
        """
        size = recipes[0].size
        row_class = _smallest(self._sizes_for(*size).default, recipes)
        return tuple(msgspec.structs.replace(recipe, row_class=row_class) for recipe in recipes)

    def row_classes(self, width: int, height: int) -> frozenset[int]:
        """All row classes that pictures of this size may have."""
        sizes = self._sizes_for(width, height)
        return frozenset(sizes.default + sizes.under_load)

    def with_smaller_row_class(self, recipe: Recipe) -> Recipe | None:
        """The recipe with the next smaller row class of its size; None if there is none."""
        row_classes = self.row_classes(recipe.width, recipe.height)
        smaller = [row_class for row_class in row_classes if row_class < recipe.row_class]
        return msgspec.structs.replace(recipe, row_class=max(smaller)) if smaller else None

    def check_recipe(self, recipe: Recipe) -> None:
        """Raise ValueError, with a sentence for the user, if the model cannot paint the recipe."""
        check_steering(recipe, self)
        self.check_area(recipe.width, recipe.height)
        if recipe.rows > recipe.row_class:
            raise ValueError(
                f"This picture takes {recipe.rows} rows, so its row class must be at least "
                f"{row_class_for(recipe.rows)}; it is {recipe.row_class}."
            )
        self.check_sampler(recipe)
        self.check_steps(recipe)
        self.check_clip_skip(recipe)
        self.check_guidance_embedding(recipe)
        self.check_embeddings(recipe)

    def is_paintable(self, width: int, height: int) -> bool:
        """Whether the model can paint pictures of this size in pixels."""
        is_multiple = not (width % self.size_multiple or height % self.size_multiple)
        is_small = max(width, height) <= self.max_side and width * height <= self.max_pixels
        return is_multiple and is_small

    def check_area(self, width: int, height: int) -> None:
        """Raise ValueError, with a sentence for the user, if the model cannot paint this size."""
        multiple = self.size_multiple
        if width % multiple or height % multiple:
            raise ValueError(
                f"{width} x {height} does not suit this model: its widths and heights are "
                f"multiples of {multiple}."
            )
        if max(width, height) > self.max_side:
            raise ValueError(
                f"{width} x {height} is too large for this model: widths and heights of at most "
                f"{self.max_side} pixels are allowed."
            )
        if width * height > self.max_pixels:
            raise ValueError(
                f"{width} x {height} is too large for this model: at most {self.max_pixels} "
                "pixels are allowed."
            )

    def check_sampler(self, recipe: Recipe) -> None:
        """Raise ValueError, with a sentence for the user, if one of its samplers does not work with
        the model."""
        for sampler in recipe.samplers:
            if sampler not in self.samplers:
                raise ValueError(
                    f"The model {self.name} does not work with the sampler {sampler}. "
                    f"Choose one of: {', '.join(self.samplers)}."
                )

    def check_steps(self, recipe: Recipe) -> None:
        """Raise ValueError, with a sentence for the user, if one of its samplers allows fewer
        steps."""
        for sampler in recipe.samplers:
            limit = self.max_steps.get(sampler, MAX_STEPS)
            if recipe.steps > limit:
                raise ValueError(
                    f"The sampler {sampler} takes at most {limit} steps; "
                    f"this request has {recipe.steps}."
                )

    def check_guidance_embedding(self, recipe: Recipe) -> None:
        """Raise ValueError, with a sentence for the user, if the recipe's guidance does not take
        effect as the model needs it."""
        if recipe.guidance_embedding != self.guidance_embedding:
            has = "has" if self.guidance_embedding else "does not have"
            raise ValueError(
                f"The model {self.name} {has} the guidance as an input, so the recipe's "
                f"guidance_embedding must be {str(self.guidance_embedding).lower()}."
            )

    def check_backend(self, recipe: Recipe) -> None:
        """Raise ValueError, with a sentence for the user, if the recipe's backend is not there."""
        if recipe.backend not in self.backends:
            raise ValueError(
                f"The model {self.name} cannot be run by {recipe.backend} here. "
                f"Choose one of: {', '.join(self.backends)}."
            )

    def check_embeddings(self, recipe: Recipe) -> None:
        """Raise ValueError, with a sentence for the user, if one of its embeddings is not here, or
        has other vectors here."""
        here = {embedding.name: embedding for embedding in self.embeddings}
        for embedding in recipe.embeddings:
            if embedding.name not in here:
                raise ValueError(
                    f"This picture needs the embedding {embedding.name}, which the model "
                    f"{self.name} does not have here."
                )
            if embedding != here[embedding.name]:
                raise ValueError(
                    f"This picture needs the embedding {embedding.name} "
                    f"({short_revision(embedding.sha256)}); here is another one of this name "
                    f"({short_revision(here[embedding.name].sha256)})."
                )

    def with_embeddings(self, recipe: Recipe) -> Recipe:
        """The recipe with the embeddings that its prompts name."""
        if recipe.prompt_format is PromptFormat.PLAIN or not self.embeddings:
            return recipe
        texts = {text for phase in recipe.phases for text in (phase.prompt, phase.negative)}
        names = tuple(embedding.name for embedding in self.embeddings)
        used = {name for text in texts for name in names_in(text, names)}
        embeddings = tuple(item for item in self.embeddings if item.name in used)
        return msgspec.structs.replace(recipe, embeddings=embeddings)

    def adapter(self, name: str, scale: float) -> Adapter:
        """The LoRA of this name, or of this name in other case if none has it as it is.

        Raises ValueError, with a sentence for the user.
        """
        exact = [card for card in self.adapters if card.name == name]
        folded = [card for card in self.adapters if card.name.lower() == name.lower()]
        for card in (*exact, *folded):
            return Adapter(name=card.name, revision=card.revision, scale=scale)
        for refused, reason in self.refused_adapters.items():
            if refused.lower() == name.lower():
                raise ValueError(reason)
        names = ", ".join(card.name for card in self.adapters)
        offered = f"Choose one of: {names}." if names else "It has none."
        raise ValueError(f"There is no LoRA “{name[:50]}” for the model {self.name}. {offered}")

    def without_adapters(self, names: Sequence[str]) -> "ModelCard":
        """The card of a model that cannot have the LoRAs of these names, nor any other."""
        reason = f"The model {self.name} takes no LoRAs here."
        refused = dict.fromkeys(names, reason)
        return msgspec.structs.replace(self, adapters=(), refused_adapters=refused)

    def control(
        self,
        kind: str,
        image: str,
        *,
        preprocessor: Preprocessor = Preprocessor.NONE,
        scale: float = 1.0,
        start: float = 0.0,
        end: float = 1.0,
    ) -> Control:
        """The control of this kind. Raises ValueError, with a sentence for the user."""
        for card in self.controls:
            if card.kind == kind:
                return Control(
                    kind=kind,
                    revision=card.revision,
                    image=image,
                    preprocessor=preprocessor,
                    scale=scale,
                    start=start,
                    end=end,
                )
        kinds = ", ".join(card.kind for card in self.controls)
        offered = f"Choose one of: {kinds}." if kinds else "It has none."
        raise ValueError(f"The model {self.name} has no control “{kind[:50]}” here. {offered}")

    def reference(
        self, image: str, *, role: ReferenceRole = ReferenceRole.LIKE, scale: float = 1.0
    ) -> Reference:
        """A reference image. Raises ValueError, with a sentence for the user."""
        adapter = self.image_adapter
        if adapter is None:
            raise ValueError(f"The model {self.name} takes no reference pictures here.")
        return Reference(
            image=image, role=role, scale=scale, adapter=adapter.name, revision=adapter.revision
        )

    def check_clip_skip(self, recipe: Recipe) -> None:
        """Raise ValueError, with a sentence for the user, if the recipe skips too many layers."""
        clip_skip = max(recipe.clip_skip, recipe.negative_clip_skip)
        if clip_skip > self.most_clip_skip:
            allowed = "1" if self.most_clip_skip == 1 else f"1 to {self.most_clip_skip}"
            raise ValueError(
                f"The model {self.name} takes a clip skip of {allowed}; this request has "
                f"{clip_skip}."
            )

    def check_distillation(self, recipe: Recipe) -> None:
        """Raise ValueError, with a sentence for the user, if the model was distilled and the recipe
        has more steps or guidance than it was distilled for."""
        limits = self.distilled
        if limits is not None and recipe.steps > limits.most_steps:
            raise ValueError(
                f"The model {self.name} is distilled ({limits.name}) and paints in a few "
                f"steps: choose at most {limits.most_steps}, best {self.steps}; this request has "
                f"{recipe.steps}."
            )
        self.check_guidance(max(phase.guidance for phase in recipe.phases))

    def check_guidance(self, guidance: float) -> None:
        """Raise ValueError, with a sentence for the user, if the model was distilled for less."""
        limits = self.distilled
        if limits is not None and guidance > limits.most_guidance:
            raise ValueError(
                f"The model {self.name} is distilled ({limits.name}) for a low guidance: "
                f"choose at most {limits.most_guidance:g}, best {self.guidance:g}; this request "
                f"has {guidance:g}."
            )

    def _sizes_for(self, width: int, height: int) -> BatchSizes:
        large_enough = (sizes for sizes in self.batch_sizes if width * height <= sizes.pixels)
        return next(large_enough, self.batch_sizes[-1])


def card_for(recipe: Recipe, cards: Sequence[ModelCard]) -> ModelCard:
    """The card of the recipe's model and revision.

    Raises ValueError, with a sentence for the user, if there is none.
    """
    for card in cards:
        if (recipe.model, recipe.revision) == (card.name, card.revision):
            return card
    names = " and ".join(f"{card.name} ({short_revision(card.revision)})" for card in cards)
    raise ValueError(
        f"This picture needs the model {recipe.model} ({short_revision(recipe.revision)}), but "
        f"{names} {'is' if len(cards) == 1 else 'are'} loaded."
    )


def _smallest(row_classes: tuple[int, ...], recipes: Sequence[Recipe]) -> int:
    rows = sum(recipe.rows for recipe in recipes)
    return next((size for size in row_classes if rows <= size), row_classes[-1])
