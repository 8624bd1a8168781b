"""Errors of the cluster, each with a sentence for the operator."""

import importlib.util
import re
from typing import Final

from engine import errors
from engine.errors import EngineError, ExitCode, MissingDependency

_OWN_ERROR: Final = re.compile(r"^engine\.(?:cluster\.)?errors\.(\w+): (.+)$", re.MULTILINE)
_OTHER_ERROR: Final = re.compile(r"^([\w.]*(?:Error|Exception)): (.+)$", re.MULTILINE)


class ClusterUnreachable(EngineError):
    """There is no cluster at the address, or it refuses the token."""

    exit = ExitCode.CLUSTER_UNREACHABLE


class TooFewResources(EngineError):
    """The cluster has fewer GPUs or cores than its replicas need."""

    exit = ExitCode.TOO_FEW_RESOURCES


class ReplicasFailed(EngineError):
    """The replicas could not be started."""


def check_ray() -> None:
    """Raise MissingDependency if Ray is not installed. Does not import it."""
    if importlib.util.find_spec("ray") is None:
        raise MissingDependency(
            "A cluster needs the package ray[serve]: install it with "
            "`pip install imagine-bot[cluster]`."
        )


def failure_of(message: str) -> EngineError:
    """The error with which a replica's start failed, by the traceback in Serve's status."""
    own = _OWN_ERROR.findall(message)
    if own:
        name, sentence = own[-1]
        kind = getattr(errors, name, EngineError)
        return kind(sentence) if issubclass(kind, EngineError) else EngineError(sentence)
    others = _OTHER_ERROR.findall(message)
    reason = ": ".join(others[-1]) if others else errors.first_line(Exception(message))
    return ReplicasFailed(f"The replicas could not be started: {reason}")
