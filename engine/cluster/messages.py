"""What the gateway and the replicas of a cluster send to each other, as MessagePack."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.contract import (
    NO_TEXT_MODELS,
    PROTOCOL_VERSION,
    Backlog,
    Event,
    Heartbeat,
    ModelCard,
    Paint,
    TextModelCards,
    UpscalerCard,
)


class OtherVersion(Exception):
    """A replica speaks another version of the protocol; the message is a sentence."""


class ReplicaReport(msgspec.Struct, frozen=True, kw_only=True):
    """A replica, as it describes itself."""

    node: str
    """The address of its machine."""
    pid: int
    models: tuple[ModelCard, ...]
    """The loaded ones, the default first."""
    upscalers: tuple[UpscalerCard, ...]
    can_film: bool
    heartbeat: Heartbeat
    text_models: TextModelCards = NO_TEXT_MODELS


class GatewayNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway tells a replica when it asks for a report."""

    gateway: int
    """When the gateway started, in nanoseconds: of two gateways the newer one counts."""
    backlog: Backlog
    """Of all bots and of the gateway together."""


class _Versioned(msgspec.Struct, frozen=True):
    """Its fields never change, so that all versions can read it."""

    version: int
    body: bytes


_EVENTS: Final = msgspec.msgpack.Decoder(list[Event])
_PAINT: Final = msgspec.msgpack.Decoder(Paint)
_NOTE: Final = msgspec.msgpack.Decoder(GatewayNote)
_REPORT: Final = msgspec.msgpack.Decoder(ReplicaReport)
_VERSIONED: Final = msgspec.msgpack.Decoder(_Versioned)


def encode_events(events: Sequence[Event]) -> bytes:
    """Events of one job, and heartbeats of its replica."""
    return msgspec.msgpack.encode(events)


def decode_events(data: bytes) -> list[Event]:
    """Raises MsgspecError for events of another version."""
    return _EVENTS.decode(data)


def encode_paint(job: Paint) -> bytes:
    """A job for a replica."""
    return msgspec.msgpack.encode(job)


def decode_paint(data: bytes) -> Paint:
    """Raises MsgspecError for a job of another version."""
    return _PAINT.decode(data)


def encode_note(note: GatewayNote) -> bytes:
    """A note for a replica, with the version of the protocol."""
    return _with_version(note)


def decode_note(data: bytes) -> GatewayNote:
    """Raises OtherVersion."""
    return _NOTE.decode(_body(data, "gateway"))


def encode_report(report: ReplicaReport) -> bytes:
    """A report for the gateway, with the version of the protocol."""
    return _with_version(report)


def decode_report(data: bytes) -> ReplicaReport:
    """Raises OtherVersion."""
    return _REPORT.decode(_body(data, "replica"))


def _with_version(message: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(_Versioned(PROTOCOL_VERSION, msgspec.msgpack.encode(message)))


def _body(data: bytes, sender: str) -> bytes:
    versioned = _VERSIONED.decode(data)
    if versioned.version != PROTOCOL_VERSION:
        raise OtherVersion(
            f"The protocol version of the {sender} is {versioned.version}; here it is "
            f"{PROTOCOL_VERSION}. Deploy both with the same release."
        )
    return versioned.body
