"""The loop that paints: same bits in any company, true reasons for what fails, quick to stop."""

import dataclasses
import io
import logging
import random
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest
import torch
from PIL import Image, ImageChops

from engine.contract import (
    Cancelled,
    Event,
    Failed,
    Paint,
    Painted,
    Recipe,
    Sampler,
    Stepped,
    Verdict,
)
from engine.core.batching import batch_key
from engine.core.engine_core import SENIOR_EVERY, Painter
from engine.core.executor import Hands
from engine.core.postprocess import Finisher
from engine.core.preparation import Entry
from engine.core.request import Ticket
from engine.errors import InvalidJob
from engine.imaging.encode import BLANK, png, sha256
from engine.imaging.init_image import BYTES_LIMIT
from engine.log import LineFormatter
from engine.models.base import Words
from tests import tiny_model
from tests.engine_parts import (
    at_work,
    ending,
    job,
    painter,
    paintings,
    pictures,
    predicting,
    recipe,
    sketch,
)


def digests(*recipes: Recipe) -> list[str]:
    """The pictures of these recipes, painted together, by their digests."""
    return [painting.sha256 for painting in paintings(job(*recipes))]


def together(by: Painter, *jobs: Paint) -> list[Event]:
    """How these jobs end that are painted at the same time."""
    heard: list[list[Event]] = [[] for _ in jobs]
    for each, events in zip(jobs, heard, strict=True):
        by.admit(Ticket(each, events.append))
    while by.tickets:
        by.tick()
    by.finisher.flush()
    return [events[-1] for events in heard]


def why(work: Paint, by: Painter | None = None) -> str:
    """The reason for which this job failed."""
    failed = ending(work, by)
    assert isinstance(failed, Failed), failed
    return failed.reason


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("sampler", [Sampler.DDIM, Sampler.EULER_A, Sampler.DPMPP_2M_SDE])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (136, 72)])
def test_a_picture_alone_is_the_picture_among_its_siblings(
    width: int, height: int, sampler: Sampler, guidance: float
) -> None:
    """A replay paints one picture of four, and gets the same bits."""
    grid = [
        recipe(
            seed=seed,
            sampler=sampler,
            guidance=guidance,
            width=width,
            height=height,
            row_class=8,
        )
        for seed in range(40, 44)
    ]
    together = digests(*grid)
    assert len(set(together)) == 4
    assert together == [digests(each)[0] for each in grid]


def test_company_changes_nothing() -> None:
    """Pictures of other prompts, samplers, steps and sizes in the same job: same bits."""
    mixed = [
        recipe(row_class=8),
        recipe(row_class=8, prompt="a boat", steps=9, sampler=Sampler.HEUN),
        recipe(row_class=8, width=72, guidance=1.0, sampler=Sampler.LCM),
        recipe(row_class=2, negative="grey", subseed=3, subseed_strength=0.4),
    ]
    assert digests(*mixed) == [digests(each)[0] for each in mixed]


def test_more_rows_than_their_class_take_turns() -> None:
    """Four pictures of row class 2 are painted two rows at a time, each as if it were alone."""
    grid = [recipe(seed=seed) for seed in range(4)]
    assert digests(*grid) == [digests(each)[0] for each in grid]


def test_a_sketch_among_siblings_keeps_its_bits() -> None:
    """Each of four paintings of a sketch can be painted again alone."""
    data = png(sketch())
    grid = [
        recipe(seed=seed, row_class=8, source=sha256(data), strength=0.6, steps=5)
        for seed in range(4)
    ]
    together = paintings(job(*grid, source=data))
    alone = [paintings(job(each, source=data))[0] for each in grid]
    assert [one.sha256 for one in together] == [one.sha256 for one in alone]


def test_a_sketch_of_another_size_is_fitted() -> None:
    """The source is cut to the recipe's size, whatever size it comes in."""
    data = png(sketch(200, 100))
    wanted = recipe(source=sha256(data), strength=0.5, width=64, height=96)
    assert pictures(job(wanted, source=data))[0].size == (64, 96)


def test_every_evaluation_is_reported() -> None:
    """Steps count evaluations: a second-order sampler has more of them than steps."""
    seen: list[Event] = []
    ending(job(recipe(sampler=Sampler.HEUN, steps=60)), report=seen.append)
    steps = [event for event in seen if isinstance(event, Stepped)]
    assert [step.step for step in steps] == list(range(1, 120))
    assert {step.steps for step in steps} == {119}
    assert any(step.preview for step in steps)


