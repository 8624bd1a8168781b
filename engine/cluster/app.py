"""Build the applications of Ray Serve."""

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from ray.serve import Application

REPLICA_APP: Final = "imagine"
GATEWAY_APP: Final = "imagine-gateway"
REPLICA: Final = "replica"
GATEWAY: Final = "gateway"
DRAIN_SECONDS: Final = 120.0
"""A replica that stops may finish its jobs in this time; then they are handed back."""
STOP_SECONDS: Final = 15.0
"""For its threads to end after that."""
SPARE_REQUESTS: Final = 16
"""For reports and cancellations, beside the jobs."""
UPSCALE_SECONDS: Final = 10.0
"""How long more replicas must be wanted before they are started."""
DOWNSCALE_SECONDS: Final = 300.0
"""How long fewer must be wanted: a start takes as long as loading the models."""
LOOK_BACK_SECONDS: Final = 15.0
"""The statistics of so long are averaged; Serve collects them every 10 s."""
HEALTH_SECONDS: Final = 5.0
"""Between two health checks of a replica."""
HEALTH_TIMEOUT: Final = 30.0
_SERVE_VARIABLES: Final = {
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": "-1",  # of 4 MiB; a large picture has more
}
"""The gateway calls replicas directly, by gRPC with Ray's token, and without further threads: an
event costs less than in Ray's own streams."""


class ReplicaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is deployed."""

    min_replicas: int
    max_replicas: int
    """Equal to `min_replicas` for a fixed number."""
    cpus: int
    """Processor cores for each replica."""
    gpus: int
    """0 or 1 for each replica."""
    models: str | None
    checkers: str | None
    environment: dict[str, str]
    """Variables of the replicas' processes."""


def replica_app(settings: ReplicaSettings) -> "Application":
    """The replicas of the engine core."""
    from ray import serve
    from ray.serve.config import RequestRouterConfig
    from ray.serve.schema import LoggingConfig

    from engine.cluster.deployments import ReplicaDeployment
    from engine.cluster.placement import REPLICA_PICTURES
    from engine.cluster.router import TargetRouter

    return (
        serve.deployment(ReplicaDeployment)
        .options(
            name=REPLICA,
            **_number(settings),
            max_ongoing_requests=REPLICA_PICTURES + SPARE_REQUESTS,
            ray_actor_options={
                "num_cpus": settings.cpus,
                "num_gpus": settings.gpus,
                "runtime_env": {"env_vars": _SERVE_VARIABLES | settings.environment},
            },
            request_router_config=RequestRouterConfig(request_router_class=TargetRouter),
            health_check_period_s=HEALTH_SECONDS,
            health_check_timeout_s=HEALTH_TIMEOUT,
            graceful_shutdown_timeout_s=DRAIN_SECONDS + STOP_SECONDS,
            graceful_shutdown_wait_loop_s=0.2,
            max_constructor_retry_count=1,
            logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
        )
        .bind(settings.models, settings.checkers)
    )


def _number(settings: ReplicaSettings) -> dict[str, Any]:
    from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

    from engine.cluster.autoscaling import policy

    if settings.min_replicas == settings.max_replicas:
        return {"num_replicas": settings.min_replicas}
    return {
        "autoscaling_config": AutoscalingConfig(
            min_replicas=settings.min_replicas,
            max_replicas=settings.max_replicas,
            upscale_delay_s=UPSCALE_SECONDS,
            downscale_delay_s=DOWNSCALE_SECONDS,
            look_back_period_s=LOOK_BACK_SECONDS,
            policy=AutoscalingPolicy(policy_function=policy),
        )
    }


def build_replicas(args: dict[str, str]) -> "Application":
    """For Serve's configuration files: `min_replicas`, `max_replicas`, `cpus`, `gpus`, `models` and
    `checkers`, all optional."""
    least = int(args.get("min_replicas", 1))
    return replica_app(
        ReplicaSettings(
            min_replicas=least,
            max_replicas=int(args.get("max_replicas", least)),
            cpus=int(args.get("cpus", 1)),
            gpus=int(args.get("gpus", 0)),
            models=args.get("models"),
            checkers=args.get("checkers"),
            environment={},
        )
    )


def build_gateway(args: dict[str, str]) -> "Application":
    """For Serve's configuration files: `host` and `port`, both optional."""
    return gateway_app(args.get("host", "0.0.0.0"), int(args.get("port", 7870)), {})  # noqa: S104 # a pod


def gateway_app(host: str, port: int, environment: dict[str, str]) -> "Application":
    """The gateway, on the machine where the cluster was started."""
    from ray import serve
    from ray.serve.schema import LoggingConfig

    from engine.cluster.deployments import GatewayDeployment

    return (
        serve.deployment(GatewayDeployment)
        .options(
            name=GATEWAY,
            num_replicas=1,
            ray_actor_options={
                "num_cpus": 0,
                "resources": {"node:__internal_head__": 0.001},
                "runtime_env": {"env_vars": _SERVE_VARIABLES | environment},
            },
            health_check_period_s=HEALTH_SECONDS,
            health_check_timeout_s=HEALTH_TIMEOUT,
            graceful_shutdown_timeout_s=STOP_SECONDS,
            graceful_shutdown_wait_loop_s=0.2,
            max_constructor_retry_count=1,
            logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
        )
        .bind(host, port, (REPLICA, REPLICA_APP), DRAIN_SECONDS)
    )
