"""A short soak test; `python tests/soak.py` is a long one."""

from pathlib import Path

import pytest

from tests.soak import Plan, soak


@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_duplicated(tmp_path: Path) -> None:
    """Faults are injected, and bot and engine are killed."""
    result, _ = await soak(Plan(people=10, jobs=60, kills=2), tmp_path)
    assert result.findings == []
    assert result.counts["bot killed"] == result.counts["engine killed"] == 1
    assert result.counts["fault"] > 20
    assert len(result.interactions) > 60