def test_a_preview_is_a_small_grid() -> None:
    """One cell for each picture, in reading order."""
    seen = previews_of(painter())
    with Image.open(io.BytesIO(seen[0])) as preview:
        assert preview.format == "JPEG"
        assert preview.size == (128, 128)


def test_who_wants_no_previews_gets_none() -> None:
    """They cost time."""
    seen: list[Event] = []
    work = job(recipe(steps=90), previews=False)
    ending(work, report=seen.append)
    assert not any(event.preview for event in seen if isinstance(event, Stepped))


def previews_of(by: Painter) -> list[bytes]:
    """The previews of a job of three pictures."""
    seen: list[Event] = []
    three = [recipe(by, steps=90, seed=seed, row_class=8) for seed in range(3)]
    ending(job(*three), by, seen.append)
    found = [event.preview for event in seen if isinstance(event, Stepped) and event.preview]
    assert found
    return found


def test_a_flagged_preview_is_blank() -> None:
    """What may not be shown in the end may not be shown on the way."""
    assert all(map(is_blank, previews_of(painter(tiny_model.ALWAYS))))
    assert not any(map(is_blank, previews_of(painter(tiny_model.NEVER))))


def test_a_preview_that_cannot_be_checked_is_blank() -> None:
    """Like a finished picture."""
    assert all(map(is_blank, previews_of(painter(tiny_model.NEVER, tiny_model.blind))))


def is_blank(preview: bytes) -> bool:
    """Has this JPEG the colour of what is withheld?"""
    with Image.open(io.BytesIO(preview)) as picture:
        flat = Image.new("RGB", picture.size, BLANK)
        apart = ImageChops.difference(picture.convert("RGB"), flat).convert("L")
        return max(apart.tobytes()) <= 3


def test_a_flagged_picture_has_a_digest_but_no_bytes() -> None:
    """The bot can record what was painted, and can never show it."""
    flagging = painter(tiny_model.ALWAYS)
    [blocked] = paintings(job(recipe(flagging)), flagging)
    [shown] = paintings(job())
    assert blocked.withheld and not blocked.png
    assert not shown.withheld
    assert blocked.sha256 == shown.sha256 == sha256(shown.png)
    [said] = blocked.verdicts
    assert said.checker == "model" and said.score is not None and said.score > 0.5


def test_a_flagged_picture_comes_with_its_bytes_to_who_asks_for_them() -> None:
    """They are the same, and so is the verdict; previews stay blank."""
    flagging = painter(tiny_model.ALWAYS)
    seen: list[Event] = []
    ended = ending(job(recipe(flagging, steps=60), include_flagged=True), flagging, seen.append)
    assert isinstance(ended, Painted)
    [revealed] = ended.pictures
    assert revealed.flagged and not revealed.withheld
    assert revealed.sha256 == sha256(revealed.png)
    previews = [event.preview for event in seen if isinstance(event, Stepped) and event.preview]
    assert previews and all(map(is_blank, previews))


def test_what_could_not_be_checked_never_comes_with_its_bytes() -> None:
    """Not even to who would take what is flagged."""
    blind = painter(tiny_model.NEVER, tiny_model.blind)
    [picture] = paintings(job(recipe(blind), include_flagged=True), blind)
    assert picture.withheld
    assert [verdict.score for verdict in picture.verdicts] == [None]


