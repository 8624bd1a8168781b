"""Commands from the bot to the engine, and events from the engine to the bot."""

from enum import StrEnum
from typing import Final

import msgspec

from engine.contract.model_card import ModelCard
from engine.contract.painted_image import PaintedImage
from engine.contract.text_work import NO_TEXT_MODELS, TextModelCards, TextWork
from engine.contract.work import Work

PROTOCOL_VERSION: Final = 13
"""Both processes must have the same. It is raised with each new field of a recipe too: an engine
that does not know the field would close the connection at the first job that has it."""
HEARTBEAT_SECONDS: Final = 2.0
"""Time between two Heartbeats; the engine sends them even while it is busy."""

# Commands: bot to engine


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first frame of a connection; the engine answers Ready, or closes with Rejected."""

    token: str
    version: int = PROTOCOL_VERSION


class Input(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An input image, as a PNG, for the next Paint command that lists its digest."""

    sha256: str
    """Of `data`, in hex; the engine checks it."""
    data: bytes


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine sends of a job besides its pictures."""

    previews: bool = True
    """Small images of unfinished pictures, in Stepped events."""
    film: bool = False
    """A video of each picture's steps."""
    film_bytes: int = 10 * 1024 * 1024
    """The maximum size of a film; Discord's upload limit where nobody pays for a higher one."""
    strip: int = 0
    """The number of steps of each picture that one image shows side by side (`strip_steps`); 0 for
    no such image."""


