"""Plans: what a job paints, how its result is laid out, and which pictures it starts from; pure.

A job kind turns a request into a plan. The queue, the database and the delivery handle plans alike.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from bot.domain.job_input import PlanInput
from bot.domain.limits import LIMITS, Limits
from bot.domain.picture import Picture
from bot.domain.preferences import NO_PREFERENCES, Preferences
from bot.domain.presets import BUILT_IN, Presets
from engine.contract import Capture, ModelCard, Recipe, UpscalerCard, Work


class Grid(msgspec.Struct, frozen=True, tag="grid"):
    """The pictures side by side, in reading order."""


PICTURE_ACTIONS: Final = ("upscale", "reroll", "vary")
"""The names of the buttons below most results; a single picture offers its own."""
STEPS_AXIS: Final = "steps"
"""The name of an axis whose labels are numbers of steps."""
SEED_AXIS: Final = "seed"
"""The name of an axis whose labels are seeds, which change when the matrix is rerolled."""


class Axis(msgspec.Struct, frozen=True):
    """One axis of a matrix."""

    name: str
    """What differs along it: `steps`, `sampler`, …; empty if nothing does."""
    labels: tuple[str, ...]
    """One for each row or column."""


class Matrix(msgspec.Struct, frozen=True, tag="matrix"):
    """The pictures row by row, with labels."""

    rows: Axis
    columns: Axis


class Film(msgspec.Struct, frozen=True, tag="film"):
    """A video."""


Layout = Grid | Matrix | Film


class Relation(StrEnum):
    """What a picture is to the earlier picture that it was made from."""

    VARIATION = "variation"
    REROLL = "reroll"
    """The same recipe with another seed."""
    FORK = "fork"
    """The same steps up to one, and from there on with other values."""
    FILM = "film"
    """The same recipe, with a video of its steps."""
    STEPS = "steps"
    """The same recipe, with frames of its steps to fork at one of them."""
    REPLAY = "replay"
    """The same recipe, to compare the pixels."""
    FINISH = "finish"
    """The full recipe of a draft."""
    UPSCALE = "upscale"
    DETAIL = "detail"
    SKETCH = "sketch"
    """It is painted over, or its lines are followed."""
    EDIT = "edit"
    """Changed by an instruction."""
    REGION = "region"
    """A part of it is painted again."""
    ZOOM = "zoom"
    """It is smaller, and what is around it is painted."""
    PAN = "pan"
    """What is beside it is painted."""
    BLEND = "blend"
    """Mixed of several."""
    REMIX = "remix"
    """The same with other words or settings."""
    CELL = "cell"
    """A cell of a matrix whose other cells have other settings."""


CHANGED: Final = frozenset(
    {Relation.SKETCH, Relation.EDIT, Relation.REGION, Relation.ZOOM, Relation.PAN, Relation.BLEND}
)
"""Relations of a picture that has its parent as an input image."""
INHERITED: Final = frozenset({Relation.VARIATION, *CHANGED})
"""Relations that the same recipe with another seed has too."""
REPAINTED: Final = frozenset({Relation.FILM, Relation.STEPS})
"""Relations of a picture that is its parent once more."""


class Edge(msgspec.Struct, frozen=True):
    """A picture of the plan was made from an earlier picture."""

    child: int
    """The 1-based number of the picture in the plan."""
    parent: str
    """The id of the earlier picture."""
    relation: Relation


class PlanDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored as the `plan` of a job: all of a Plan but recipes, inputs and edges."""

    layout: Layout = Grid()
    capture: Capture = Capture()
    display_scale: int = 1
    """A factor by which pictures are enlarged to be shown; 1 for none."""
    prompt: str = ""
    """The user's own words, for messages; empty for the prompt of the first recipe."""
    full_recipes: tuple[Recipe, ...] = ()
    """Of a draft: what ✅ Finish paints, in the order of its pictures."""
    is_private: bool = False
    """Whether only its user may see the result, which an interaction token alone can show."""
    is_token_only: bool = False
    """Whether an interaction token alone can show the result: the bot was no member of its channel
    when it was requested."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about values of the request that were changed, for the message of the
    result."""


class Plan(PlanDetails, frozen=True, kw_only=True, omit_defaults=True):
    """What a request becomes. Raises ValueError if an edge or the layout does not fit the
    recipes."""

    recipes: tuple[Work, ...]
    inputs: tuple[PlanInput, ...] = ()
    edges: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.recipes)
        if not count:
            raise ValueError("A plan has at least one recipe.")
        if not all(1 <= edge.child <= count for edge in self.edges):
            raise ValueError("An edge of the plan has a child that is none of its pictures.")
        if isinstance(self.layout, Matrix):
            cells = len(self.layout.rows.labels) * len(self.layout.columns.labels)
            if cells != count:
                raise ValueError(f"A matrix of {cells} cells has {count} recipes.")

    @property
    def details(self) -> PlanDetails:
        """What is stored as the `plan` of the job."""
        fields = PlanDetails.__struct_fields__
        return PlanDetails(**{name: getattr(self, name) for name in fields})


class PlanContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind may use to plan a request, beside the request."""

    models: tuple[ModelCard, ...]
    """Those that are offered; the first is the default."""
    seed: int
    """A random seed."""
    upscalers: tuple[UpscalerCard, ...] = ()
    """Those that are installed; the first is the default."""
    can_film: bool = True
    """Whether the engine can encode films."""
    parents: tuple[Picture, ...] = ()
    """The pictures that the request starts from, of those that the user may use."""
    words: str = ""
    """What the only parent shows, if its prompt is an instruction; empty if its prompt says it."""
    limits: Limits = LIMITS
    preferences: Preferences = NO_PREFERENCES
    """What counts for the user in the channel."""
    presets: Presets = BUILT_IN
    """The styles and wildcards of the guild."""


class PlannedJob(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier job that is planned again."""

    recipes: tuple[Work, ...]
    details: PlanDetails
    edges: tuple[Edge, ...] = ()
    pictures: tuple[Picture, ...] = ()
    """Those that were painted; none of them was removed by moderators."""
    nth: int | None = None
    """The 1-based number of the one picture to plan again; None for all."""


class Replan(Protocol):
    """Plans a job again with other seeds."""

    def __call__(self, job: PlannedJob, context: PlanContext) -> Plan:
        """The plan; `context.parents` are the pictures that the job was made from. Raises
        Refused, with a sentence for the user."""


class JobKind(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of request makes a job. Each module of `bot.domain.kinds` ends in its `KIND`."""

    name: str
    """Stored with each job."""
    title: str = ""
    """Precedes the prompt in the messages of its jobs."""
    plan: Callable[[Any, PlanContext], Plan] | None = None
    """The plan of a request, whose type is the kind's own. Pure. Raises Refused, with a sentence
    for the user. None for a kind that only another version of the bot has."""
    replan: Replan | None = None
    """Plans such a job again when it is rerolled; None if its recipes just get other seeds."""
    actions: tuple[str, ...] = ()
    """The names of the buttons of its result."""
    keeps_row_classes: bool = False
    """Whether its pictures are painted in the row classes of their recipes, even if the engine
    chooses others by load: they repeat steps of earlier pictures to the bit."""
    compares_pixels: bool = False
    """Whether its message says if the picture has the pixels of the one that it repeats."""
