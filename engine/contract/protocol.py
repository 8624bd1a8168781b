"""Commands from the bot to the engine, and events from the engine to the bot."""

from typing import Final

import msgspec

from engine.contract.model_card import Model
from engine.contract.recipe import Recipe

PICTURES_LIMIT: Final = 4
CONTRACT_VERSION: Final = 6
PULSE_SECONDS: Final = 2.0
"""Between two Pulses, whatever the engine is doing."""

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
    include_flagged: bool = msgspec.field(name="reveal", default=False)
    """May pictures that the safety check flagged come with their bytes? What could not be checked
    never does, and previews never show what is flagged."""
    owner: str = ""
    """Whose job it is; only whether two are the same matters."""
    prior_seconds: float = msgspec.field(name="had", default=0.0)
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
    """The job waits; `jobs_ahead` jobs are painted before it."""

    job: str
    attempt: int
    jobs_ahead: int = msgspec.field(name="ahead")


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
    rows_total: int = msgspec.field(name="rows_given")
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

    def plus(self, before: "Pulse | None") -> "Pulse":
        """With what an engine before this one had done by then."""
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
    def withheld(self) -> bool:
        """Was it withheld because of that?"""
        return self.flagged and not self.png


class Painted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: the pictures, in the order of the recipes; at least one of them did not fail."""

    job: str
    attempt: int
    pictures: tuple[Painting, ...]
    seconds: float
    """From the first evaluation to the last encoded picture."""
    engine_seconds: float = msgspec.field(name="worked")
    """Its share of the seconds in forward passes, which are divided by rows, and those in which its
    pictures were decoded, checked and encoded."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: why, in words for the person."""

    job: str
    attempt: int
    reason: str
    init_image_flagged: bool = msgspec.field(name="sketch_flagged", default=False)
    """The safety check flagged the sketch: a matter between the bot and who sent it."""
    engine_seconds: float = msgspec.field(name="worked", default=0.0)
    """As in Painted."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: somebody asked for it."""

    job: str
    attempt: int
    engine_seconds: float = msgspec.field(name="worked", default=0.0)
    """As in Painted, until it was stopped, with the passes that were under way then."""


Ending = Painted | Failed | Cancelled
Event = Ready | Rejected | Pulse | Queued | Stepped | Painted | Failed | Cancelled
