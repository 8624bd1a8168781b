"""Commands from the bot to the engine, and events from the engine to the bot.

A struct's `tag` and a field's `name` are its spelling on the wire where Python has another.
"""

from typing import Final

import msgspec

from engine.contract.model_card import ModelCard
from engine.contract.recipe import Recipe

MAX_PICTURES: Final = 4
"""Pictures of one job."""
PROTOCOL_VERSION: Final = 6
HEARTBEAT_SECONDS: Final = 2.0
"""Between two Heartbeats, whatever the engine is doing."""

# Commands: bot to engine


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first frame of a connection; the engine answers Ready, or closes with Rejected."""

    token: str
    version: int = PROTOCOL_VERSION


class Paint(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Paint these recipes as one job. `job` and `attempt` are repeated in each of its events.

    Raises ValueError unless there are 1 to MAX_PICTURES recipes.
    """

    job: str
    attempt: int
    recipes: tuple[Recipe, ...]
    source: bytes | None = None
    """The init image as a PNG; its sha256 is the `source` of the recipes."""
    previews: bool = True
    adaptive: bool = False
    """Whether the engine may choose other row classes by load; each PaintedImage names its own."""
    include_flagged: bool = msgspec.field(name="reveal", default=False)
    """Whether pictures that the safety check flagged come with their bytes. A picture that could
    not be checked never does, and previews never show flagged content."""
    owner: str = ""
    """An opaque id of the user, for fair scheduling; only equality matters."""
    prior_seconds: float = msgspec.field(name="had", default=0.0)
    """Engine time that the owner used recently; the owner with the least goes first."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.recipes) <= MAX_PICTURES:
            raise ValueError(
                f"A job has {len(self.recipes)} pictures; 1 to {MAX_PICTURES} are allowed."
            )


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop this job at the next step; it ends with Cancelled. An unknown job is ignored."""

    job: str
    attempt: int


Command = Hello | Paint | Cancel


# Events: engine to bot


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded and the engine accepts jobs."""

    model: ModelCard


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """The engine closes this connection because of what it received."""

    reason: str


class Queued(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The job waits; `jobs_ahead` jobs are painted before it."""

    job: str
    attempt: int
    jobs_ahead: int = msgspec.field(name="ahead")


class Stepped(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`step` of `steps` model evaluations are done; some events carry `preview`, a small JPEG of
    the grid."""

    job: str
    attempt: int
    step: int
    steps: int
    preview: bytes | None = None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="Pulse"):
    """The engine's counters since it started, sent every HEARTBEAT_SECONDS.

    If `painting` stays above 0 while `ticks` does not change, the engine hangs.
    """

    ticks: int
    """Forward passes."""
    seconds: float
    """Spent in forward passes and their overhead; concurrent passes count separately."""
    rows_total: int = msgspec.field(name="rows_given")
    """Rows of all batches, with padding."""
    rows_used: int
    """Rows of pictures, without padding."""
    painting: int
    """Pictures in progress."""
    waiting: int
    """Jobs that wait for a free slot."""
    memory: int | None = None
    """Resident memory of the process in bytes; None where it cannot be read."""
    peak_memory: int | None = None
    """Peak memory of the accelerator in bytes; None without an accelerator."""

    def plus(self, before: "Heartbeat | None") -> "Heartbeat":
        """This heartbeat with the counters of an earlier engine process added."""
        if before is None:
            return self
        return msgspec.structs.replace(
            self,
            ticks=before.ticks + self.ticks,
            seconds=before.seconds + self.seconds,
            rows_total=before.rows_total + self.rows_total,
            rows_used=before.rows_used + self.rows_used,
        )


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one safety checker for one picture. Raises ValueError if it is ambiguous."""

    checker: str
    """`model` for the safety checker of the painting model, else the classifier's hub id or
    folder."""
    score: float | None
    """From 0 (harmless) to 1; None if the check failed, which flags the picture."""
    flagged: bool

    def __post_init__(self) -> None:
        if self.score is None and not self.flagged:
            raise ValueError(f"The checker {self.checker} passed a picture that it did not check.")
        if self.score is not None and not 0.0 <= self.score <= 1.0:  # NaN fails this too
            raise ValueError(f"The checker {self.checker} gave the score {self.score}.")


class PaintedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one recipe. Raises ValueError for bytes without a verdict.

    A withheld picture has verdicts and a digest but no bytes; a failed one has none of these.
    """

    png: bytes
    sha256: str
    """Of the PNG file, in hex, also when the file is withheld."""
    failed: str | None = None
    """Why there is no picture, as a sentence for the user; other pictures may have succeeded."""
    verdicts: tuple[Verdict, ...] = ()
    """One of each checker."""
    row_class: int
    """The row class used: the recipe's, unless the engine chose another by load."""
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
        """Whether a checker flagged this picture or failed to check it."""
        return any(verdict.flagged for verdict in self.verdicts)

    @property
    def withheld(self) -> bool:
        """Whether the picture is flagged and its bytes were left out."""
        return self.flagged and not self.png


class Painted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: the pictures, in the order of the recipes; at least one of them did not fail."""

    job: str
    attempt: int
    pictures: tuple[PaintedImage, ...]
    seconds: float
    """From the first evaluation to the last encoded picture."""
    engine_seconds: float = msgspec.field(name="worked")
    """Engine time charged to the job: its share, by rows, of each forward pass, and the time to
    decode, check and encode its pictures."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: the job failed; `reason` is a sentence for the user."""

    job: str
    attempt: int
    reason: str
    init_image_flagged: bool = msgspec.field(name="sketch_flagged", default=False)
    """The safety check flagged the init image."""
    engine_seconds: float = msgspec.field(name="worked", default=0.0)
    """As in Painted."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: the job was cancelled on request."""

    job: str
    attempt: int
    engine_seconds: float = msgspec.field(name="worked", default=0.0)
    """As in Painted, with the passes that were in flight when the job was cancelled."""


Ending = Painted | Failed | Cancelled
Event = Ready | Rejected | Heartbeat | Queued | Stepped | Painted | Failed | Cancelled
