"""A short hard day; `python tests/soak.py` is the long one."""

from pathlib import Path

import pytest

from tests.soak import Plan, soak


@pytest.mark.timeout(300)
async def test_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    """Though answers fail, come late and get lost, and bot and engine are killed."""
    day, _ = await soak(Plan(people=10, jobs=60, kills=2), tmp_path)
    assert day.findings == []
    assert day.did["bot killed"] == day.did["engine killed"] == 1
    assert day.did["fault"] > 20
    assert len(day.asked) > 60
