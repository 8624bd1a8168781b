"""The errors of the engine, and the exit codes that its parent reads from them."""

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """The exit codes of `python -m engine`."""

    DONE = 0
    """All that was asked for is done, or somebody asked the engine to stop."""
    FAILED = 1
    """A job could not be painted; the sentence on stderr says why."""
    USAGE = 2
    """An option, a job or a sketch is not what it must be."""
    MODEL_MISSING = 3
    """There is no such folder, or no such model on the hub, or no way to reach the hub."""
    MODEL_GATED = 4
    """The hub wants to know who asks: a token is missing, or its owner has not been let in."""
    MODEL_BROKEN = 5
    """The model's files are half downloaded, damaged, or not of a kind that we can paint with."""
    MODEL_UNCHECKED = 6
    """There is no safety checker, or one whose labels say nothing, so no picture could be shown."""
    PORT_TAKEN = 7
    """Another program listens on the port."""
    PARTS_MISSING = 8
    """Torch, diffusers or another package that the engine needs is not installed."""
    DEVICE_BROKEN = 9
    """The accelerator lost its context; a fresh process can go on."""


class EngineError(Exception):
    """The engine cannot go on; its words are for the person who started it."""

    exit: ClassVar[Exit] = Exit.FAILED


class BadUsage(EngineError):
    """An option, a job or a sketch is not what it must be."""

    exit = Exit.USAGE


class ModelMissing(EngineError):
    """There is no such model, here or on the hub."""

    exit = Exit.MODEL_MISSING


class ModelGated(EngineError):
    """The hub does not give this model to everybody."""

    exit = Exit.MODEL_GATED


class ModelBroken(EngineError):
    """The model's files cannot be used."""

    exit = Exit.MODEL_BROKEN


class ModelUnchecked(EngineError):
    """No picture could be checked."""

    exit = Exit.MODEL_UNCHECKED


class PortTaken(EngineError):
    """Another program listens on the port."""

    exit = Exit.PORT_TAKEN


class PartsMissing(EngineError):
    """A package that the engine needs is not installed."""

    exit = Exit.PARTS_MISSING


class DeviceBroken(EngineError):
    """The accelerator lost its context."""

    exit = Exit.DEVICE_BROKEN


class Unpaintable(Exception):
    """This job cannot be painted; its words are for the person who asked."""