def test_each_picture_has_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With its job, its number and its scores, and without its prompt."""
    caplog.set_level(logging.INFO)
    flagging = painter(tiny_model.ALWAYS)
    paintings(job(recipe(flagging), recipe(flagging, seed=8), job="logged"), flagging)
    lines = [
        LineFormatter("engine").format(record)
        for record in caplog.records
        if "checked" in record.message
    ]
    assert [line.partition("picture=")[2].rpartition(":")[0] for line in lines] == [
        "1 verdict=flagged scores=model",
        "2 verdict=flagged scores=model",
    ]
    assert "red house" not in "".join(lines)


def sketched(by: Painter, **changes: object) -> Paint:
    """A job that paints over a sketch."""
    source = png(sketch())
    over = recipe(by, source=sha256(source), strength=0.5)
    return job(over, source=source, **changes)


@pytest.mark.parametrize("include_flagged", [False, True])
@pytest.mark.parametrize("threshold", [tiny_model.ALWAYS, tiny_model.NEVER])
def test_a_flagged_sketch_is_not_painted_over(threshold: float, include_flagged: bool) -> None:
    """Whoever asks, and before anything is evaluated."""
    by, seen = painter(threshold), list[Event]()
    ended = ending(sketched(by, include_flagged=include_flagged), by, seen.append)
    if threshold == tiny_model.NEVER:
        assert isinstance(ended, Painted)
        return
    reason = "The sketch was withheld by the safety check."
    assert ended == Failed(job="a", attempt=1, reason=reason, init_image_flagged=True)
    assert seen == [ended]
    assert by.tickets == []


def test_a_sketch_that_cannot_be_checked_is_not_painted_over() -> None:
    """It might be anything."""
    blind = painter(tiny_model.NEVER, tiny_model.blind)
    ended = ending(sketched(blind), blind)
    assert isinstance(ended, Failed) and ended.init_image_flagged


def test_a_job_stops_between_two_evaluations() -> None:
    """Nothing is evaluated after somebody asked to stop, and its rows are free."""
    seen: list[Event] = []
    by, ticket = painter(), Ticket(job(recipe(steps=150)), seen.append)
    by.admit(ticket)
    while not seen:
        by.tick()
    ticket.cancel()
    by.tick()
    assert [type(event) for event in seen] == [Stepped, Cancelled]
    assert by.tickets == []


def test_a_job_that_stops_before_its_turn_is_not_made_ready() -> None:
    """Encoding its words is work too."""
    by = at_work()
    first, second = (Ticket(job(job=name), lambda _: None) for name in "ab")
    for ticket in (first, second):
        by.admit(ticket)
    second.cancel()
    by.tick()
    assert by.tickets == [first]


def test_a_job_that_stops_while_it_is_made_ready_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is in no batch then, and nobody else would."""
    seen: list[Event] = []
    by, ticket = at_work(), Ticket(job(), seen.append)
    by._hands = Hands(1)
    make_ready = Entry.make_ready

    def stopped(self: Entry) -> None:
        make_ready(self)
        ticket.cancel()

    monkeypatch.setattr(Entry, "make_ready", stopped)
    by.admit(ticket)
    by.tick()
    assert [type(event) for event in seen] == [Cancelled]
    assert by.tickets == []


def test_a_job_that_comes_late_ends_early() -> None:
    """It shares the ticks of one that is at work, and is done before it."""
    by, heard = painter(), list[Event]()
    slow = Ticket(job(recipe(steps=150, row_class=8), job="slow"), lambda _: None)
    quick = Ticket(job(recipe(steps=2, row_class=8), job="quick"), heard.append)
    by.admit(slow)
    while not slow.step:
        by.tick()
    by.admit(quick)
    while quick in by.tickets:
        by.tick()
    assert by.tickets == [slow]
    assert slow.step < 10
    slow.cancel()
    by.tick()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidJob("There is no such paint."), "There is no such paint."),
        (MemoryError(), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "smaller size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (KeyError("a bug"), "a mistake (KeyError)"),
        (RuntimeError("shapes do not match"), "a mistake (RuntimeError)"),
    ],
)
def test_a_bad_job_fails_and_the_next_is_painted(error: Exception, reason: str) -> None:
    """Each failure has its true reason, and none ends the painter."""

    def spoil(_: torch.Tensor) -> None:
        raise error

    with predicting(painter(), spoil):
        assert reason in why(job())
    assert paintings(job())


def test_a_bad_job_takes_no_other_with_it() -> None:
    """Whose fault it was is found out, and the others come out the same to the bit."""
    by = painter()
    poison = by.model.words(recipe(prompt="poison"))["encoder_hidden_states"]
    wanted = [
        recipe(row_class=8, sampler=Sampler.EULER_A),
        recipe(row_class=8, prompt="poison"),
        recipe(row_class=8, seed=8, guidance=1.0),
    ]

    def spoil(text: torch.Tensor) -> None:
        if any(torch.equal(row, poison[1]) for row in text):
            raise RuntimeError("This one is not to be painted.")

    with predicting(by, spoil):
        one, spoiled, other = together(by, *map(job, wanted))
    assert isinstance(spoiled, Failed)
    for ended, each in ((one, wanted[0]), (other, wanted[2])):
        assert isinstance(ended, Painted)
        assert ended.pictures[0].sha256 == digests(each)[0]


