"""Connect a command to a running cluster, as one of its drivers."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from engine.cluster.errors import ClusterUnreachable
from engine.cluster.ray_node import check_address, ray_environment
from engine.errors import first_line
from engine.log.redaction import register_secret


@contextmanager
def connected(address: str, token: str) -> Iterator[None]:
    """Use Ray's and Serve's functions in the block. Raises ClusterUnreachable.

    Ray must not be imported before, because it reads its settings then.
    """
    check_address(address)
    register_secret(token)
    os.environ.update(ray_environment(token))
    import ray
    from ray.exceptions import AuthenticationError, RayError

    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except AuthenticationError as error:
        raise ClusterUnreachable(
            f"The cluster at {address} has another token; set IMAGINE_ENGINE_TOKEN to that of its "
            "first machine."
        ) from error
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
