"""Finds the modules of a package."""

import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType


def modules_of(package: str, path: Sequence[str]) -> list[ModuleType]:
    """The imported modules of a package with this `__path__`, sorted by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(path))
    return [importlib.import_module(f"{package}.{name}") for name in names]
