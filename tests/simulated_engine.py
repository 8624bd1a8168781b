"""A real engine core in simulated time, with a model that computes nothing."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import torch
from PIL import Image

from bot.engine_client.base import NO_FILES, EngineStatus, EventCallback
from engine.bench.architectures import BETAS
from engine.contract import (
    NO_TEXT_MODELS,
    Backend,
    Backlog,
    Capture,
    Ending,
    Event,
    JobEvent,
    ModelCard,
    Paint,
    Recipe,
    TextModelCards,
    UpscalerCard,
    Verdict,
)
from engine.core.engine_core import EngineCore
from engine.core.postprocess import Postprocessor
from engine.core.request import Request
from engine.device import Device
from engine.models.base import Conditioning
from engine.steering.rows import SteeredRows, Steering
from engine.weights.loras import Loras
from tests.fake_engine import MODEL
from tests.virtual_time import InlineExecutor

SECONDS: Final = 0.1
"""The duration of a forward pass of 64 x 64 pixels, with any number of rows."""
_SIDE: Final = 64
_REACTION_SECONDS: Final = 1e-6
"""The bot reacts to an ending before the next pass begins."""


class NullModel:
    """Its passes take simulated time in proportion to the pixels; decoding takes none."""

    card: ModelCard = MODEL
    device = Device(torch.device("cpu"), torch.float32, threads=1)
    scheduler_config: Mapping[str, object] = BETAS
    noise_dtype = torch.float32
    mask_interpolation = "nearest"
    image_channels = 0
    is_resident = True
    memory_bytes = 0

    def __init__(self) -> None:
        self.now = 0.0
        """The time at which the last pass ended."""

    def to_host(self) -> None:
        """Not simulated."""
        raise NotImplementedError

    def to_device(self) -> None:
        """Not simulated."""
        raise NotImplementedError

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """One latent pixel for each 64 x 64 pixels."""
        return 1, 1, height // _SIDE, width // _SIDE

    def text_chunks(self, recipe: Recipe) -> int:
        """The same for all prompts."""
        return 1

    def omission(self, recipe: Recipe) -> None:
        """It reads all of a prompt."""

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """The same for all prompts."""
        return {"encoder_hidden_states": torch.zeros(recipe.rows, 1, 1)}

    def with_init_image(
        self, conditioning: Conditioning, image_latents: torch.Tensor
    ) -> Conditioning:
        return conditioning

    def encode_image(
        self, image: Image.Image, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Not simulated."""
        raise NotImplementedError

    def scale_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Not simulated."""
        raise NotImplementedError

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        """Let the time of a pass go by."""
        self.now += SECONDS * latents[0].numel()
        return latents

    def prove_backends(self) -> None:
        """There is only one."""

    def backend_fingerprint(self, backend: Backend) -> str:
        """Nothing."""
        return ""

    def is_batch_invariant(
        self,
        width: int,
        height: int,
        rows: int,
        text_chunks: int = 1,
        backend: Backend = Backend.TORCH,
    ) -> bool:
        """Always true."""
        return True

    def has_equal_rows(
        self,
        width: int,
        height: int,
        rows: int,
        other_rows: int,
        text_chunks: int = 1,
        backend: Backend = Backend.TORCH,
    ) -> bool:
        """Always false."""
        return False

    def compile_for_all_cores(self, width: int, height: int, rows: int, backend: Backend) -> None:
        """There is nothing to compile."""

    def fits_in_memory(self, width: int, height: int, rows: int, text_chunks: int = 1) -> bool:
        """Always true."""
        return True

    def decode_latents(
        self, latents: torch.Tensor, backend: Backend = Backend.TORCH
    ) -> Image.Image:
        """A black image, as small as possible."""
        return Image.new("RGB", (1, 1))

    def decode_frames(
        self, latents: torch.Tensor, backend: Backend = Backend.TORCH
    ) -> list[Image.Image | None]:
        """Black images."""
        return [Image.new("RGB", (1, 1)) for _ in latents]

    def with_references(
        self, conditioning: Conditioning, recipe: Recipe, images: Mapping[str, Image.Image]
    ) -> Conditioning:
        """No recipe of a simulation has references."""
        raise NotImplementedError

    def predict_steered(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        steered: Sequence[SteeredRows],
    ) -> torch.Tensor:
        """No recipe of a simulation is steered."""
        raise NotImplementedError

    def offer_adapters(self, loras: Loras) -> None:
        """It has none."""

    def steering_for(self, recipe: Recipe, images: Mapping[str, Image.Image]) -> Steering:
        """No recipe of a simulation is steered."""
        raise NotImplementedError

    def check_safety(self, image: Image.Image) -> tuple[Verdict, ...]:
        """Flag each image, so that the bot has no file to write."""
        return (Verdict(checker="model", score=1.0, flagged=True),)


class SimulatedEngine:
    """An EngineClient for an engine core in the same event loop, whose time must be simulated.

    `run` must be running. Events are delivered at the end of the pass that caused them.
    """

    def __init__(self) -> None:
        self.starts: dict[str, float] = {}
        """When each job arrived, by its id."""
        self._model = NullModel()
        clock = lambda: self._model.now  # noqa: E731
        postprocessor = Postprocessor(clock=clock, executor=InlineExecutor())
        self._core = EngineCore([self._model], postprocessor, clock=clock)
        self._requests: deque[Request] = deque()
        self._has_requests = asyncio.Event()
        self._events: list[Event] = []
        self._endings: dict[str, asyncio.Future[Ending]] = {}
        self._callbacks: dict[str, EventCallback] = {}

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """The card of the null model."""
        return (self._model.card,)

    @property
    def can_film(self) -> bool:
        """It makes none."""
        return False

    @property
    def text_models(self) -> TextModelCards:
        """None."""
        return NO_TEXT_MODELS

    @property
    def upscalers(self) -> tuple[UpscalerCard, ...]:
        """None is installed."""
        return ()

    @property
    def model(self) -> ModelCard:
        """The card of the null model."""
        return self._model.card

    @property
    def status(self) -> EngineStatus:
        """Always connected."""
        return EngineStatus(is_connected=True, restarts=0, heartbeat=None)

    async def submit(
        self, paint: Paint, on_event: EventCallback, files: Mapping[str, bytes] = NO_FILES
    ) -> Ending:
        """Run a job and return its ending."""
        ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._endings[paint.job] = ending
        self._callbacks[paint.job] = on_event
        self.starts[paint.job] = asyncio.get_running_loop().time()
        paint = msgspec.structs.replace(
            paint, capture=Capture(previews=False)
        )  # they have no influence
        self._requests.append(Request(paint, self._events.append, files))
        self._has_requests.set()
        return await ending

    async def cancel(self, job: str, attempt: int) -> None:
        """Not simulated."""
        raise NotImplementedError

    async def report_backlog(self, backlog: Backlog) -> None:
        """One engine cannot grow."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Nothing to call: it never disconnects."""

    async def run(self) -> None:
        """Run jobs, one forward pass after the other, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._core.running and not self._requests:
                self._has_requests.clear()
                await self._has_requests.wait()
            while self._requests:
                assert self._core.free_slots >= len(self._requests[0].job.recipes)
                self._core.add_request(self._requests.popleft())
            self._model.now = loop.time()
            self._core.tick()
            await asyncio.sleep(self._model.now - loop.time())
            if self._deliver_events():
                await asyncio.sleep(_REACTION_SECONDS)

    def _deliver_events(self) -> bool:
        """Whether a job has ended."""
        events, self._events[:] = list(self._events), []
        for event in events:
            if isinstance(event, JobEvent):
                self._callbacks[event.job](event)
            elif isinstance(event, Ending):
                del self._callbacks[event.job]
                self._endings.pop(event.job).set_result(event)
        return any(isinstance(event, Ending) for event in events)
