"""All that the bot and the engine say to each other: recipes, commands and events."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

PROMPT_LIMIT: Final = 1000
"""Characters in a prompt or a negative prompt."""
STEPS_LIMIT: Final = 150
GUIDANCE_LIMIT: Final = 30.0
SEED_LIMIT: Final = 2**32
"""Seeds run from 0 to SEED_LIMIT - 1, as in the interfaces that people know."""
SIZE_STEP: Final = 8
"""Widths and heights are multiples of it: one latent pixel stands for 8 x 8 pixels."""
SIZE_SMALLEST: Final = 64
SIZE_LARGEST: Final = 2048
PICTURES_LIMIT: Final = 4
ROW_CLASSES: Final = (2, 4, 8, 16, 32)
"""Rows in a denoising batch. The shape of a batch changes bits, so it belongs to the recipe."""
CONTRACT_VERSION: Final = 6
PULSE_SECONDS: Final = 2.0
"""Between two Pulses, whatever the engine is doing."""


class Sampler(StrEnum):
    """The samplers on offer, by the names that people type."""

    PNDM = "pndm"
    LMS = "lms"
    DDIM = "ddim"
    DDPM = "ddpm"
    EULER = "euler"
    EULER_A = "euler_a"
    HEUN = "heun"
    DPM2 = "dpm2"
    DPM2_A = "dpm2_a"
    DPMPP_2M = "dpmpp_2m"
    DPMPP_2M_KARRAS = "dpmpp_2m_karras"
    DPMPP_2M_SDE = "dpmpp_2m_sde"
    UNIPC = "unipc"
    DEIS = "deis"
    LCM = "lcm"
    TCD = "tcd"


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that fixes one picture.

    Raises ValueError, with a sentence for the person, if a value is impossible.
    """

    model: str
    """What IMAGINE_MODEL said: `starter`, a folder or a hub id."""
    revision: str
    """Which weights: a digest of the model's files, or the hub's commit."""
    prompt: str
    negative: str = ""
    seed: int
    subseed: int = 0
    subseed_strength: float = 0.0
    """0 paints the seed's noise, 1 the subseed's, in between a spherical mixture."""
    steps: int
    guidance: float
    """Classifier-free guidance; 1 or less switches it off, and halves the rows."""
    sampler: Sampler
    width: int
    height: int
    source: str | None = None
    """sha256 (hex) of the PNG that img2img starts from, or None for txt2img."""
    strength: float | None = None
    """How much of the source is painted over, above 0 to 1; None for txt2img."""
    adapters: tuple[str, ...] = ()
    row_class: int

    def __post_init__(self) -> None:
        self._check_words()
        self._check_numbers()
        self._check_source()

    def _check_words(self) -> None:
        if not self.prompt.strip():
            raise ValueError("The prompt is empty. Say in a few words what you want to see.")
        for what, text in (("prompt", self.prompt), ("negative prompt", self.negative)):
            if len(text) > PROMPT_LIMIT:
                raise ValueError(
                    f"The {what} has {len(text)} characters; {PROMPT_LIMIT} are allowed."
                )

    def _check_numbers(self) -> None:
        for what, seed in (("seed", self.seed), ("subseed", self.subseed)):
            if not 0 <= seed < SEED_LIMIT:
                raise ValueError(f"The {what} is {seed}; it must be 0 to {SEED_LIMIT - 1}.")
        _within("subseed strength", self.subseed_strength, 0.0, 1.0)
        if not 1 <= self.steps <= STEPS_LIMIT:
            raise ValueError(f"Steps is {self.steps}; it must be 1 to {STEPS_LIMIT}.")
        _within("guidance", self.guidance, 0.0, GUIDANCE_LIMIT)
        for what, size in (("width", self.width), ("height", self.height)):
            check_size(what, size)
        if self.row_class not in ROW_CLASSES:
            raise ValueError(f"The row class is {self.row_class}; it must be one of {ROW_CLASSES}.")

    def _check_source(self) -> None:
        if (self.source is None) != (self.strength is None):
            raise ValueError("A sketch and its strength go together: give both or neither.")
        if self.strength is None:
            return
        check_strength(self.strength)
        if int(self.steps * self.strength) < 1:
            smallest = math.ceil(1000 / self.steps) / 1000
            raise ValueError(
                f"A strength of {self.strength:g} leaves nothing to paint in {self.steps} steps; "
                f"the smallest is {smallest:g}."
            )

    @property
    def guided(self) -> bool:
        """Does this picture need two rows, with and without its prompt?"""
        return self.guidance > 1.0


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN fails this too
        raise ValueError(f"The {what} is {value:g}; it must be {low:g} to {high:g}.")


def check_size(what: str, size: int) -> None:
    """Raise ValueError, in words for the person, unless a model can paint this many pixels."""
    if size % SIZE_STEP or not SIZE_SMALLEST <= size <= SIZE_LARGEST:
        raise ValueError(
            f"The {what} is {size}; it must be a multiple of {SIZE_STEP} "
            f"from {SIZE_SMALLEST} to {SIZE_LARGEST}."
        )


