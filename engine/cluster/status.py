"""Print what the gateway knows. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

_COLUMNS: Final = ("replica", "node", "process", "painting", "memory", "models on device", "state")


def as_json(gateway: Mapping[str, Any]) -> str:
    """The gateway of `GatewayDeployment.describe`, as it is."""
    return json.dumps(gateway, indent=2) + "\n"


def as_table(gateway: Mapping[str, Any]) -> str:
    """A line for each replica after one for the gateway."""
    rows = [_COLUMNS, *(_row(replica) for replica in gateway["replicas"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        f"gateway ray://{gateway['host']}:{gateway['port']}, {gateway['waiting']} jobs waiting",
        *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
        *gateway["problems"],
    ]
    return "\n".join(lines) + "\n"


def _row(replica: Mapping[str, Any]) -> Sequence[str]:
    memory = replica["peak_memory"] or replica["memory"]
    return (
        replica["name"],
        replica["node"],
        str(replica["pid"]),
        str(replica["painting"]),
        "" if memory is None else f"{memory / 2**30:.1f} GiB",
        ", ".join(replica["resident"]),
        "stopping" if replica["is_draining"] else "ready",
    )
