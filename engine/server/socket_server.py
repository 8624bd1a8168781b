"""The engine on a socket: receives commands and sends events on any number of connections."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence

import msgspec

from engine.contract import Ready
from engine.core.lora_watcher import LoraWatcher
from engine.core.worker import start_worker
from engine.errors import EngineError, PortInUse
from engine.models.base import DiffusionModel
from engine.server.connection_handler import ConnectionHandler
from engine.server.session import call_threadsafe
from engine.server.text_models import load_text_models

log = logging.getLogger(__name__)


def bind(port: int) -> socket.socket:
    """Listen on a port of the loopback interface; 0 means any free port. Raises PortInUse."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise PortInUse(f"Port {port} is not available: {error.strerror}.") from error


async def serve(listener: socket.socket, models: Sequence[DiffusionModel], token: str) -> None:
    """Serve until SIGINT or SIGTERM. Raises EngineError if the engine can no longer paint."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def end(error: EngineError | None = None) -> None:
        if stop.done():
            return
        if error is None:
            stop.set_result(None)
        else:
            stop.set_exception(error)

    _on_signals(loop, end)
    cards = tuple(model.card for model in models)
    text_models = load_text_models(card.name for card in cards)
    worker = start_worker(models, lambda error: call_threadsafe(loop, end, error), text_models)
    ready = Ready(cards, worker.upscalers, worker.can_film, text_models=worker.text_models)
    handler = ConnectionHandler(worker, ready, token)

    def offer_cards() -> None:
        cards = tuple(model.card for model in models)
        call_threadsafe(loop, handler.offer, msgspec.structs.replace(ready, models=cards))

    watcher = LoraWatcher(models, offer_cards)
    server = await asyncio.start_server(handler.handle, sock=listener)
    port = listener.getsockname()[1]
    for model in models:
        log.info("ready: %s, %s", model.card.name, model.card.fingerprint)
    sys.stdout.write(f"listening on 127.0.0.1:{port}\n")
    sys.stdout.flush()
    watcher.start()
    try:
        await stop
    finally:
        watcher.close()
        server.close()
        await handler.close()
        await asyncio.to_thread(worker.close)
        peak = models[0].device.peak_memory()
        log.info("stopped%s", "" if peak is None else f"; peak memory {peak / 2**30:.1f} GiB")


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
