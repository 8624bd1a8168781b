"""The package `openvino`, imported when it is first needed."""

import sys
from functools import cache
from typing import Any


@cache
def openvino() -> Any:  # noqa: ANN401 - openvino has no types for mypy
    """The package. It would report its import to Intel by openvino-telemetry, if it could import
    that."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # makes its import fail
    import openvino
    import openvino.passes

    return openvino