def check_strength(strength: float) -> None:
    """Raise ValueError, in words for the person, unless 0 < strength <= 1."""
    if not 0.0 < strength <= 1.0:
        raise ValueError(f"The strength is {strength:g}; it must be above 0 and at most 1.")


def size_for(ratio: float, native: int) -> tuple[int, int]:
    """Width and height in pixels of about `native` x `native` area with this width / height.

    Both are multiples of SIZE_STEP; a ratio beyond 1:4 or 4:1 is drawn in to it.
    """
    ratio = min(max(ratio, 0.25), 4.0)
    return _snap(native * math.sqrt(ratio)), _snap(native / math.sqrt(ratio))


def size_for_sketch(width: int, height: int, native: int) -> tuple[int, int]:
    """The size to paint a sketch at: its own if the model is at home there, else its aspect."""
    own = _snap(width), _snap(height)
    at_home = native * native / 2 <= width * height <= native * native * 3 / 2
    return own if at_home and max(own) <= 2 * native else size_for(width / height, native)


def _snap(pixels: float) -> int:
    steps = round(pixels / SIZE_STEP) * SIZE_STEP
    return min(max(steps, SIZE_SMALLEST), SIZE_LARGEST)


class Shapes(msgspec.Struct, frozen=True, kw_only=True):
    """The row classes that pictures up to a size are painted in."""

    pixels: int
    """Most pixels (width x height) of such a picture."""
    classes: tuple[int, ...]
    """For a request by itself, in rising order."""
    loaded: tuple[int, ...]
    """For requests that come together, where the engine may choose by load."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine has loaded, for those who have never seen torch."""

    name: str
    revision: str
    native: int
    """Pixels on a side of the square that this model was trained on."""
    largest: int
    """Most pixels (width x height) of one picture."""
    steps: int
    guidance: float
    sampler: Sampler
    """What a request gets that names none."""
    longest: dict[Sampler, int]
    """Most steps of those samplers that cannot take STEPS_LIMIT."""
    hands: int = 1
    """Batches that are painted at the same time."""
    shapes: tuple[Shapes, ...]
    """The row classes of pictures by their size: small ones first."""
    fingerprint: str
    """Software and hardware, in one line: same recipe, same fingerprint, same bits."""

    def classed(self, recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
        """These recipes of one request with their row class: the smallest that all of their rows
        fit in, or the largest of their size, in which they take turns."""
        first = recipes[0]
        chosen = _smallest(self._shapes(first.width, first.height).classes, recipes)
        return tuple(msgspec.structs.replace(recipe, row_class=chosen) for recipe in recipes)

    def classed_by_load(
        self, recipes: Sequence[Recipe], others: Sequence[Recipe]
    ) -> tuple[Recipe, ...]:
        """The same, with room for the others of their size as well, spread over all hands."""
        first = recipes[0]
        alike = [
            each for each in others if (each.width, each.height) == (first.width, first.height)
        ]
        loaded = self._shapes(first.width, first.height).loaded
        chosen = _smallest(loaded, [*recipes, *alike], self.hands)
        return tuple(msgspec.structs.replace(recipe, row_class=chosen) for recipe in recipes)

    def all_classes(self, width: int, height: int) -> frozenset[int]:
        """In which pictures of this size are painted."""
        shapes = self._shapes(width, height)
        return frozenset(shapes.classes + shapes.loaded)

    def smaller(self, recipe: Recipe) -> Recipe | None:
        """The same in the next smaller row class of its size; None if there is none."""
        below = [
            each
            for each in self.all_classes(recipe.width, recipe.height)
            if each < recipe.row_class
        ]
        return msgspec.structs.replace(recipe, row_class=max(below)) if below else None

    def _shapes(self, width: int, height: int) -> Shapes:
        fitting = (each for each in self.shapes if width * height <= each.pixels)
        return next(fitting, self.shapes[-1])

    def check_steps(self, recipe: Recipe) -> None:
        """Raise ValueError, in words for the person, if the sampler cannot take so many."""
        most = self.longest.get(recipe.sampler, STEPS_LIMIT)
        if recipe.steps > most:
            raise ValueError(
                f"The sampler {recipe.sampler} takes at most {most} steps; "
                f"this asks for {recipe.steps}."
            )


def _smallest(classes: tuple[int, ...], recipes: Sequence[Recipe], hands: int = 1) -> int:
    rows = sum(2 if recipe.guided else 1 for recipe in recipes) / hands
    return next((size for size in classes if rows <= size), classes[-1])


# Commands: bot to engine


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first frame of a connection; the engine answers Ready, or closes with Rejected."""

    token: str
    version: int = CONTRACT_VERSION


class Paint(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Paint these recipes together. `job` and `attempt` come back with each event."""

    job: str
    attempt: int
    recipes: tuple[Recipe, ...]
    source: bytes | None = None
    """The PNG that the recipes' `source` is the sha256 of."""
    previews: bool = True
    adaptive: bool = False
    """May the engine choose other row classes by load? The pictures say in which they came."""
    reveal: bool = False
    """May pictures that the safety check flagged come with their bytes? What could not be checked
    never does, and previews never show what is flagged."""
    owner: str = ""
    """Whose job it is; only whether two are the same matters."""
    had: float = 0.0
    """Seconds of the engine that the owner has had of late: who had least goes first."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.recipes) <= PICTURES_LIMIT:
            raise ValueError(
                f"A job has {len(self.recipes)} pictures; 1 to {PICTURES_LIMIT} are allowed."
            )


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop this job at the next step; it ends with Cancelled. An unknown job is no error."""

    job: str
    attempt: int


Command = Hello | Paint | Cancel


# Events: engine to bot


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded and jobs are welcome."""

    model: Model


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """This connection closes now, because of what was sent on it."""

    reason: str


class Queued(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The job waits; `ahead` jobs are painted before it."""

    job: str
    attempt: int
    ahead: int


class Stepped(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`step` of `steps` evaluations are done; `preview` is a small JPEG of the grid, at times."""

    job: str
    attempt: int
    step: int
    steps: int
    preview: bytes | None = None


class Pulse(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine listens, and this is what it has done since it started.

    It comes every PULSE_SECONDS. If `painting` stays above 0 and `ticks` where it is, the painter
    hangs.
    """

    ticks: int
    """Forward passes."""
    seconds: float
    """In them, and what belongs to them; of passes at the same time, each counts."""
    rows_given: int
    """Of all batches so far."""
    rows_used: int
    """Of these, by pictures; the others were padding."""
    painting: int
    """Pictures that are in progress."""
    waiting: int
    """Jobs for which there is no room yet."""
    memory: int | None = None
    """Bytes of the process in the machine's memory; None where that is not known."""
    peak_memory: int | None = None
    """Bytes of the accelerator in use at most, so far; None without."""

    def after(self, before: "Pulse | None") -> "Pulse":
        """With what an engine before this one had done by then."""
        if before is None:
            return self
        return msgspec.structs.replace(
            self,
            ticks=before.ticks + self.ticks,
            seconds=before.seconds + self.seconds,
            rows_given=before.rows_given + self.rows_given,
            rows_used=before.rows_used + self.rows_used,
        )


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one checker says of one picture. Raises ValueError if it says nothing clear."""

    checker: str
    """`model` for the painting model's own, else the classifier's hub id or folder."""
    score: float | None
    """From 0 (harmless) to 1; None if the check could not be made, which flags the picture."""
    flagged: bool

    def __post_init__(self) -> None:
        if self.score is None and not self.flagged:
            raise ValueError(f"The checker {self.checker} passed a picture that it did not check.")
        if self.score is not None and not 0.0 <= self.score <= 1.0:  # NaN fails this too
            raise ValueError(f"The checker {self.checker} gave the score {self.score}.")


class Painting(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one recipe. Raises ValueError for bytes without a verdict.

    A blocked picture has verdicts and a digest, but no bytes; one that failed has none of these.
    """

    png: bytes
    sha256: str
    """Of the PNG file, in hex, also when the file is withheld."""
    failed: str | None = None
    """Why there is no picture, in words for the person, though its siblings may have come out."""
    verdicts: tuple[Verdict, ...] = ()
    """One of each checker."""
    row_class: int
    """That it was painted in: the recipe's, unless the engine chose another by load."""
    fingerprint: str

    def __post_init__(self) -> None:
        if self.failed is not None:
            if self.png or self.verdicts:
                raise ValueError("A picture that failed came with bytes or verdicts.")
        elif not self.verdicts:
            raise ValueError("A picture came without a verdict of the safety check.")
        elif self.png and any(verdict.score is None for verdict in self.verdicts):
            raise ValueError("A picture that could not be checked came with bytes.")
        elif not (self.png or self.flagged):
            raise ValueError("A picture that passed the safety check came without bytes.")

    @property
    def flagged(self) -> bool:
        """Did a checker flag this picture, or fail to check it?"""
        return any(verdict.flagged for verdict in self.verdicts)

    @property
    def blocked(self) -> bool:
        """Was it withheld because of that?"""
        return self.flagged and not self.png


class Painted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: the pictures, in the order of the recipes; at least one of them did not fail."""

    job: str
    attempt: int
    pictures: tuple[Painting, ...]
    seconds: float
    """From the first evaluation to the last encoded picture."""
    worked: float
    """Its share of the seconds in forward passes, which are divided by rows, and those in which its
    pictures were decoded, checked and encoded."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: why, in words for the person."""

    job: str
    attempt: int
    reason: str
    sketch_flagged: bool = False
    """The safety check flagged the sketch: a matter between the bot and who sent it."""
    worked: float = 0.0
    """As in Painted."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: somebody asked for it."""

    job: str
    attempt: int
    worked: float = 0.0
    """As in Painted, until it was stopped, with the passes that were under way then."""


Ending = Painted | Failed | Cancelled
Event = Ready | Rejected | Pulse | Queued | Stepped | Painted | Failed | Cancelled
