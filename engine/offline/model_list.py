"""The command `models`: describe the models that are configured, without loading them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from engine.contract import MAX_GUIDANCE, MAX_STEPS, Sampler
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.core.process import configured_models, default_models, select_quiet_device
from engine.errors import EngineError, ModelCorrupt, ModelNotFound, first_line
from engine.models.defaults import default_sampler
from engine.models.description import Description, describe
from engine.models.offload_setting import is_offloaded
from engine.models.storage_setting import stored_bytes
from engine.weights.hub import format_bytes
from engine.weights.model_files import ModelFiles, find_model_files
from engine.weights.model_folder import LOAD_ERRORS

if TYPE_CHECKING:
    from engine.device import Device

_HEADINGS: Final = ("model", "family", "pictures", "disk", "memory", "licence", "defaults", "can")
_UNKNOWN: Final = "?"


class Defaults(msgspec.Struct, frozen=True):
    """The settings of a request without these options."""

    steps: int
    guidance: float
    sampler: Sampler


class ModelRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that is configured."""

    name: str
    error: str | None = None
    """Why it cannot be loaded; then all else is unknown."""
    is_missing: bool = False
    """Whether it is not on this machine; one of the hub is downloaded when the engine starts."""
    family: str | None = None
    distillation: str | None = None
    native_size: int | None = None
    disk_bytes: int | None = None
    memory_bytes: int | None = None
    """Of its weights on the device of this machine."""
    host_bytes: int | None = None
    """Of those that IMAGINE_OFFLOAD keeps in the host's memory, if there are any."""
    licence: str | None = None
    defaults: Defaults | None = None
    most_steps: int | None = None
    most_guidance: float | None = None
    """None if requests may have as much as recipes."""
    can: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
    """The names of the configured ones (textual inversion) that fit."""
    loras: tuple[str, ...] = ()
    """The names of those that fit; none without torch."""
    controls: tuple[str, ...] = ()
    """The kinds of those that fit; none without torch."""
    ip_adapter: str | None = None
    """The name of the one that reads its reference images; None without torch."""
    samplers: tuple[Sampler, ...] | None = None
    """Those that work with it; None without torch."""


def models_command(options: argparse.Namespace) -> None:
    """Write what is known of each model. Raises the first model's EngineError, with the sentences
    of all."""
    chosen = configured_models(options.model)
    device = _device()
    weight_bytes = None if device is None else device.dtype.itemsize
    rows: list[ModelRow] = []
    errors: list[EngineError] = []
    for name in chosen or default_models(device):
        try:
            rows.append(_row(name, weight_bytes, has_torch=device is not None))
        except EngineError as error:
            is_missing = isinstance(error, ModelNotFound) and not _is_file(name)
            rows.append(ModelRow(name=name, error=str(error), is_missing=is_missing))
            errors.append(error)
    sys.stdout.write(_json(rows) if options.json else _table(rows))
    sys.stdout.flush()
    if errors:
        raise type(errors[0])("\n".join(map(str, errors)))


def _is_file(name: str) -> bool:
    """Whether this is a checkpoint on this machine; its configuration may be missing."""
    try:
        return Path(name).expanduser().is_file()
    except (RuntimeError, OSError):  # RuntimeError: of a home directory that does not exist
        return False


def _device() -> "Device | None":
    """The device; None without torch and diffusers."""
    try:
        return select_quiet_device()
    except ModuleNotFoundError:
        return None


