"""Which engine the bot uses: IMAGINE_ENGINE."""

import functools
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

import msgspec

from bot.engine_client import ray_client
from bot.engine_client.process import spawn_engine
from bot.engine_client.socket_client import SocketEngineClient
from bot.engine_client.supervisor import EngineSupervisor, Launch, supervised_engine
from bot.errors import ExitCode, FatalError
from bot.settings import Settings
from engine.cluster.state import token_of
from engine.contract.watchdog import SHORTEST_SECONDS
from engine.log.redaction import register_secret


class EngineChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor needs to start an engine, or to connect to one."""

    launch: Launch
    start_seconds: float = SHORTEST_SECONDS
    failure: str = "The engine did not start"
    """The beginning of the error if that fails."""

    def supervisor(self, client: SocketEngineClient) -> EngineSupervisor:
        """It keeps this client connected."""
        return EngineSupervisor(
            client, self.launch, start_seconds=self.start_seconds, failure=self.failure
        )

    def supervised(self) -> AbstractAsyncContextManager[SocketEngineClient]:
        """A client that is connected and stays so inside."""
        return supervised_engine(
            self.launch, start_seconds=self.start_seconds, failure=self.failure
        )


def choose(settings: Settings, environment: Mapping[str, str]) -> EngineChoice:
    """The engine of the settings, with this environment if the bot starts it.

    Raises FatalError if there is no token for a cluster that runs by itself: neither in the
    settings nor in the state file of a cluster of this machine.
    """
    if settings.imagine_engine == "local":
        return EngineChoice(launch=functools.partial(spawn_engine, environment))
    if settings.engine_address is None:
        return EngineChoice(
            launch=functools.partial(
                ray_client.spawn_cluster, environment, settings.imagine_replicas
            ),
            start_seconds=ray_client.START_SECONDS,
            failure="The cluster did not start (IMAGINE_ENGINE=ray)",
        )
    host, port = settings.engine_address
    token = _token(settings, port)
    register_secret(token)
    return EngineChoice(
        launch=functools.partial(ray_client.running_cluster, host, port, token),
        failure=f"The cluster at {settings.imagine_engine} (IMAGINE_ENGINE) cannot be used",
    )


def _token(settings: Settings, port: int) -> str:
    if settings.imagine_engine_token is not None:
        return settings.imagine_engine_token.get_secret_value()
    token = token_of(port)
    if token is None:
        raise FatalError(
            f"IMAGINE_ENGINE is {settings.imagine_engine}, so IMAGINE_ENGINE_TOKEN must be the "
            "token of that cluster.",
            ExitCode.SETTINGS,
        )
    return token
