"""Kinds of jobs that have an earlier picture as an input image."""

import pytest

from bot.domain.kinds import reroll
from bot.domain.plan import INHERITED, Edge, PlanContext, PlanDetails, PlannedJob, Relation
from tests.fake_engine import MODEL
from tests.samples import recipe


@pytest.mark.parametrize("relation", sorted(INHERITED))
def test_a_reroll_changes_what_its_job_changed(relation: Relation) -> None:
    """The recipe has the same input images."""
    planned = PlannedJob(
        recipes=(recipe(),), details=PlanDetails(), edges=(Edge(1, "j0-1", relation),)
    )
    again = reroll.plan(planned, PlanContext(models=(MODEL,), seed=5))
    assert again.edges == (Edge(1, "j0-1", relation),)
