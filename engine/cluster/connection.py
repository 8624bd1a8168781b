"""Connect a command to a running cluster, as one of its drivers."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from engine.cluster.errors import ClusterUnreachable
from engine.cluster.ray_node import check_address, ray_environment
from engine.errors import first_line
from engine.log.redaction import register_secret

ANSWER_SECONDS: Final = 10.0


@contextmanager
def connected(address: str, token: str) -> Iterator[None]:
    """Use Ray's and Serve's functions in the block. Raises ClusterUnreachable.

    Ray must not be imported before, because it reads its settings then.
    """
    check_address(address)
    register_secret(token)
    os.environ.update(ray_environment(token))
    import ray
    from ray.exceptions import RayError

    _check_token(address, token)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise ClusterUnreachable(
            f"The cluster at {address} does not answer: {first_line(error)}"
        ) from error
    from ray import serve  # noqa: F401 # sets the level of its logger

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def _check_token(address: str, token: str) -> None:
    """Raise ClusterUnreachable if the cluster refuses the token; Ray itself would try for long."""
    import grpc
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
        request = gcs_service_pb2.GetClusterIdRequest()
        metadata = [("authorization", f"Bearer {token}")]
        try:
            stub.GetClusterId(request, timeout=ANSWER_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise ClusterUnreachable(
                    f"The cluster at {address} has another token; set IMAGINE_ENGINE_TOKEN to "
                    "that of its first machine."
                ) from error
            raise ClusterUnreachable(
                f"What listens at {address} does not answer as a cluster of Ray does."
            ) from error
