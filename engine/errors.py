"""The errors of the engine, and the exit codes of its process."""

import errno
from collections.abc import Iterator
from enum import IntEnum
from typing import ClassVar, Final

_DISK_ERRORS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
)
"""Of reads and writes, which name no file."""
_PATH_ERRORS: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
    | {errno.ELOOP, errno.EBUSY, errno.ENOTEMPTY}
)
"""Of a file or folder that they name; without a name, some of them are errors of a connection."""


class ExitCode(IntEnum):
    """The exit codes of `python -m engine`."""

    DONE = 0
    """The command completed, or was stopped."""
    FAILED = 1
    """A job failed; standard error has the reason."""
    USAGE = 2
    """An option, a job or a sketch is invalid."""
    MODEL_NOT_FOUND = 3
    """There is no such folder, no such model on the hub, or no connection to the hub."""
    MODEL_GATED = 4
    """The hub requires a token, or the token's account has no access."""
    MODEL_CORRUPT = 5
    """The model's files are incomplete, damaged or of an unsupported kind."""
    NO_SAFETY_CHECKER = 6
    """There is no safety checker, or the labels of a classifier are unknown. Without a check no
    picture may be shown."""
    PORT_IN_USE = 7
    """Another program listens on the port."""
    MISSING_DEPENDENCY = 8
    """Torch, diffusers or another package of the engine is not installed."""
    DEVICE_LOST = 9
    """The accelerator lost its context; a new process can use it again."""
    STORAGE_FAILED = 10
    """The disk is full, or a file or folder cannot be read or written."""
    CLUSTER_UNREACHABLE = 11
    """There is no cluster at the address, or it refuses the token."""
    TOO_FEW_RESOURCES = 12
    """A cluster has fewer GPUs or cores than its replicas need."""


class EngineError(Exception):
    """The engine cannot continue; the message is a sentence for the operator."""

    exit: ClassVar[ExitCode] = ExitCode.FAILED


class UsageError(EngineError):
    """An option, a job or a sketch is invalid."""

    exit = ExitCode.USAGE


class ModelNotFound(EngineError):
    """There is no such model, locally or on the hub."""

    exit = ExitCode.MODEL_NOT_FOUND


class ModelGated(EngineError):
    """The hub refuses access to the model."""

    exit = ExitCode.MODEL_GATED


class ModelCorrupt(EngineError):
    """The model's files cannot be used."""

    exit = ExitCode.MODEL_CORRUPT


class NoSafetyChecker(EngineError):
    """There is no safety checker, or the labels of a classifier are unknown."""

    exit = ExitCode.NO_SAFETY_CHECKER


class PortInUse(EngineError):
    """Another program listens on the port."""

    exit = ExitCode.PORT_IN_USE


class MissingDependency(EngineError):
    """A package of the engine is not installed."""

    exit = ExitCode.MISSING_DEPENDENCY


class DeviceLost(EngineError):
    """The accelerator lost its context."""

    exit = ExitCode.DEVICE_LOST


class StorageFailed(EngineError):
    """A file or folder cannot be read or written."""

    exit = ExitCode.STORAGE_FAILED


class InvalidJob(Exception):
    """The engine cannot paint this job; the message is a sentence for the user."""


def first_line(error: Exception) -> str:
    """The first 200 characters of the message's first line, with the next line after a colon.

    It is the type's name if there is no message. Characters that cannot be printed are spaces: a
    message may quote a file.
    """
    first, *others = (str(error).strip() or type(error).__name__).splitlines()
    if first.endswith(":") and others:
        first = f"{first} {others[0].strip()}"
    return "".join(char if char.isprintable() else " " for char in first[:200])


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def storage_error(error: BaseException) -> OSError | None:
    """The error or its first cause that is one of a disk, file or folder, with its errno.

    Most errors of the network are OSErrors too.
    """
    for cause in causes(error):
        if isinstance(cause, OSError) and not isinstance(cause, ConnectionError | TimeoutError):
            is_path_error = cause.errno in _PATH_ERRORS and cause.filename is not None
            if cause.errno in _DISK_ERRORS or is_path_error:
                return cause
    return None


def unreadable(subject: str, error: OSError) -> StorageFailed:
    """The error to raise if a file of `subject`, such as "the model x", cannot be read."""
    cause = storage_error(error) or error
    sentence = f"{subject} cannot be read: {cause.strerror or first_line(cause)}"
    where = f": {cause.filename}" if cause.filename else ""
    return StorageFailed(sentence[:1].upper() + sentence[1:] + where)
