"""The gateway of a cluster with a replica in this process, which tests can hold.

test_engine_contract.py and its sisters have the tests of the protocol, which it takes too.
"""

import pytest

from engine.cluster.gateway import Gateway
from engine.contract import Cancel, Cancelled, Stepped
from engine.errors import UsageError
from tests.cluster_subject import ClusterSubject, start_cluster
from tests.engine_wire import connect_authenticated, job, paint, wait_for
from tests.fake_replicas import FakeReplicas


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


async def test_a_gateway_without_a_token_does_not_start() -> None:
    """An empty token would let everybody in who sends an empty one."""
    with pytest.raises(UsageError, match="The gateway has no token; set IMAGINE_ENGINE_TOKEN"):
        Gateway(FakeReplicas(), "", drain_seconds=1.0)
