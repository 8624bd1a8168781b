"""The commands `cluster up`, `deploy`, `status` and `down`."""

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from typing import Any, Final

from engine.cluster import state
from engine.cluster.errors import ClusterUnreachable, check_ray
from engine.cluster.listening import parse_address, reserved_port
from engine.errors import UsageError
from engine.log.redaction import register_secret
from engine.server.parent_watch import exit_with_parent

MAX_REPLICAS: Final = 1000
DEFAULT_LISTEN: Final = "127.0.0.1:7870"
LOOPBACK: Final = "127.0.0.1"
_DOWN_SECONDS: Final = 15.0


def up_command(options: argparse.Namespace) -> None:
    """Run Ray on this machine until a signal; with --parent also the replicas and their gateway,
    until the parent ends. Raises EngineError."""
    if options.parent:
        exit_with_parent()
    check_ray()
    _catch_signals()
    if options.parent or options.replicas is not None:
        _run_private(options)
    elif options.join is not None:
        _join(options)
    else:
        _run_head(options)


def deploy_command(options: argparse.Namespace) -> None:
    """Deploy replicas and a gateway on the cluster, and wait until they are ready. Raises
    EngineError."""
    check_ray()
    from engine.cluster.connection import connected

    current = state.read()
    host, port = gateway_address(options.listen, current.gateway)
    _check_replicas(options)
    address, token = _cluster(options)
    earlier = state.deployed_settings(current) if current.ray_address == address else None
    with connected(address, token):
        from engine.cluster import deploy

        with ExitStack() as stack:
            if not deploy.has_gateway(host, port) and _is_here(host):
                port = stack.enter_context(reserved_port(host, port))
            settings = _settings(options)
            deploy.deploy(settings, host, port, earlier)
    _note_deployment(address, f"{host}:{port}", settings)
    sys.stdout.write(f"ray://{host}:{port}\n")


def status_command(options: argparse.Namespace) -> None:
    """Print the replicas. Raises EngineError."""
    check_ray()
    from engine.cluster.connection import connected
    from engine.cluster.status import as_json, as_table

    address, token = _cluster(options)
    with connected(address, token):
        from engine.cluster import deploy

        description = deploy.describe()
    if not description:
        raise ClusterUnreachable(
            f"Nothing is deployed on the cluster at {address}: use "
            "`python -m engine cluster deploy`."
        )
    sys.stdout.write(as_json(description) if options.json else as_table(description))


def down_command(options: argparse.Namespace) -> None:
    """Stop the replicas and the gateway, and the `up` commands of this machine. Raises
    EngineError."""
    check_ray()
    from engine.cluster.connection import connected

    address, token = _cluster(options)
    with connected(address, token):
        from engine.cluster import deploy

        deploy.remove()
    current = state.read()
    if current.ray_address == address:
        state.stop_processes(current, _DOWN_SECONDS)


def _run_private(options: argparse.Namespace) -> None:
    """A cluster of this machine alone, with everything that a bot needs."""
    from engine.cluster.connection import connected
    from engine.cluster.ray_node import start_head
    from engine.device.sysinfo import available_cores

    _check_replicas(options)
    host, port = parse_address(options.listen or DEFAULT_LISTEN, "--listen")
    token = state.read_token()
    register_secret(token)
    cpus = options.cpus or max(available_cores(), options.replicas or 1)
    with (
        reserved_port(host, port) as free_port,
        start_head(token, cpus=cpus, gpus=options.gpus, host=LOOPBACK) as node,
    ):
        with connected(node.address, token):
            from engine.cluster import deploy

            deploy.deploy(_settings(options), host, free_port)
        _catch_signals()  # Ray has replaced the handlers
        sys.stdout.write(f"listening on {host}:{free_port}\n")
        sys.stdout.flush()
        node.wait()


def _run_head(options: argparse.Namespace) -> None:
    from engine.cluster.ray_node import start_head

    current = state.read()
    if any(state.is_running(pid) for pid in current.pids):
        raise UsageError(
            f"A cluster runs on this machine already, at {current.ray_address}; stop it with "
            "`python -m engine cluster down`."
        )
    state.write(current)  # with the token, if it is a new one
    register_secret(current.token)
    with start_head(
        current.token,
        port=options.port,
        cpus=options.cpus,
        gpus=options.gpus,
        host=options.host,
    ) as node:
        _run_node(node)


def _join(options: argparse.Namespace) -> None:
    from engine.cluster.ray_node import join

    token = state.read().token
    register_secret(token)
    with join(
        options.join,
        token,
        cpus=options.cpus,
        gpus=options.gpus,
        host=options.host,
    ) as node:
        _run_node(node)


