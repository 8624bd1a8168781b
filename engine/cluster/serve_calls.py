"""Call replicas through a handle of Ray Serve. Only Ray Serve loads this."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager

from grpc.aio import AioRpcError
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from engine.cluster.messages import (
    GatewayNote,
    OtherVersion,
    ReplicaReport,
    decode_events,
    decode_report,
    encode_note,
    encode_paint,
)
from engine.cluster.replica_calls import ReplicaDied, ReplicaUnavailable
from engine.cluster.routable import TargetUnavailable
from engine.contract import Event, Paint
from engine.errors import first_line


class ServeCalls:
    """ReplicaCalls by a handle whose router is TargetRouter."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle
        self._streams = handle.options(stream=True)

    async def paint(
        self, name: str, call: str, job: Paint, files: Mapping[str, bytes]
    ) -> AsyncGenerator[list[Event], None]:
        """See ReplicaCalls."""
        response = self._streams.paint.remote(name, call, encode_paint(job), dict(files))
        has_ended = False
        try:
            with _ray_errors():
                async for data in response:
                    yield decode_events(data)
                has_ended = True
        finally:
            if not has_ended:
                response.cancel()

    async def cancel(self, name: str, call: str) -> None:
        """See ReplicaCalls."""
        with _ray_errors():
            await self._handle.cancel.remote(name, call)

    async def report(self, name: str, note: GatewayNote) -> ReplicaReport:
        """See ReplicaCalls."""
        with _ray_errors():
            return decode_report(await self._handle.report.remote(name, encode_note(note)))


@contextmanager
def _ray_errors() -> Iterator[None]:
    try:
        yield
    except (TargetUnavailable, RayServeException) as error:
        raise ReplicaUnavailable(first_line(error)) from error
    except RayActorError as error:
        raise ReplicaDied("Its process has ended, or cannot be reached.") from error
    except RayTaskError as error:  # of the replica's own code; its message is a traceback
        if isinstance(error.cause, OtherVersion):
            raise OtherVersion(str(error.cause)) from error
        raise ReplicaDied(first_line(error.cause)) from error
    except RayError as error:
        raise ReplicaDied(first_line(error)) from error
    except AioRpcError as error:
        raise ReplicaDied(f"The call has failed: {error.details()}") from error
