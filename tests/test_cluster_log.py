"""Forwarding the log of replicas, which Ray writes to files."""

from pathlib import Path

import pytest

from engine.cluster.log_follower import LogFollower, forwarded_logs

LINE = 'at=2026-11-28T02:27:26.474Z level=info process=engine logger=x event="ready {}"\n'


def append(file: Path, text: str) -> None:
    """Add text to a file, as a worker does."""
    with file.open("a", encoding="utf-8") as out:
        out.write(text)


def test_only_new_finished_lines_of_our_log_are_read(tmp_path: Path) -> None:
    """Ray's own messages and other files are left out; half a line waits for its end."""
    worker, other = tmp_path / "worker-1.err", tmp_path / "raylet.err"
    follower = LogFollower(tmp_path)
    assert list(follower.new_lines()) == []
    append(worker, "Ray says something\n" + LINE.format(1) + LINE.format(2)[:40])
    append(other, LINE.format(9))
    assert list(follower.new_lines()) == [LINE.format(1).strip()]
    append(worker, LINE.format(2)[40:])
    append(tmp_path / "worker-2.err", LINE.format(3))
    assert list(follower.new_lines()) == [LINE.format(2).strip(), LINE.format(3).strip()]
    assert list(follower.new_lines()) == []


def test_the_last_lines_are_forwarded_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A replica says why it stops."""
    with forwarded_logs(tmp_path):
        append(tmp_path / "worker-1.err", LINE.format(1))
    assert capsys.readouterr().err == LINE.format(1)