def test_numbers_that_overflow_stay_with_their_picture() -> None:
    """It fails, and what shared its batches comes out the same to the bit."""
    by = painter()
    poison = by.model.words(recipe(prompt="poison"))["encoder_hidden_states"][1]
    wanted = [
        recipe(row_class=8, sampler=Sampler.DPMPP_2M_SDE),
        recipe(row_class=8, prompt="poison"),
        recipe(row_class=8, seed=8, guidance=1.0),
    ]
    predict = by.model.predict

    def overflow(latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        told = words["encoder_hidden_states"]
        bad = torch.tensor([torch.equal(row, poison) for row in told])
        latents = torch.where(bad[:, None, None, None], torch.nan, latents)
        return predict(latents, timesteps, words)

    by.model.predict = overflow  # type: ignore[method-assign]
    try:
        good, bad, other, siblings = together(by, *map(job, wanted), job(*wanted))
    finally:
        del by.model.predict
    assert isinstance(bad, Failed)
    assert "overflowed" in bad.reason
    for ended, each in ((good, wanted[0]), (other, wanted[2])):
        assert isinstance(ended, Painted)
        assert ended.pictures[0].sha256 == digests(each)[0]
    assert isinstance(siblings, Painted)
    assert [painting.sha256 for painting in siblings.pictures] == [
        digests(wanted[0])[0],
        "",
        digests(wanted[2])[0],
    ]
    failed = siblings.pictures[1]
    assert "overflowed" in (failed.failed or "")
    assert not failed.png
    assert not failed.withheld


def hungry(by: Painter, rows: int) -> AbstractContextManager[None]:
    """There is no memory for batches of more rows."""

    def spoil(text: torch.Tensor) -> None:
        if len(text) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    return predicting(by, spoil)


def test_what_finds_no_memory_is_painted_in_smaller_batches() -> None:
    """From its start, and the record says so: what it says can be painted again."""
    by = painter()
    grid = [recipe(row_class=8, seed=seed, sampler=Sampler.EULER_A) for seed in range(4)]
    with hungry(by, 4):
        painted = paintings(job(*grid))
    assert {each.row_class for each in painted} == {4}
    again = [msgspec.structs.replace(each, row_class=4) for each in grid]
    assert [each.sha256 for each in painted] == digests(*again)


def unproven() -> Painter:
    """A painter with a model of its own, of which nothing is known yet."""
    return painter(change=lambda _: None)


def test_a_size_that_finds_no_memory_when_it_is_new_is_painted_in_smaller_batches() -> None:
    """The first batch of each size and class is a trial, and may be too large as well."""
    by = unproven()
    with hungry(by, 2):
        painted = paintings(job(recipe(by, row_class=8)), by)
    assert painted[0].row_class == 2
    assert painted[0].sha256 == paintings(job(recipe(by, row_class=2)), by)[0].sha256


def test_a_model_whose_largest_batches_find_no_memory_starts_all_the_same() -> None:
    """It paints in smaller ones."""
    by = unproven()
    with hungry(by, 2):
        at_work(by.model).warm()
        assert paintings(job(recipe(by)), by)[0].png


def test_siblings_of_what_finds_no_memory_begin_again_too() -> None:
    """Also those whose batches were small enough: nobody is evaluated twice at the same time."""
    by = painter()
    both = [recipe(row_class=2, seed=1, steps=6), recipe(row_class=8, seed=2, steps=6)]
    with hungry(by, 4):
        painted = paintings(job(*both))
    assert [each.row_class for each in painted] == [2, 4]
    again = [msgspec.structs.replace(both[1], row_class=4)]
    assert [each.sha256 for each in painted] == digests(both[0]) + digests(*again)


def test_a_job_that_is_gone_may_still_be_the_culprit() -> None:
    """Who shared a batch with it is tried alone, and does not fail for it."""
    by = at_work()
    poison = by.model.words(recipe(prompt="poison"))["encoder_hidden_states"][1]
    bad, heard = Ticket(job(recipe(prompt="poison", row_class=8)), lambda _: None), list[Event]()

    def spoil(text: torch.Tensor) -> None:
        if any(torch.equal(row, poison) for row in text):
            bad.cancel()
            raise RuntimeError("This one is not to be painted.")

    good = Ticket(job(recipe(row_class=8, seed=3), job="good"), heard.append)
    by.admit(bad)
    by.admit(good)
    with predicting(by, spoil):
        while by.tickets:
            by.tick()
    by.finisher.flush()
    assert isinstance(heard[-1], Painted), heard[-1]


def test_a_new_size_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is made ready, and that may take a while, others are painted."""
    model = painter().model
    monkeypatch.setattr(
        model, "device", dataclasses.replace(model.device, max_concurrent_batches=3)
    )
    by = at_work()
    exact, slow = by.model.exact, Ticket(job(recipe(steps=150)), lambda _: None)
    by.admit(slow)
    while not slow.step:
        by.tick()
    before = slow.step

    def long(width: int, height: int, rows: int) -> bool:
        while slow.step < before + 5:
            time.sleep(0.001)
        return exact(width, height, rows)

    monkeypatch.setattr(by.model, "exact", long)
    heard = list[Event]()
    by.admit(Ticket(job(recipe(width=72), job="new"), heard.append))
    while not any(isinstance(event, Stepped) for event in heard):
        by.tick()
    assert slow.step >= before + 5
    for ticket in by.tickets:
        ticket.cancel()
    by.tick()


def test_a_batch_that_cannot_fit_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others took tells so: its pictures are painted in smaller ones from the first."""
    by = painter()
    monkeypatch.setattr(by.model, "fits", lambda width, height, rows: rows <= 2)
    with hungry(by, 2):
        painted = paintings(job(recipe(row_class=8)))
    assert painted[0].row_class == 2
    assert painted[0].sha256 == digests(recipe(row_class=2))[0]


def test_memory_is_foretold_from_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """In proportion to rows and pixels; where nobody counts, everything fits."""
    model: Any = painter(change=lambda _: None).model
    assert model.fits(2048, 2048, 32)
    monkeypatch.setattr(type(model.device), "available_memory", lambda _: 1_000_000)
    model._learn_weight(64 * 64 * 2, 200_000)
    assert model.fits(64, 64, 8)
    assert not model.fits(64, 64, 16)
    assert not model.fits(256, 64, 8)
    assert model.exact(256, 64, 8)
    assert model.fits(256, 64, 8), "its memory is there already"


def test_a_trial_without_enough_memory_is_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """It took more than there was: as long as there is no more, it is not tried again."""
    by = unproven()
    left = [1_000_000]
    monkeypatch.setattr(type(by.model.device), "available_memory", lambda _: left[0])
    with hungry(by, 2), pytest.raises(torch.OutOfMemoryError):
        by.model.exact(64, 64, 8)
    assert not by.model.fits(64, 64, 8)
    left[0] = 10_000_000
    assert by.model.fits(64, 64, 8)


def test_who_finds_no_memory_twice_fails_with_advice() -> None:
    """There is no end of smaller and smaller."""
    with hungry(painter(), 1):
        assert "ask for a smaller size" in why(job(recipe(row_class=8)))
    assert digests(recipe(row_class=8))


def test_memory_that_comes_back_is_used() -> None:
    """The smallest batch is tried once more."""
    tries: list[int] = []

    def spoil(text: torch.Tensor) -> None:
        tries.append(len(text))
        if len(tries) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    by = painter()
    with predicting(by, spoil):
        painted = paintings(job(recipe(sampler=Sampler.EULER_A)))
    assert [each.sha256 for each in painted] == digests(recipe(sampler=Sampler.EULER_A))


def test_a_decoder_without_memory_gets_a_second_chance() -> None:
    """And no third."""
    by, failures = painter(), [1, 2, 3]
    decode = by.model.decode

    def spoil(latents: torch.Tensor) -> Image.Image:
        if failures:
            raise torch.OutOfMemoryError(f"CUDA out of memory, {failures.pop()}")
        return decode(latents)

    by.model.decode = spoil  # type: ignore[method-assign]
    try:
        assert "out of memory" in why(job())
        assert len(failures) == 1
        assert paintings(job())
    finally:
        del by.model.decode


def test_by_load_means_in_larger_batches() -> None:
    """Where the job allows it, its row class is chosen by who is there, and recorded."""
    by = at_work(painter().model)
    ended_as = together(by, *(job(recipe(seed=n), adaptive=True) for n in range(12)))
    classes = []
    for nth, ended in enumerate(ended_as):
        assert isinstance(ended, Painted)
        [picture] = ended.pictures
        assert picture.sha256 == digests(recipe(seed=nth, row_class=picture.row_class))[0]
        classes.append(picture.row_class)
    assert classes == sorted(classes)
    assert classes[0] == 2 < classes[-1]


def test_a_warm_painter_knows_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest first, of the size that most pictures have."""
    by, proven = at_work(), list[tuple[int, int, int]]()
    monkeypatch.setattr(by.model, "exact", lambda *batch: proven.append(batch))
    by.warm()
    assert proven == [(64, 64, 8), (64, 64, 4), (64, 64, 2)]


def test_models_take_turns() -> None:
    """Two that are loaded serve jobs at the same time, each its own."""
    by, other = painter(), painter(change=lambda pipeline: pipeline.unet.conv_out.bias.fill_(0.1))
    both = at_work(by.model, other.model)
    jobs = [job(recipe(of, seed=3)) for of in (by, other)]
    endings = together(both, *jobs)
    for ended, each, of in zip(endings, jobs, (by, other), strict=True):
        assert isinstance(ended, Painted)
        assert ended.pictures == paintings(each, of)
    strange = job(recipe(model="strange"))
    assert re.search("needs the model strange .* and .* is loaded", why(strange, both))


def test_a_preview_that_fails_costs_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """The job goes on, and so do the previews of others."""
    by = at_work()
    verdicts, seen = by.model.verdicts, list[Event]()

    def spoil(picture: Image.Image) -> tuple[Verdict, ...]:
        if picture.size == (64, 64):
            raise RuntimeError("No preview today.")
        return verdicts(picture)

    by.model.verdicts = spoil  # type: ignore[method-assign]
    try:
        small = ending(job(recipe(steps=150), job="small"), by, seen.append)
        assert isinstance(small, Failed), "the check of the finished picture fails as well"
        assert len([event for event in seen if isinstance(event, Stepped)]) == 150
        assert "No preview today." in caplog.text
        large = recipe(steps=50, width=72)
        assert isinstance(ending(job(large), by, seen.append), Painted)
    finally:
        del by.model.verdicts
    assert [event for event in seen if isinstance(event, Stepped) and event.preview]


def test_previews_take_little_time() -> None:
    """As little as is allowed: one that took its time is the last one for long."""
    seen: list[Event] = []
    ending(job(recipe(steps=150)), at_work(previews_share=1e-9), seen.append)
    assert len([event for event in seen if isinstance(event, Stepped) and event.preview]) == 1


def test_a_picture_of_no_numbers_is_a_failure() -> None:
    """Numbers that overflowed are no verdict of the safety check."""

    def overflow(pipeline: Any) -> None:  # noqa: ANN401 - diffusers has no types
        pipeline.unet.conv_out.bias.fill_(float("nan"))

    spoiled = painter(change=overflow)
    assert "overflowed" in why(job(recipe(spoiled)), spoiled)


def test_a_black_picture_is_a_failure() -> None:
    """Black all over means that something went wrong, and it is said."""

    def blacken(pipeline: Any) -> None:  # noqa: ANN401 - diffusers has no types
        pipeline.vae.decoder.conv_out.bias.fill_(-1000.0)

    spoiled = painter(change=blacken)
    assert "all black" in why(job(recipe(spoiled)), spoiled)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "other"}, "needs the model other"),
        ({"revision": "0" * 64}, "needs the model"),
        ({"adapters": ("a",)}, "adapters"),
        ({"width": 2048, "height": 2048}, "too large"),
        ({"source": "0" * 64, "strength": 0.5}, "sketch"),
    ],
)
def test_what_this_engine_cannot_paint_it_says(changes: dict[str, Any], reason: str) -> None:
    """A recipe for another engine is refused before the first evaluation."""
    assert reason in why(job(recipe(**changes)))


def test_a_source_that_is_no_picture_is_refused() -> None:
    """The digest may be right and the file still be nonsense."""
    wanted = recipe(source=sha256(b"nonsense"), strength=0.5)
    assert "no picture" in why(job(wanted, source=b"nonsense"))


def test_a_source_may_be_larger_than_the_file_that_it_was_cleaned_from() -> None:
    """A small JPEG of many details is a large PNG."""
    noise = random.Random(0).randbytes(1900 * 1900 * 3)
    data = png(Image.frombytes("RGB", (1900, 1900), noise))
    assert len(data) > BYTES_LIMIT
    wanted = recipe(source=sha256(data), strength=0.5)
    assert pictures(job(wanted, source=data))[0].size == (64, 64)


def test_seconds_are_shared_out_to_the_jobs() -> None:
    """By rows: the jobs' shares are all of the painter's seconds, and a quiet one has less."""
    by = Painter([painter().model], Finisher(clock=lambda: 0.0))
    by._hands = Hands(1)
    long, guided, plain = together(
        by,
        job(recipe(steps=9, row_class=8), job="long"),
        job(*[recipe(steps=4, seed=seed, row_class=8) for seed in range(2)], job="guided"),
        job(recipe(steps=4, row_class=8, guidance=1.0), job="plain"),
    )
    assert isinstance(long, Painted) and isinstance(guided, Painted) and isinstance(plain, Painted)
    assert long.engine_seconds + guided.engine_seconds + plain.engine_seconds == pytest.approx(
        by.meter.seconds
    )
    assert guided.engine_seconds == pytest.approx(4 * plain.engine_seconds)
    assert long.engine_seconds > guided.engine_seconds / 2


def test_what_comes_after_the_steps_counts_too() -> None:
    """Or who asks for one step each would have more of the engine than others, for less."""
    by = at_work()
    by._hands = Hands(1)
    painted = ending(job(recipe(steps=1)), by)
    assert isinstance(painted, Painted)
    assert painted.engine_seconds > by.meter.seconds > 0.0


def test_a_job_that_is_stopped_says_what_it_used() -> None:
    """Also the pass that it was in; one that never began used nothing."""
    seen: list[Event] = []
    by = at_work()
    ticket = Ticket(job(recipe(steps=150)), seen.append)
    by.admit(ticket)
    while not seen:
        by.tick()
    ticket.cancel()
    by.tick()
    cancelled = seen[-1]
    assert isinstance(cancelled, Cancelled)
    assert cancelled.engine_seconds == pytest.approx(by.meter.seconds) and by.meter.seconds > 0.0
    unbegun = Ticket(job(), seen.append)
    unbegun.stop()
    assert seen[-1] == Cancelled(job="a", attempt=1, engine_seconds=0.0)


class Slow(Hands[Any]):
    """Hands in which passes stay as long as `held`."""

    held = False

    def ended(self) -> list[tuple[Any, Callable[[], None]]]:
        """None at all, if they are held."""
        return [] if self.held else super().ended()


def test_who_stops_in_the_middle_of_a_pass_pays_for_it() -> None:
    """Or somebody who asks and stops again and again would have the engine for nothing."""
    seen: list[Event] = []
    by = at_work()
    by._hands = hands = Slow(1)
    first = Ticket(job(recipe(steps=150), job="first"), lambda _: None)
    by.admit(first)
    while by.meter.ticks < 2:
        by.tick()
    first.cancel()
    by.tick()
    second = Ticket(job(recipe(steps=150)), seen.append)
    by.admit(second)
    while second not in [place.ticket for place in by._places]:
        by.tick()
    hands.held, before = True, second.worked
    by.tick()
    second.cancel()
    by.tick()
    cancelled = seen[-1]
    assert isinstance(cancelled, Cancelled)
    assert cancelled.engine_seconds == before + by.meter.cost(batch_key(recipe())) > before
    assert by.tickets == []
    hands.held = False
    by.tick()
    by.tick()
    assert by.meter._under_way == []


def test_a_newcomer_has_most_of_the_engine() -> None:
    """Beside somebody with twelve pictures; and who had much moves all the same."""
    by = at_work()
    by._hands = Hands(1)
    much = [
        Ticket(
            job(
                *[recipe(steps=60, seed=seed, row_class=8) for seed in range(4)],
                job=f"much{n}",
                owner="much",
                prior_seconds=100.0,
            ),
            lambda _: None,
        )
        for n in range(3)
    ]
    new = Ticket(
        job(
            *[recipe(steps=40, seed=seed, row_class=8) for seed in range(4)], job="new", owner="new"
        ),
        lambda _: None,
    )
    for ticket in [*much, new]:
        by.admit(ticket)
    while new in by.tickets:
        by.tick()
    assert by.meter.ticks == 40 + 40 // (SENIOR_EVERY - 1)
    assert [ticket.step for ticket in much] == [1, 0, 0]
    for ticket in much:
        ticket.cancel()
    by.tick()
