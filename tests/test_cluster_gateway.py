"""The gateway of a cluster with a replica in this process, which tests can hold.

test_engine_contract.py and its sisters have the tests of the protocol, which it takes too.
"""

from engine.contract import Cancel, Cancelled, Stepped
from tests.cluster_subject import ClusterSubject, start_cluster
from tests.engine_wire import connect_authenticated, job, paint, wait_for


async def test_a_cancelled_job_has_no_further_forward_pass() -> None:
    """It frees its slot in the replica with the pass that is in flight."""
    async with start_cluster() as subject, connect_authenticated(subject.endpoint) as events:
        assert isinstance(subject, ClusterSubject)
        subject.hold()
        await events.send(job(subject, "long", steps=150))
        await wait_for(events, Stepped, "long")
        assert (subject.heartbeat.painting, subject.heartbeat.ticks) == (1, 1)
        await events.send(Cancel(job="long", attempt=1))
        await wait_for(events, Cancelled, "long")
        assert subject.heartbeat.painting == 0
        subject.release()
        await paint(events, job(subject, "next", steps=3))
        assert subject.heartbeat.ticks <= 1 + 1 + 3  # one was in flight
