"""Safety checkers: any of them can flag an image, and a failed check flags it too."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.contract import Verdict
from engine.device import Device
from engine.errors import UsageError
from engine.safety import CheckerSet, flagged, log_fields, parse_checkers
from engine.safety.concepts import ConceptChecker
from tests import tiny_model
from tests.engine_parts import engine_core, sketch

CPU = Device(torch.device("cpu"), torch.float32, 1)


class ConstantChecker:
    """A checker that gives every image the same score, or fails if the score is None."""

    def __init__(self, score: float | None, name: str = "one") -> None:
        self.name = name
        self._score = score

    def check(self, _: Image.Image) -> Verdict:
        """Flags scores above 0.5."""
        if self._score is None:
            raise RuntimeError("no answer")
        return Verdict(checker=self.name, score=self._score, flagged=self._score > 0.5)


@cache
def tiny_pipeline(
    threshold: float, change: Callable[[Any], object] | None = None
) -> StableDiffusionPipeline:
    """diffusers' own pipeline of the tiny model."""
    with TemporaryDirectory() as folder:
        path = tiny_model.save(Path(folder) / "tiny", threshold, change)
        pipeline = StableDiffusionPipeline.from_pretrained(path)
    pipeline.safety_checker.requires_grad_(requires_grad=False)
    return pipeline


def tiny_checker(threshold: float) -> tuple[Any, Any]:
    """The network of the tiny model's safety checker, and its image processor."""
    pipeline = tiny_pipeline(threshold)
    return pipeline.safety_checker, pipeline.feature_extractor


def check(checker: ConceptChecker) -> Verdict:
    """The verdict on an image; a score above 0.5 flags it."""
    [verdict] = CheckerSet([checker]).check(sketch())
    return verdict


@given(st.lists(st.sampled_from([None, math.nan, -0.1, 0.0, 0.5, 0.6, 1.0, 1.1]), min_size=1))
def test_one_checker_is_enough_to_flag_an_image(scores: list[float | None]) -> None:
    """A checker flags the image by its verdict, by failing, or by an invalid score."""
    checkers = [ConstantChecker(score, str(index)) for index, score in enumerate(scores)]
    verdicts = CheckerSet(checkers).check(sketch())
    assert [verdict.checker for verdict in verdicts] == [checker.name for checker in checkers]
    assert flagged(verdicts) == any(score not in (0.0, 0.5) for score in scores)


def test_an_image_without_verdicts_is_flagged() -> None:
    """A set without checkers cannot be constructed."""
    assert flagged([])
    with pytest.raises(ValueError, match="At least one checker is required"):
        CheckerSet([])


def test_a_failed_check_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the checker's name and the exception."""
    verdicts = CheckerSet([ConstantChecker(None, "mine")]).check(sketch())
    assert verdicts == (Verdict(checker="mine", score=None, flagged=True),)
    assert "the safety check failed, so the picture is withheld" in caplog.text
    assert [vars(record)["checker"] for record in caplog.records] == ["mine"]
    assert "no answer" in caplog.text


def test_log_fields_contain_all_scores() -> None:
    """One field has the scores, another the overall verdict."""
    failing = CheckerSet([ConstantChecker(0.25), ConstantChecker(None, "b")])
    expected = {"verdict": "flagged", "scores": "one:0.250,b:failed"}
    assert log_fields(failing.check(sketch())) == expected
    passing = CheckerSet([ConstantChecker(0.25)])
    expected = {"verdict": "passed", "scores": "one:0.250"}
    assert log_fields(passing.check(sketch())) == expected


def test_the_concept_checker_applies_its_thresholds() -> None:
    """One image passes with a threshold that it cannot reach and is flagged with the lowest one."""
    assert not flagged(engine_core(tiny_model.NEVER).model.check_safety(sketch()))
    assert flagged(engine_core(tiny_model.ALWAYS).model.check_safety(sketch()))


@pytest.mark.parametrize("special", [tiny_model.NEVER, tiny_model.ALWAYS])
def test_the_concept_checker_flags_what_diffusers_flags(special: float) -> None:
    """Thresholds around the image's similarity to a concept are tested, with and without special-
    care concepts."""
    network, extractor = tiny_checker(tiny_model.NEVER)
    clip_input = extractor(sketch(), return_tensors="pt").pixel_values
    flags = set()
    try:
        network.concept_embeds_weights.zero_()
        at_zero = ConceptChecker(network, extractor, CPU).check(sketch())
        assert at_zero.score is not None
        similarity = 2 * at_zero.score - 1
        network.special_care_embeds_weights.fill_(special)
        for step in range(-20, 20):
            network.concept_embeds_weights.fill_(similarity + step / 1000)
            _, [expected] = network(clip_input=clip_input, images=torch.zeros(1, 1, 1, 3))
            verdict = ConceptChecker(network, extractor, CPU).check(sketch())
            assert verdict.score is not None
            assert verdict.flagged == expected == (verdict.score > 0.5)
            flags.add(expected)
    finally:
        network.special_care_embeds_weights.fill_(tiny_model.NEVER)
        network.concept_embeds_weights.fill_(tiny_model.NEVER)
    assert flags == {True, False}


def test_a_failing_image_processor_flags_the_image() -> None:
    """An exception of the image processor is a failed check."""
    network, _ = tiny_checker(tiny_model.NEVER)
    assert check(ConceptChecker(network, None, CPU)).score is None


def test_embeddings_that_are_not_finite_flag_the_image() -> None:
    """Comparisons with NaN are false, so they would pass every image."""
    pipeline = tiny_pipeline(tiny_model.NEVER, tiny_model.break_checker)
    checker = ConceptChecker(pipeline.safety_checker, pipeline.feature_extractor, CPU)
    assert check(checker) == Verdict(checker="model", score=None, flagged=True)


def test_checkers_are_separated_by_commas() -> None:
    """A repeated name counts once."""
    assert parse_checkers("model") == ("model",)
    assert parse_checkers(" model , a/b,,./c,model") == ("model", "a/b", "./c")
    with pytest.raises(UsageError, match="names no checker"):
        parse_checkers(" , ")
