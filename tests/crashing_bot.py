"""`python -m tests.crashing_bot`: a bot that kills itself or its engine at a chosen moment.

The file named by IMAGINE_CRASH_FILE contains "MOMENT VICTIM JOBS". When this number of jobs have
reached that moment, the file is deleted and the victim is killed: "bot", "engine", or "frozen",
which suspends the engine. Seeds that the bot draws are always SEED.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import psutil

from bot.__main__ import main
from bot.db.erasure import ErasureStore
from bot.db.jobs import JobStore
from bot.engine_client.socket_client import SocketEngineClient
from bot.features import responses
from bot.messages.message_client import MessageClient
from bot.messages.message_content import MessageContent
from bot.playground import Playground
from bot.services import planner
from bot.services.inputs import InputService
from bot.storage import FileStorage
from engine.contract import Stepped, watchdog
from tests.bot_process import BotProcess

CRASH_FILE: Final = Path(os.environ.get("IMAGINE_CRASH_FILE", "crash"))
MOMENTS: Final = (
    "accepted",
    "acknowledged",
    "claimed",
    "painting",
    "written",
    "stored",
    "committed",
    "sent",
    "answered",
)
SEED: Final = 41
FROZEN_SECONDS: Final = 5.0
"""The silence after which a suspended engine is replaced."""
_sending = False
_painting: set[str] = set()
"""Jobs that were painted since there is a crash file."""


class CrashingBot(BotProcess):
    """A bot process that can be killed at a chosen moment."""

    def __init__(self, discord: Playground, data: Path, model: str, **variables: str) -> None:
        self.crash_file = data / "crash"
        super().__init__(
            discord,
            data,
            model,
            module="tests.crashing_bot",
            IMAGINE_CRASH_FILE=str(self.crash_file),
            **variables,
        )

    def crash_at(self, moment: str, victim: str, jobs: int = 1) -> None:
        """At this moment, kill the victim; `jobs` is how many must have reached "painting"."""
        self.crash_file.write_text(f"{moment} {victim} {jobs}")


def crash_if_due(moment: str, jobs: int = 1) -> None:
    """Kill the victim of the file if it names this moment, and no more jobs than these."""
    if not CRASH_FILE.exists():
        return
    crash_moment, victim, most = CRASH_FILE.read_text().split()
    if crash_moment != moment or jobs < int(most):
        return
    CRASH_FILE.unlink()
    _painting.clear()
    if victim == "frozen":
        vars(watchdog)["SILENCE_SECONDS"] = FROZEN_SECONDS
    if victim == "bot":
        os.kill(os.getpid(), signal.SIGKILL)
    for engine in psutil.Process().children():
        engine.suspend() if victim == "frozen" else engine.kill()


def crash_if_painting(job: str) -> None:
    """Count this job as painted."""
    if CRASH_FILE.exists():
        _painting.add(job)
        crash_if_due("painting", len(_painting))


def after(owner: object, name: str, moment: str) -> None:
    """Patch a coroutine function: the moment is reached when it has returned a true value."""
    function: Callable[..., Any] = getattr(owner, name)

    async def wrapper(*args: object, **options: object) -> object:
        result = await function(*args, **options)
        if result:
            crash_if_due(moment)
        return result

    setattr(owner, name, wrapper)


def patch_functions() -> None:
    """Patch the functions that reach the moments."""
    after(JobStore, "add", "accepted")
    after(responses, "defer", "acknowledged")
    after(InputService, "_stored", "fetched")
    after(JobStore, "mark_queued", "prepared")
    after(JobStore, "claim", "claimed")
    after(JobStore, "add_pictures", "stored")
    after(JobStore, "complete", "committed")
    after(JobStore, "unfinished", "erasing")
    after(ErasureStore, "erase_user", "deleted")
    vars(planner)["secrets"] = SimpleNamespace(randbelow=lambda _: SEED)
    handle, save, upsert = (
        SocketEngineClient._handle,
        FileStorage.save_picture,
        MessageClient.upsert,
    )
    clear = FileStorage.delete_pictures_or_raise
    start = aiohttp.ClientResponse.start

    def handling(self: SocketEngineClient, event: Any) -> None:  # noqa: ANN401 - any event
        handle(self, event)
        if isinstance(event, Stepped) and event.step > 1:
            crash_if_painting(event.job)

    def saving(self: FileStorage, *args: Any) -> str:  # noqa: ANN401 - as it is
        path = save(self, *args)
        crash_if_due("written")
        return path

    def clearing(self: FileStorage, job: str) -> None:
        clear(self, job)
        crash_if_due("cleared")

    async def upserting(self: MessageClient, *args: Any, **options: Any) -> int:  # noqa: ANN401 - as it is
        global _sending
        draft: MessageContent = args[1]
        _sending = draft.view is not None and bool(draft.files) and "Painting" not in draft.content
        message = await upsert(self, *args, **options)
        if _sending:
            crash_if_due("answered")
        return message

    async def starting(self: aiohttp.ClientResponse, *args: Any) -> Any:  # noqa: ANN401 - as it is
        if _sending and self.method == "PATCH":
            crash_if_due("sent")
        return await start(self, *args)

    for owner, name, function in (
        (SocketEngineClient, "_handle", handling),
        (FileStorage, "save_picture", saving),
        (FileStorage, "delete_pictures_or_raise", clearing),
        (MessageClient, "upsert", upserting),
        (aiohttp.ClientResponse, "start", starting),
    ):
        setattr(owner, name, function)


if __name__ == "__main__":
    patch_functions()
    sys.exit(main())
