"""Which of the configured controls a model offers, and which of them fit no model."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline

from engine.device import Device
from engine.models.base import DiffusionModel
from engine.models.control_fit import misfit
from engine.models.control_networks import LoadedControl, load_control
from engine.steering.offered_controls import OfferedControl
from engine.weights.controls import ControlFiles, configured_controls

log = logging.getLogger(__name__)


def offered_controls(
    model: str, files: Iterable[ControlFiles], pipeline: DiffusionPipeline, device: Device
) -> list[tuple[OfferedControl, LoadedControl]]:
    """The controls that fit a model, loaded, at most one of each kind: the first one.

    Warnings name the others that fit, as does debug output for those that do not. Raises
    ModelCorrupt if one of them is damaged.
    """
    chosen: dict[str, ControlFiles] = {}
    offered: list[tuple[OfferedControl, LoadedControl]] = []
    for item in files:
        reason = misfit(item, pipeline.unet.config, pipeline.vae_scale_factor)
        if reason is not None:
            log.debug("the control %s is not for the model %s: it %s", item.name, model, reason)
        elif item.kind in chosen:
            first = chosen[item.kind]
            if not item.is_built_in:
                log.warning(
                    "Two controls %s fit the model %s, %s and %s; the first one is used.",
                    *(item.kind, model, first.name, item.name),
                )
        else:
            chosen[item.kind] = item
            loaded = load_control(item, device)
            offered.append((OfferedControl(item.kind, item.revision, loaded.network), loaded))
    if chosen:
        log.info("controls of the model %s: %s", model, ", ".join(sorted(chosen)))
    return offered


def warn_of_unused_controls(models: Sequence[DiffusionModel]) -> None:
    """Log a warning for each control of IMAGINE_CONTROLS that fits none of the loaded models."""
    pipelines = {model.card.name: getattr(model, "pipeline", None) for model in models}
    unets: dict[str, Any] = {
        name: item for name, item in pipelines.items() if hasattr(item, "unet")
    }
    is_half = any(model.device.dtype == torch.float16 for model in models)
    for control in configured_controls("", prefer_fp16=is_half):
        reasons = [
            (name, misfit(control, pipeline.unet.config, pipeline.vae_scale_factor))
            for name, pipeline in unets.items()
        ]
        if all(reason is not None for _, reason in reasons):
            texts = [f"for {name}, it {reason}" for name, reason in reasons]
            log.warning(
                "The control %s (%s) fits no loaded model: %s.",
                *(control.name, control.kind, "; ".join(texts) or "none of them has a UNet"),
            )