def _row(name: str, bytes_per_weight: int | None, *, has_torch: bool) -> ModelRow:
    try:
        files = find_model_files(name, prefer_fp16=bytes_per_weight == 2, download=False)
        description = describe(files)
        samplers = _samplers(description) if has_torch else None
        loras = _loras(files) if has_torch else ()
        controls = _controls(files) if has_torch else ()
        ip_adapter = _ip_adapter(files) if has_torch else None
        host_bytes = stored_bytes(files, bytes_per_weight or 1, is_offloaded)
        memory_bytes = stored_bytes(files, bytes_per_weight or 1) - host_bytes
    except LOAD_ERRORS as error:
        raise ModelCorrupt(
            f"The model {name} cannot be loaded; its files are damaged or incomplete: "
            f"{first_line(error)}"
        ) from error
    distillation = description.distillation
    return ModelRow(
        name=name,
        family=description.family.name,
        distillation=None if distillation is None else distillation.name,
        native_size=description.native_size,
        disk_bytes=files.weight_bytes,
        memory_bytes=None if bytes_per_weight is None else memory_bytes,
        host_bytes=None if bytes_per_weight is None else host_bytes or None,
        licence=description.licence,
        defaults=Defaults(
            description.steps,
            description.guidance,
            default_sampler(samplers or DIFFUSION_SAMPLERS, distillation, description.family),
        ),
        most_steps=_limit(distillation and distillation.most_steps, MAX_STEPS),
        most_guidance=_limit(distillation and distillation.most_guidance, MAX_GUIDANCE),
        can=description.abilities,
        embeddings=description.embeddings,
        loras=loras,
        controls=controls,
        ip_adapter=ip_adapter,
        samplers=samplers,
    )


def _loras(files: ModelFiles) -> tuple[str, ...]:
    from engine.models.fitting_loras import fitting_loras

    return fitting_loras(files)


def _controls(files: ModelFiles) -> tuple[str, ...]:
    from engine.models.fitting_controls import fitting_controls

    return fitting_controls(files)


def _ip_adapter(files: ModelFiles) -> str | None:
    from engine.models.fitting_ip_adapter import fitting_ip_adapter

    return fitting_ip_adapter(files)


def _samplers(description: Description) -> tuple[Sampler, ...]:
    from engine.samplers import usable_samplers

    limits = usable_samplers(description.scheduler_config)
    return tuple(sampler for sampler in limits if limits[sampler] != 0)


_Number = TypeVar("_Number", int, float)


def _limit(value: _Number | None, limit: _Number) -> _Number | None:
    return None if value == limit else value


def _json(rows: Sequence[ModelRow]) -> str:
    return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n"


def _table(rows: Sequence[ModelRow]) -> str:
    """One line for each model, in columns."""
    lines = [_HEADINGS, *(_cells(row) for row in rows)]
    full = [line for line in lines if len(line) == len(_HEADINGS)]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    widths[0] = max(len(line[0]) for line in lines)
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip()
        + "\n"
        for line in lines
    )


def _cells(row: ModelRow) -> tuple[str, ...]:
    if row.defaults is None or row.native_size is None or row.disk_bytes is None:
        return row.name, "not on this machine" if row.is_missing else "cannot be loaded"
    defaults = row.defaults
    limits = [
        *([] if row.most_steps is None else [f"at most {row.most_steps} steps"]),
        *([] if row.most_guidance is None else [f"guidance {row.most_guidance:g}"]),
    ]
    return (
        row.name,
        ", ".join(filter(None, [row.family, row.distillation])),
        f"{row.native_size} x {row.native_size}",
        format_bytes(row.disk_bytes),
        _memory(row),
        row.licence or _UNKNOWN,
        f"{defaults.steps} steps, guidance {defaults.guidance:g}, {defaults.sampler}"
        + (f" ({', '.join(limits)})" if limits else ""),
        ", ".join(_abilities(row)),
    )


def _memory(row: ModelRow) -> str:
    if row.memory_bytes is None:
        return _UNKNOWN
    host = "" if row.host_bytes is None else f" + {format_bytes(row.host_bytes)} host"
    return format_bytes(row.memory_bytes) + host


def _abilities(row: ModelRow) -> list[str]:
    counts = {
        "embedding": len(row.embeddings),
        "LoRA": len(row.loras),
        "control": len(row.controls),
    }
    return [
        *row.can,
        *([] if row.ip_adapter is None else ["references"]),
        *([] if row.samplers is None else [_sampler_count(row.samplers)]),
        *(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count),
    ]


def _sampler_count(samplers: Sequence[Sampler]) -> str:
    is_all = len(samplers) == len(DIFFUSION_SAMPLERS)
    return "all samplers" if is_all else f"{len(samplers)} samplers"
