"""Deploy the replicas and the gateway on a running cluster, and ask the gateway for its state."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from engine.cluster.app import (
    GATEWAY,
    GATEWAY_APP,
    REPLICA,
    REPLICA_APP,
    ReplicaSettings,
    gateway_app,
    replica_app,
)
from engine.cluster.errors import ReplicasFailed, TooFewResources, failure_of
from engine.errors import EngineError

READY_SECONDS: Final = 60.0
"""How long the gateway may take to have reports of all replicas once they are running."""
_FORWARDED: Final = ("HF_HOME", "HF_TOKEN", "HF_ENDPOINT")
_NOT_FORWARDED: Final = frozenset(
    {"IMAGINE_ENGINE", "IMAGINE_ENGINE_TOKEN", "IMAGINE_DATA", "IMAGINE_CLUSTER_STATE"}
)


class Machine(NamedTuple):
    """What Ray may use of one machine."""

    cpus: int
    gpus: int


def replica_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of the engine, for replicas on other machines."""
    return {
        name: value
        for name, value in environment.items()
        if name in _FORWARDED or (name.startswith("IMAGINE_") and name not in _NOT_FORWARDED)
    }


def needs_gpu(gpus: int, *, is_required: bool) -> bool:
    """Whether each replica needs one of the cluster's GPUs: IMAGINE_DEVICE may name them, or
    something else."""
    device = os.environ.get("IMAGINE_DEVICE", "").strip().lower()
    if device in {"", "auto"}:
        return is_required or gpus > 0
    return is_required or device in {"cuda", "rocm", "xpu"}


def resources_of(machines: Sequence[Machine], replicas: int, *, needs_gpu: bool) -> tuple[int, int]:
    """The cores and GPUs of each replica, if all are alike.

    With `needs_gpu`, each has a GPU. Raises TooFewResources.
    """
    gpus = sum(machine.gpus for machine in machines)
    if needs_gpu and gpus < replicas:
        raise TooFewResources(
            f"{'1 replica' if replicas == 1 else f'{replicas} replicas'} with a GPU each were "
            f"asked for, but the cluster has {gpus or 'no'} {'GPU' if gpus == 1 else 'GPUs'}."
        )
    for cpus in range(max((machine.cpus for machine in machines), default=0), 0, -1):
        places = sum(
            min(machine.cpus // cpus, machine.gpus) if needs_gpu else machine.cpus // cpus
            for machine in machines
        )
        if places >= replicas:
            return cpus, int(needs_gpu)
    cores = sum(machine.cpus for machine in machines)
    raise TooFewResources(
        f"{replicas} replicas need as many processor cores, but the cluster has {cores or 'none'}."
    )


def resources_for(
    machines: Sequence[Machine], least: int, most: int, *, needs_gpu: bool
) -> tuple[int, int]:
    """Those of `resources_of` for as many replicas, up to `most`, as these machines have places
    for: then their number can grow. Raises TooFewResources if not even `least` have."""
    for replicas in range(most, least, -1):
        with suppress(TooFewResources):
            return resources_of(machines, replicas, needs_gpu=needs_gpu)
    return resources_of(machines, least, needs_gpu=needs_gpu)


def machines() -> list[Machine]:
    """Those of the cluster that this process is connected to."""
    import ray

    return [
        Machine(int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]


def deploy(
    settings: ReplicaSettings, host: str, port: int, earlier: ReplicaSettings | None = None
) -> None:
    """Deploy and wait until the gateway has the replicas. A gateway that listens there already is
    left as it is. Raises EngineError, after the `earlier` replicas were deployed again."""
    from ray import serve

    serve.start(proxy_location="Disabled")
    had_replicas = _is_deployed(REPLICA_APP)
    targets = [serve.RunTarget(replica_app(settings), REPLICA_APP, route_prefix=None)]
    if not has_gateway(host, port):
        app = gateway_app(host, port, replica_environment(os.environ))
        targets.insert(0, serve.RunTarget(app, GATEWAY_APP, route_prefix=None))
    try:
        serve.run_many(targets)
    except RuntimeError as error:
        failure = _failure()
        if had_replicas:
            failure = type(failure)(f"{failure} {_restore(earlier)}")
        raise failure from error
    _wait_for_replicas(settings.min_replicas)


def _restore(earlier: ReplicaSettings | None) -> str:
    """Start the earlier replicas that Serve has stopped before it started their successors; returns
    a sentence on the result."""
    from ray import serve

    if earlier is not None:
        with suppress(RuntimeError):
            serve.run(replica_app(earlier), name=REPLICA_APP, route_prefix=None)
            return "The earlier replicas run again."
    return (
        "The earlier replicas go on, but for one that was to be replaced: deploy again with valid "
        "settings."
    )


def describe() -> dict[str, Any]:
    """What the gateway knows; empty if there is none."""
    from ray import serve
    from ray.serve.exceptions import RayServeException

    try:
        handle = serve.get_deployment_handle(GATEWAY, GATEWAY_APP)
        description = json.loads(handle.describe.remote().result(timeout_s=10.0))
    except (KeyError, RayServeException, TimeoutError):
        return {}
    return dict(description)


def remove() -> None:
    """Stop the replicas and the gateway; their jobs end as with a gateway that dies."""
    from ray import serve

    serve.shutdown()


def has_gateway(host: str, port: int) -> bool:
    """Whether a gateway of this version listens there."""
    from engine.contract import PROTOCOL_VERSION

    description = describe() if _is_deployed(GATEWAY_APP) else {}
    fields = ("host", "port", "version")
    return [description.get(field) for field in fields] == [host, port, PROTOCOL_VERSION]


def _is_deployed(app: str) -> bool:
    from ray import serve

    return app in serve.status().applications


def _failure() -> EngineError:
    from ray import serve

    applications = serve.status().applications
    for app, deployment in ((REPLICA_APP, REPLICA), (GATEWAY_APP, GATEWAY)):
        if app in applications:
            status = applications[app].deployments.get(deployment)
            if status is not None and "FAILED" in str(status.status):
                return failure_of(status.message)
    return ReplicasFailed("The replicas could not be started; Ray's logs have the details.")


def _wait_for_replicas(count: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        description = describe()
        usable = [
            replica for replica in description.get("replicas", ()) if not replica["is_draining"]
        ]
        if len(usable) >= count:
            return
        time.sleep(0.1)
    problems = describe().get("problems", ())
    raise ReplicasFailed(
        f"The gateway cannot use the replicas: {problems[0]}"
        if problems
        else "The gateway has no replica; Ray's logs have the details."
    )
