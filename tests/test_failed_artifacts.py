"""Films and strips that fail cost nothing but themselves."""

import pytest
import torch
from PIL import Image

from engine.contract import (
    ArtifactDone,
    ArtifactRole,
    Backend,
    Capture,
    Completed,
    Event,
    ImageDone,
    Paint,
)
from engine.core.capture import FILM_TOO_LARGE
from engine.core.engine_core import EngineCore
from tests.engine_parts import Painted, job, new_engine_core, recipe, run_job


def events_of(paint: Paint, core: EngineCore | None = None) -> list[Event]:
    """The events of a job that must succeed."""
    events: list[Event] = []
    ending = run_job(paint, core, events.append)
    assert isinstance(ending, Painted), ending
    return events


def failed_artifacts(events: list[Event]) -> list[tuple[int, ArtifactRole, str]]:
    """Index, role and reason of each artifact that its job's ending reports."""
    completed = events[-1]
    assert isinstance(completed, Completed)
    return [
        (failure.index, failure.role, failure.reason) for failure in completed.artifact_failures
    ]


@pytest.mark.parametrize(("film_bytes", "most"), [(100, 2**20), (2**30, 100)])
def test_a_film_that_fits_into_no_limit_costs_only_itself(
    film_bytes: int, most: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That of its job or of messages. All pictures are painted, and the ending says why."""
    monkeypatch.setattr("engine.core.capture.MAX_FILM_BYTES", most)
    capture = Capture(film=True, strip=2, film_bytes=film_bytes)
    events = events_of(job(recipe(), recipe(seed=2, steps=9), capture=capture))
    assert sum(isinstance(event, ImageDone) for event in events) == 2
    assert failed_artifacts(events) == [
        (index, ArtifactRole.FILM, FILM_TOO_LARGE) for index in (0, 1)
    ]
    strips = [event for event in events if isinstance(event, ArtifactDone)]
    assert {strip.role for strip in strips} == {ArtifactRole.STRIP}
    assert len(strips) == 2
    assert "artifact failed" in caplog.text


def test_frames_that_cannot_be_decoded_cost_no_picture() -> None:
    """The job has its picture, but neither film nor strip."""
    core = new_engine_core()

    def fail(latents: torch.Tensor, backend: Backend = Backend.TORCH) -> list[Image.Image | None]:
        raise RuntimeError(f"No {len(latents)} frames today.")

    core.model.decode_frames = fail  # type: ignore[method-assign] # a shared model
    try:
        events = events_of(job(recipe(), capture=Capture(film=True, strip=2)), core)
    finally:
        del core.model.decode_frames
    assert sum(isinstance(event, ImageDone) for event in events) == 1
    reason = "The engine failed (RuntimeError); its log has the details."
    roles = [ArtifactRole.FILM, ArtifactRole.STRIP]
    assert failed_artifacts(events) == [(0, role, reason) for role in roles]
