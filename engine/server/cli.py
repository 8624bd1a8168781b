"""The command `serve`."""

import argparse
import importlib
import os

from engine.core.process import load_warm_models, require_packages
from engine.errors import UsageError
from engine.server.parent_watch import exit_with_parent


def serve_command(options: argparse.Namespace) -> None:
    """Serve until a signal or the end of the parent process. Raises EngineError."""
    import asyncio

    if options.parent:
        exit_with_parent()
    server = require_packages(lambda: importlib.import_module("engine.server.socket_server"))
    if not 0 <= options.port < 2**16:
        raise UsageError(f"The port is {options.port}; it must be 0 to 65535.")
    with server.bind(options.port) as listener:
        models = load_warm_models(options.model, checkers=options.checkers)
        token = os.environ.get("IMAGINE_ENGINE_TOKEN", "")
        asyncio.run(server.serve(listener, models, token))
