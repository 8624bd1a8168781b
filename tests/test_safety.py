"""The verdict on a picture, and what happens when there is none."""

from typing import Any

import pytest
import torch

from engine.hardware import Hardware
from engine.safety import Checker
from tests import tiny_model
from tests.engine_parts import painter, sketch

CPU = Hardware(torch.device("cpu"), torch.float32, 1)


class Extractor:
    """Turns every picture into these pixels."""

    def __init__(self, level: float = 0.0) -> None:
        self.pixel_values = torch.full((1, 3, 32, 32), level)

    def __call__(self, *_: object, **__: object) -> "Extractor":
        return self


def saying(answer: object) -> Any:  # noqa: ANN401 - stands for an untyped network
    """A network that answers so."""

    def network(**_: object) -> tuple[None, object]:
        return None, answer

    return network


def failing(**_: object) -> None:
    """A network that cannot answer."""
    raise RuntimeError("no answer")


def test_a_verdict_is_the_networks() -> None:
    """Yes is yes and no is no."""
    assert Checker(saying([True]), Extractor(), CPU).flagged(sketch())
    assert not Checker(saying([False]), Extractor(), CPU).flagged(sketch())


@pytest.mark.parametrize("network", [failing, saying([]), saying(None)])
def test_no_verdict_means_no_picture(network: object, caplog: pytest.LogCaptureFixture) -> None:
    """A checker that fails, or answers nothing, has flagged the picture; the log says so."""
    assert Checker(network, Extractor(), CPU).flagged(sketch())
    assert "withheld" in caplog.text


def test_an_extractor_that_fails_means_no_picture() -> None:
    """The check begins with looking."""
    assert Checker(saying([False]), None, CPU).flagged(sketch())


def test_what_cannot_be_seen_means_no_picture() -> None:
    """Comparing with numbers that are none is always false, which would pass everything."""
    assert Checker(saying([False]), Extractor(float("nan")), CPU).flagged(sketch())


def test_the_real_checker_follows_its_thresholds() -> None:
    """The same picture, with thresholds that nothing reaches and that everything does."""
    assert not painter(tiny_model.NEVER).model.flagged(sketch())
    assert painter(tiny_model.ALWAYS).model.flagged(sketch())
