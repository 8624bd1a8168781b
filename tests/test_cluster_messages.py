"""What the gateway and the replicas send to each other, and what the gateway makes of it."""

import msgspec
import pytest

from engine.cluster.gateway import chosen_report
from engine.cluster.messages import (
    GatewayNote,
    OtherVersion,
    ReplicaReport,
    decode_events,
    decode_note,
    decode_paint,
    decode_report,
    encode_events,
    encode_note,
    encode_paint,
    encode_report,
)
from engine.cluster.totals import NOTHING, total
from engine.contract import (
    PROTOCOL_VERSION,
    Backlog,
    Cancelled,
    Event,
    Heartbeat,
    Paint,
    Ready,
    Stepped,
)
from tests.fake_engine import MODEL
from tests.samples import recipe

HEARTBEAT = Heartbeat(
    ticks=3,
    seconds=1.5,
    rows_total=8,
    rows_used=6,
    painting=2,
    waiting=1,
    memory=10,
    resident=("a",),
)
REPORT = ReplicaReport(
    node="10.0.0.2", pid=7, models=(MODEL,), upscalers=(), can_film=True, heartbeat=HEARTBEAT
)
NOTE = GatewayNote(gateway=5, backlog=Backlog(jobs=1, seconds=2.0, oldest=3.0))
OTHER = msgspec.structs.replace(MODEL, fingerprint="another GPU")


def test_messages_survive_the_way() -> None:
    """All fields arrive."""
    job = Paint(job="j", attempt=2, recipes=(recipe(),), is_alone=True, fingerprint="f")
    events: list[Event] = [Stepped(job="j", attempt=2, step=1, steps=4), HEARTBEAT]
    events.append(Cancelled(job="j", attempt=2))
    assert decode_report(encode_report(REPORT)) == REPORT
    assert decode_note(encode_note(NOTE)) == NOTE
    assert decode_paint(encode_paint(job)) == job
    assert decode_events(encode_events(events)) == events


def test_another_version_is_named_before_the_rest_is_read() -> None:
    """The rest may have fields that are unknown here."""
    other = msgspec.msgpack.encode({"version": PROTOCOL_VERSION + 1, "body": b"?"})
    with pytest.raises(OtherVersion) as raised:
        decode_report(other)
    assert str(raised.value) == (
        f"The protocol version of the replica is {PROTOCOL_VERSION + 1}; here it is "
        f"{PROTOCOL_VERSION}. Deploy both with the same release."
    )
    with pytest.raises(OtherVersion, match="of the gateway"):
        decode_note(other)


def test_the_models_of_most_replicas_are_offered() -> None:
    """Of equally many, those that are offered already, so that nothing changes back and forth."""
    other = msgspec.structs.replace(REPORT, models=(OTHER,))
    assert chosen_report([REPORT, other, other], None) == other
    for offered in (REPORT, other):
        ready = Ready(offered.models)
        assert chosen_report([REPORT, other], ready) == offered


def test_heartbeats_add_up() -> None:
    """With those of replicas that have ended; a model is listed once."""
    before = HEARTBEAT.plus(None)
    summed = total([HEARTBEAT, HEARTBEAT], before, waiting=4, replicas=())
    assert summed == Heartbeat(
        ticks=9,
        seconds=4.5,
        rows_total=24,
        rows_used=18,
        painting=4,
        waiting=6,
        memory=20,
        resident=("a",),
        replicas=(),
    )
    assert total([], NOTHING, waiting=0, replicas=()).memory is None