def _run_node(node: Any) -> None:  # noqa: ANN401 # a RayNode, whose module is loaded later
    state.add_process(node.address)
    try:
        sys.stdout.write(f"cluster at {node.address}\n")
        sys.stdout.flush()
        node.wait()
    finally:
        state.remove_process()


def _settings(options: argparse.Namespace) -> Any:  # noqa: ANN401 # see _run_node
    from engine.cluster import deploy
    from engine.cluster.app import ReplicaSettings

    least = options.min_replicas or options.replicas
    machines = deploy.machines()
    gpus = sum(machine.gpus for machine in machines)
    needs_gpu = deploy.needs_gpu(gpus, is_required=bool(options.gpus))
    least = least or (gpus if needs_gpu else 1)
    most = max(least, options.max_replicas or least)
    cpus, gpus = deploy.resources_for(machines, least, most, needs_gpu=needs_gpu)
    return ReplicaSettings(
        min_replicas=least,
        max_replicas=most,
        cpus=cpus,
        gpus=gpus,
        models=options.model,
        checkers=options.checkers,
        environment=deploy.replica_environment(os.environ),
    )


def _check_replicas(options: argparse.Namespace) -> None:
    for name in ("replicas", "min_replicas", "max_replicas"):
        number = getattr(options, name)
        if number is not None and not 1 <= number <= MAX_REPLICAS:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is {number}; it must be 1 to {MAX_REPLICAS}.")
    if options.max_replicas is not None and options.max_replicas < (options.min_replicas or 1):
        raise UsageError("--max-replicas is less than --min-replicas.")
    if options.replicas is not None and (options.min_replicas or options.max_replicas):
        raise UsageError(
            "Give --replicas for a fixed number, or --min-replicas and --max-replicas."
        )


def _cluster(options: argparse.Namespace) -> tuple[str, str]:
    """Address and token of the cluster that a command is for. Raises ClusterUnreachable."""
    current = state.read()
    address = options.address or current.ray_address
    if not address:
        raise ClusterUnreachable(
            "No cluster runs on this machine: start one with `python -m engine cluster up`, or "
            "give --address."
        )
    return address, current.token


def gateway_address(listen: str | None, current: str) -> tuple[str, int]:
    """Where to listen: if it may be any port, where the `current` gateway listens, so that its bots
    find it there."""
    host, port = parse_address(listen or current or DEFAULT_LISTEN, "--listen")
    if current and port == 0 and current.startswith(f"{host}:"):
        return parse_address(current, "--listen")
    return host, port


def _note_deployment(address: str, gateway: str, settings: Any) -> None:  # noqa: ANN401 # see _run_node
    current = state.read()
    if current.ray_address == address:
        state.write(state.with_deployment(current, gateway, settings))


def _is_here(host: str) -> bool:
    return host in {LOOPBACK, "localhost", "0.0.0.0"}  # noqa: S104 # compared, not bound


def _catch_signals() -> None:
    """Raise KeyboardInterrupt at SIGINT and SIGTERM, once: then the end is not disturbed."""

    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their options."""
    commands = parser.add_subparsers(required=True)
    _add_up(commands.add_parser("up", help="run Ray on this machine until Ctrl-C or `down`"))
    deploy = commands.add_parser("deploy", help="start or replace the replicas and their gateway")
    _add_replicas(deploy)
    _add_address(deploy)
    deploy.add_argument("--gpus", action="store_true", help="each replica must have a GPU")
    deploy.set_defaults(command=deploy_command)
    status = commands.add_parser("status", help="print the replicas")
    _add_address(status)
    status.add_argument("--json", action="store_true", help="write JSON instead of a table")
    status.set_defaults(command=status_command)
    down = commands.add_parser("down", help="stop the replicas, and `up` on this machine")
    _add_address(down)
    down.set_defaults(command=down_command)


def _add_up(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--join", metavar="HOST:PORT", help="add this machine to the cluster at this address")
    add("--host", default=LOOPBACK, help="address of this machine for the others")
    add("--port", type=int, default=0, help="for machines that join (default: any free)")
    add("--cpus", type=int, help="processor cores for replicas (default: all)")
    add("--gpus", type=int, help="GPUs for replicas (default: all)")
    add("--parent", action="store_true", help="deploy; exit when standard input reaches its end")
    _add_replicas(parser)
    parser.set_defaults(command=up_command)


def _add_replicas(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--replicas", type=int, help="a fixed number (default: one for each GPU, else one)")
    add("--min-replicas", type=int, help="the least, if the number follows the queue")
    add("--max-replicas", type=int, help="the most")
    add(
        "--listen",
        metavar="HOST:PORT",
        help=f"where bots connect (default: where they do already, else {DEFAULT_LISTEN})",
    )
    add("--model", help="as of `serve`")
    add("--checkers", help="as of `serve`")


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="of Ray (default: the cluster of this machine)"
    )