class Paint(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Paint these recipes, or write a text, as one job. Each event of the job repeats `job` and
    `attempt`.

    Raises ValueError if there is neither a recipe nor a text, or both.
    """

    job: str
    attempt: int
    recipes: tuple[Work, ...]
    inputs: tuple[str, ...] = ()
    """The digests of the input images that the recipes name; each was sent as Input before."""
    capture: Capture = Capture()
    adaptive: bool = False
    """Whether the engine may choose other row classes by load; each PaintedImage has the one that
    was used."""
    include_flagged: bool = False
    """Whether flagged pictures are sent with their bytes. A picture that could not be checked is
    always sent without, and previews never show flagged content."""
    owner: str = ""
    """An opaque id of the user, for fair scheduling; the engine only compares it."""
    prior_seconds: float = 0.0
    """Engine time that the owner used recently; the owner with the least goes first."""
    is_alone: bool = False
    """Whether a cluster must run no other job on the same replica: the engine died with this job
    before. The bot sends a single engine nothing else meanwhile."""
    fingerprint: str = ""
    """A cluster prefers a replica with this fingerprint; empty for any."""
    text: TextWork | None = None

    def __post_init__(self) -> None:
        if not self.recipes and self.text is None:
            raise ValueError("A job has no recipe; at least one is required.")
        if self.recipes and self.text is not None:
            raise ValueError("A job has recipes and a text; only one of both is possible.")


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop this job at the next step; it ends with Cancelled. An unknown job is ignored."""

    job: str
    attempt: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The bot's queue, by which a cluster chooses its number of replicas; a single engine ignores
    it."""

    jobs: int = 0
    """Jobs that wait at the bot."""
    seconds: float = 0.0
    """The engine time that they are expected to take."""
    oldest: float = 0.0
    """Seconds since the oldest of them was queued; 0 without jobs."""


Command = Hello | Input | Paint | Cancel | Backlog


# Events: engine to bot


class UpscalerCard(msgspec.Struct, frozen=True, kw_only=True):
    """An installed upscaler."""

    name: str
    revision: str
    """A digest of its weights."""
    scales: tuple[int, ...]
    """The factors that it offers, in ascending order."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The answer to Hello: the engine accepts jobs for these models, of which the first is the
    default. Raises ValueError if there are none."""

    models: tuple[ModelCard, ...]
    upscalers: tuple[UpscalerCard, ...] = ()
    """The installed ones, the default first."""
    can_film: bool = True
    """Whether it can encode films."""
    replicas: int | None = None
    """The number of engine cores of a cluster; None for a single engine."""
    text_models: TextModelCards = NO_TEXT_MODELS

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("The engine has no model; at least one is required.")


class ModelsChanged(msgspec.Struct, frozen=True, tag=True):
    """The cards of the loaded models have changed; those of Ready are out of date. The models are
    the same, in the same order."""

    models: tuple[ModelCard, ...]


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """The engine rejects a message and closes this connection; `reason` is a sentence."""

    reason: str


class Queued(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The job waits; `jobs_ahead` jobs start before it."""

    job: str
    attempt: int
    jobs_ahead: int


class Stepped(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`step` of `steps` model evaluations are done; some events carry `preview`, a small JPEG of
    the grid."""

    job: str
    attempt: int
    step: int
    steps: int
    done: int = 0
    """The number of pictures that are finished."""
    preview: bytes | None = None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine's counters since it started, sent every HEARTBEAT_SECONDS.

    The engine hangs if `ticks` does not change while `painting` is above 0.
    """

    ticks: int
    """Completed forward passes."""
    seconds: float
    """Spent in forward passes and their overhead; concurrent passes count separately."""
    rows_total: int
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
    resident: tuple[str, ...] = ()
    """The names of the models whose weights are on the device."""
    replicas: tuple["ReplicaStatus", ...] | None = None
    """The replicas of a cluster, whose counters this heartbeat adds up; None for a single engine.
    """

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


class ReplicaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One of the engine cores of a cluster."""

    name: str
    """Its id in the cluster, as its log has it."""
    node: str
    """The address of its machine."""
    pid: int
    """Its process on that machine."""
    fingerprint: str
    """Of its default model."""
    is_draining: bool
    """Whether it gets no more jobs and stops when those that it has are finished."""
    heartbeat: Heartbeat
    """Its own counters."""


class ImageDone(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A picture of a job is finished; the others may take longer."""

    job: str
    attempt: int
    index: int
    """Of its recipe in `Paint.recipes`, from 0."""
    image: PaintedImage


class ArtifactRole(StrEnum):
    """What a file shows that belongs to a picture."""

    FILM = "film"
    """Its steps, as a video."""
    STRIP = "strip"
    """Some of its steps side by side."""


class ArtifactDone(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A file that belongs to a picture of a job is finished. It follows the picture's ImageDone."""

    job: str
    attempt: int
    index: int
    """Of the picture's recipe in `Paint.recipes`, from 0."""
    role: ArtifactRole
    media_type: str
    """`image/png` or `video/mp4`."""
    data: bytes
    flagged: bool = False
    """Whether it shows something that a safety checker flagged, because the job includes such."""


class ArtifactFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A file that belongs to a picture of a job, and that could not be made."""

    index: int
    """Of the picture's recipe in `Paint.recipes`, from 0."""
    role: ArtifactRole
    reason: str
    """A sentence for the user."""


class Completed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """An ending: each recipe's ImageDone was sent, and at least one picture succeeded; or the texts
    are written."""

    job: str
    attempt: int
    seconds: float
    """From the start of the preparation to the last encoded picture."""
    engine_seconds: float
    """Engine time charged to the job: its share, by rows, of each forward pass, and the time to
    decode, check and encode its pictures."""
    artifact_failures: tuple[ArtifactFailure, ...] = ()
    """The files of its pictures that could not be made; the pictures are valid without them."""
    texts: tuple[str, ...] = ()
    """Those of a job with `Paint.text`; empty if there is nothing to say. A model wrote them, so
    they may be anything."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: the job failed; `reason` is a sentence for the user.

    Pictures that were sent before are valid.
    """

    job: str
    attempt: int
    reason: str
    init_image_flagged: bool = False
    """The safety check flagged the init image."""
    engine_seconds: float = 0.0
    """As in Completed."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An ending: the job was cancelled on request."""

    job: str
    attempt: int
    engine_seconds: float = 0.0
    """As in Completed, with the passes that were in flight when the job was cancelled."""


class Interrupted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The last event of an attempt that did not end: a replica of a cluster died or has stopped.

    The job can be sent again, as another attempt. Pictures that were sent before are valid.
    """

    job: str
    attempt: int
    crashed: bool
    """Whether the replica died while the job ran, which the job may have caused."""


Result = ImageDone | ArtifactDone
Ending = Completed | Failed | Cancelled
LastEvent = Ending | Interrupted
"""The last event of an attempt."""
JobEvent = Queued | Stepped | Result
"""An event of a job that is not the last one."""
Event = Ready | ModelsChanged | Rejected | Heartbeat | JobEvent | LastEvent
