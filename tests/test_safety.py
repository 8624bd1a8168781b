"""The verdict on a picture, and what happens when there is none."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.contract import Verdict
from engine.device import Device
from engine.errors import UsageError
from engine.safety import Panel, flagged, for_log, names
from engine.safety.concepts import ConceptChecker
from tests import tiny_model
from tests.engine_parts import painter, sketch

CPU = Device(torch.device("cpu"), torch.float32, 1)


class Says:
    """A checker that gives every picture this score."""

    def __init__(self, score: float | None, name: str = "one") -> None:
        self.name = name
        self._score = score

    def look(self, _: Image.Image) -> Verdict:
        """Above 0.5 is flagged."""
        if self._score is None:
            raise RuntimeError("no answer")
        return Verdict(checker=self.name, score=self._score, flagged=self._score > 0.5)


def of_tiny_model(threshold: float) -> tuple[Any, Any]:
    """A real checker's network and what prepares pictures for it."""
    pipeline = painter(threshold).model.pipeline
    return pipeline.safety_checker, pipeline.feature_extractor


def verdict(checker: ConceptChecker) -> Verdict:
    """Of a panel of this one."""
    [said] = Panel([checker]).verdicts(sketch())
    return said


@given(st.lists(st.sampled_from([None, math.nan, -0.1, 0.0, 0.5, 0.6, 1.0, 1.1]), min_size=1))
def test_one_checker_is_enough_to_withhold_a_picture(scores: list[float | None]) -> None:
    """Any that flags it, fails, or gives a score that is none."""
    verdicts = Panel([Says(score, str(nth)) for nth, score in enumerate(scores)]).verdicts(sketch())
    assert [said.checker for said in verdicts] == [str(nth) for nth in range(len(scores))]
    assert flagged(verdicts) == any(score not in (0.0, 0.5) for score in scores)


def test_nothing_said_is_no_verdict() -> None:
    """Neither for a picture nor for a panel."""
    assert flagged([])
    with pytest.raises(ValueError, match="would pass everything"):
        Panel([])


def test_a_check_that_fails_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever runs the bot learns why everything is withheld."""
    verdicts = Panel([Says(None, "mine")]).verdicts(sketch())
    assert verdicts == (Verdict(checker="mine", score=None, flagged=True),)
    assert "the safety check failed, so the picture is withheld" in caplog.text
    assert [vars(record)["checker"] for record in caplog.records] == ["mine"]
    assert "no answer" in caplog.text


def test_verdicts_are_said_in_a_line() -> None:
    """For the log."""
    said = for_log(Panel([Says(0.25), Says(None, "b")]).verdicts(sketch()))
    assert said == {"verdict": "flagged", "scores": "one:0.250,b:failed"}
    said = for_log(Panel([Says(0.25)]).verdicts(sketch()))
    assert said == {"verdict": "passed", "scores": "one:0.250"}


def test_the_real_checker_follows_its_thresholds() -> None:
    """The same picture, with thresholds that nothing reaches and that everything does."""
    assert not flagged(painter(tiny_model.NEVER).model.verdicts(sketch()))
    assert flagged(painter(tiny_model.ALWAYS).model.verdicts(sketch()))


@pytest.mark.parametrize("special", [tiny_model.NEVER, tiny_model.ALWAYS])
def test_its_verdicts_are_diffusers_own(special: float) -> None:
    """At thresholds around the picture's own nearness to a concept, also with special care."""
    network, extractor = of_tiny_model(tiny_model.NEVER)
    seen = extractor(sketch(), return_tensors="pt").pixel_values
    flags = set()
    try:
        network.concept_embeds_weights.zero_()
        at_zero = ConceptChecker(network, extractor, CPU).look(sketch())
        assert at_zero.score is not None
        nearness = 2 * at_zero.score - 1
        network.special_care_embeds_weights.fill_(special)
        for step in range(-20, 20):
            network.concept_embeds_weights.fill_(nearness + step / 1000)
            _, [expected] = network(clip_input=seen, images=torch.zeros(1, 1, 1, 3))
            said = ConceptChecker(network, extractor, CPU).look(sketch())
            assert said.score is not None
            assert said.flagged == expected == (said.score > 0.5)
            flags.add(expected)
    finally:
        network.special_care_embeds_weights.fill_(tiny_model.NEVER)
        network.concept_embeds_weights.fill_(tiny_model.NEVER)
    assert flags == {True, False}


def test_an_extractor_that_fails_means_no_picture() -> None:
    """The check begins with looking."""
    network, _ = of_tiny_model(tiny_model.NEVER)
    assert verdict(ConceptChecker(network, None, CPU)).score is None


def test_numbers_that_are_none_mean_no_picture() -> None:
    """Comparing with them is always false, which would pass everything."""
    pipeline = painter(tiny_model.NEVER, tiny_model.blind).model.pipeline
    checker = ConceptChecker(pipeline.safety_checker, pipeline.feature_extractor, CPU)
    assert verdict(checker) == Verdict(checker="model", score=None, flagged=True)


def test_checkers_are_named_with_commas() -> None:
    """Each counts once."""
    assert names("model") == ("model",)
    assert names(" model , a/b,,./c,model") == ("model", "a/b", "./c")
    with pytest.raises(UsageError, match="names no checker"):
        names(" , ")
