"""The text of job messages."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.job import Progress, Status
from bot.domain.kinds import variation
from bot.domain.plan import Axis, Matrix, PlanDetails
from bot.messages import alt_texts, captions
from engine.contract import (
    Adapter,
    Change,
    Control,
    Edit,
    Img2Img,
    Inpaint,
    Omission,
    Outpaint,
    Sampler,
    Source,
    Subseed,
)
from tests.fake_engine import MODEL
from tests.samples import job, picture, recipe


def varied_by(subseed: int) -> dict[str, object]:
    """The changes that make a recipe that of a variation."""
    return {"subseeds": (Subseed(subseed, 0.15),)}


def sketched(strength: float) -> dict[str, object]:
    """The changes that make a recipe that of a painted sketch."""
    return {"source": Img2Img("b" * 64, strength)}


SETTINGS = "4 steps · guidance 5 · euler · 64x64"


def test_a_result_is_one_line_of_words_and_one_of_settings() -> None:
    """The text has the prompt, user, steps, guidance, sampler, size and the range of seeds."""
    text = captions.ending(job(status=Status.DONE), [picture(nth=n) for n in (1, 2)])
    assert text == f"**a red house** · <@1>\n{SETTINGS} · seeds 7–8"


def test_a_variation_has_the_seed_of_its_parent() -> None:
    """Its subseeds are in its recipe only; the message tells how strong it is."""
    varied = [picture(nth=n, recipe=recipe(**varied_by(n))) for n in (1, 2)]
    text = captions.ending(job(status=Status.DONE, kind=variation.KIND), varied)
    assert text == f"Variations: **a red house** · <@1>\n{SETTINGS} · 15 % other noise · seed 7"


def test_settings_that_differ_are_left_out() -> None:
    """Seeds in no order are left out too."""
    recipes = [recipe(), recipe(steps=8, seed=99), recipe(guidance=7.5, seed=3)]
    assert captions.settings(recipes) == "euler · 64x64"
    assert captions.settings([recipe(), recipe(seed=6)]) == SETTINGS


def test_a_result_says_how_many_words_were_left_out() -> None:
    """The most of all pictures; in the message of one picture, its own."""
    pictures = [
        picture(nth=1),
        picture(nth=2, omission=Omission(prompt=1)),
        picture(nth=3, omission=Omission(prompt=12, negative=1)),
    ]
    text = captions.ending(job(status=Status.DONE), pictures)
    assert text.splitlines()[2:] == [
        "The last 12 words of the prompt and the last word of the negative prompt were left out: "
        "the model reads no more."
    ]
    hidden = captions.ending(job(status=Status.DONE), pictures[:2], has_prompt=False)
    assert hidden.endswith("\nThe last word of the prompt was left out: the model reads no more.")
    assert captions.full_size(pictures[0]).count("\n") == 1
    assert captions.full_size(pictures[2]).splitlines()[2] == text.splitlines()[2]


def test_a_result_says_what_was_changed_in_the_request() -> None:
    """Escaped, cut, and below all else; not where the words of the prompt are blocked."""
    notes = ("The steps *400* were lowered to 150.", "x" * 300, *("more",) * 9)
    noted = job(status=Status.DONE, plan=PlanDetails(notes=notes))
    lines = captions.ending(noted, [picture()]).splitlines()[2:]
    assert lines == [
        r"The steps \*400\* were lowered to 150.",
        "x" * 199 + "…",
        "more",
        "more",
    ]
    assert "lowered" not in captions.ending(noted, [picture()], has_prompt=False)
    failed = job(status=Status.CANCELLED, plan=PlanDetails(notes=notes))
    assert "lowered" not in captions.ending(failed, [])


def test_a_result_says_that_its_negative_prompt_had_no_effect() -> None:
    """That is so without guidance; some pictures of a matrix may have guidance."""
    with_guidance = picture(nth=1, recipe=recipe(negative="fog"))
    without = picture(nth=2, recipe=recipe(negative="fog", guidance=1.0))
    note = (
        "\nThe negative prompt had no effect: the model painted without classifier-free guidance."
    )
    assert captions.ending(job(status=Status.DONE), [without]).endswith(note)
    assert captions.full_size(without).endswith(note)
    assert note not in captions.ending(job(status=Status.DONE), [with_guidance, without])
    assert note not in captions.full_size(picture(nth=1, recipe=recipe(guidance=1.0)))


def test_a_message_has_the_words_of_the_user() -> None:
    """They may hold a schedule, from which the recipes have prompts without brackets."""
    scheduled = job(status=Status.DONE, plan=PlanDetails(prompt="a [cat:dog:0.5]"))
    assert captions.ending(scheduled, [picture()]).startswith(r"**a \[cat:dog:0.5\]** · <@1>")


FORK = (
    Change(step=2, prompt="a **dog**"),
    Change(step=3, guidance=3.0, sampler=Sampler.DDIM, negative="rain"),
)


def test_changes_at_later_steps_are_shown_shortly() -> None:
    """The first two; the prompts are cut, and the user's own words replace all of it."""
    forked = recipe(prompt="a red house " * 10, steps=9, changes=FORK)
    done = job(status=Status.DONE, recipes=(forked,))
    [words, _] = captions.ending(done, [picture(recipe=forked)]).split("\n")
    assert words == (
        r"**a red house a red house a red…**, from step 2: **a \*\*dog\*\***, "
        "from step 3: guidance 3, ddim, another negative · <@1>"
    )
    assert captions.full_size(picture(recipe=forked)).startswith(words.removesuffix(" · <@1>"))
    more = recipe(steps=9, changes=(*FORK, *(Change(step=n, guidance=1.0) for n in (4, 5, 6))))
    assert ", 3 more changes · " in captions.ending(job(recipes=(more,)), [])
    three = recipe(steps=9, changes=more.changes[:3])
    assert ", 1 more change · " in captions.ending(job(recipes=(three,)), [])
    scheduled = job(recipes=(more,), plan=PlanDetails(prompt="a [house:dog:2]"))
    assert "from step" not in captions.ending(scheduled, [])
    hidden = captions.full_size(picture(recipe=forked), has_prompt=False)
    assert "dog" not in hidden and "house" not in hidden


def test_one_step_is_no_steps() -> None:
    """The caption counts in words."""
    assert captions.settings([recipe(steps=1)]).startswith("1 step · ")


def test_the_model_is_named_where_several_are_offered() -> None:
    """By its short name; also one that is no longer offered."""
    dream = msgspec.structs.replace(MODEL, name="/srv/models/dream_8")
    done, models = job(status=Status.DONE), (MODEL, dream)
    shown = picture(recipe=recipe(model=dream.name))
    assert captions.ending(done, [shown]).endswith(f"\n{SETTINGS} · seed 7")
    assert captions.ending(done, [shown], models=(dream,)).endswith(f"\n{SETTINGS} · seed 7")
    named = captions.ending(done, [shown], models=models)
    assert named.endswith(f"\ndream\\_8 · {SETTINGS} · seed 7")
    assert captions.full_size(shown, models=models).endswith(f"\ndream\\_8 · {SETTINGS} · seed 7")
    gone = picture(recipe=recipe(model="/srv/models/gone"))
    assert "\ngone · " in captions.ending(done, [gone], models=models)
    assert "dream" not in captions.ending(done, [shown, picture()], models=models)


def test_a_matrix_names_its_axes() -> None:
    """An axis with one value is not named."""
    rows, columns = Axis("guidance", ("3", "5")), Axis("steps", ("4", "8", "12"))
    recipes = [recipe(steps=steps, guidance=g) for g in (3.0, 5.0) for steps in (4, 8, 12)]
    pictures = [picture(nth=n, recipe=r) for n, r in enumerate(recipes, start=1)]
    done = job(status=Status.DONE, plan=PlanDetails(layout=Matrix(rows, columns)))
    assert captions.ending(done, pictures) == (
        "**a red house** · <@1>\nguidance (2) x steps (3) · euler · 64x64 · seed 7"
    )
    one = job(status=Status.DONE, plan=PlanDetails(layout=Matrix(Axis("", ("",)), columns)))
    assert "\nsteps (3) · guidance" in captions.ending(one, pictures[:3])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Edit("a" * 64, 1.5), "image guidance 1.5"),
        (Inpaint("a" * 64, "b" * 64, 1.0), "a part painted again"),
        (
            Outpaint(image="a" * 64, left=8, top=8, width=48, height=48),
            "painted around the picture",
        ),
    ],
)
def test_what_was_changed_is_mentioned(source: Source, words: str) -> None:
    """It is no sketch."""
    text = captions.settings([recipe(source=source)])
    assert f" · {words} · " in text
    assert "sketch" not in text


def test_sketch_and_withheld_pictures_are_mentioned() -> None:
    """The negative prompt is in the recipe only."""
    changes = {"negative": "rain", **sketched(0.5)}
    withheld = picture(nth=2, recipe=recipe(seed=8, **changes), is_withheld=True, path=None)
    text = captions.ending(job(status=Status.DONE), [picture(recipe=recipe(**changes)), withheld])
    assert text == (
        f"**a red house** · <@1>\n{SETTINGS} · from a sketch (0.5) · seeds 7–8\n"
        "Picture 2 withheld by the safety check."
    )


def test_a_long_prompt_is_cut() -> None:
    """Cards for moderators have more of it."""
    long_recipe = recipe(prompt="a house " * 100)
    long_job = job(status=Status.DONE, recipes=(long_recipe,))
    [words, _] = captions.ending(long_job, [picture(recipe=long_recipe)]).split("\n")
    assert words.startswith("**a house a house") and words.endswith("…** · <@1>")
    assert len(words) <= 75
    assert len(captions.recipes(long_job)) > 400


def test_unavailable_pictures_are_grouped_by_their_reason() -> None:
    """One line lists all pictures with the same reason; a failed picture has its details."""
    withheld = [picture(nth=n, is_withheld=True, path=None) for n in (1, 3)]
    failed = picture(nth=2, path=None, sha256=None, failure_reason="Too bright: try another seed.")
    text = captions.ending(
        job(status=Status.DONE), [withheld[0], failed, withheld[1], picture(nth=4)]
    )
    assert text.endswith(
        "\nPicture 2 could not be painted. Too bright: try another seed."
        "\nPictures 1, 3 withheld by the safety check."
    )


def test_an_unsuccessful_job_states_its_reason() -> None:
    """A failed job shows its reason; a cancelled job says that it was cancelled."""
    failed = job(status=Status.FAILED, failure_reason="Out of memory.")
    assert captions.ending(failed, []) == "**a red house** · <@1>\nOut of memory."
    cancelled = job(status=Status.CANCELLED)
    assert captions.ending(cancelled, []) == "**a red house** · <@1>\nCancelled."


def test_progress_is_a_queue_position_or_a_percentage() -> None:
    """The text never has both."""
    for progress, stage in (
        (Progress(), "Starting…"),
        (Progress(jobs_ahead=0), "Next in line…"),
        (Progress(jobs_ahead=3), "Waiting: 3 ahead of you"),
        (Progress(percent=40), "Painting… 40 %"),
        (Progress(percent=0, pictures=4), "Painting… 0 %"),
        (Progress(percent=45, done=7, pictures=16), "Painting… 45 % · 7 of 16 done"),
        (Progress(jobs_ahead=3, ends_at=60), "Waiting: 3 ahead of you · ready <t:60:R>"),
        (Progress(jobs_ahead=0, ends_at=60), "Next in line… · ready <t:60:R>"),
        (Progress(percent=40, ends_at=60), "Painting… 40 % · ready <t:60:R>"),
    ):
        assert captions.progress(job(), progress) == f"**a red house** · <@1>\n{stage}"


def test_a_prompt_is_escaped() -> None:
    """The text has no mention, Markdown, link or embed, even without spaces around them."""
    text = captions.escape("@everyone x<@5> **b** [x](https://a.b) `c` ||d|| https://e.f", 400)
    assert text == (
        "@\u200beveryone x\\<@5> \\*\\*b\\*\\* \\[x\\](https:\u200b//a.b) "
        "\\`c\\` \\|\\|d\\|\\| https:\u200b//e.f"
    )


def test_markdown_between_links_and_code_is_escaped() -> None:
    """Each sign by itself."""
    text = captions.escape("[low](ugly) ` ||red|| **x** [bad](y) \\*z", 400)
    assert text == r"\[low\](ugly) \` \|\|red\|\| \*\*x\*\* \[bad\](y) \\\*z"


def test_an_invite_is_no_card() -> None:
    """Discord needs no scheme to find it."""
    assert captions.escape("discord.gg/abc", 400) == "discord.gg\u200b/abc"
    assert captions.escape("Discord.com/invite/abc", 400) == "Discord.com\u200b/invite/abc"


@given(st.text(max_size=1000), st.text(max_size=1000))
def test_every_message_fits_into_discords_limit(prompt: str, negative: str) -> None:
    """The text has at most 2,000 characters, for any prompt."""
    long_recipe = recipe(prompt="x" + prompt[:999], negative=negative, **sketched(0.5))
    pictures = [picture(nth=n, recipe=long_recipe) for n in range(1, 5)]
    long_job = job(status=Status.DONE, recipes=(long_recipe,) * 4, user_id=2**63)
    assert len(captions.ending(long_job, pictures)) <= 2000
    assert len(captions.direct_message(pictures)) <= 2000
    assert len(captions.full_size(pictures[0])) <= 2000
    assert len(captions.progress(long_job, Progress(percent=1))) <= 2000
    assert len(alt_texts.of_pictures(pictures)) <= 1024


def test_many_seeds_are_cut() -> None:
    """A message says how many are left out; the files have the recipes."""
    subseeds = tuple(Subseed(4294967295, 0.35) for _ in range(20))
    varied = recipe(subseeds=subseeds)
    text = captions.direct_message([picture(nth=n, recipe=varied) for n in range(1, 17)])
    assert len(text) <= 2000 and "\n1: seed `7 + 0.35 of" in text
    assert text.endswith("\n… and 12 more") and text.count("seed `") == 4
    card = captions.recipes(job(recipes=(recipe(subseeds=subseeds[:9], negative="rain"),) * 16))
    assert len(card) < 600
    assert card.endswith(" · … and 15 more\nwithout rain")


def test_a_direct_message_lists_each_picture_with_its_seed() -> None:
    """Withheld pictures are listed too, and marked as such."""
    text = captions.direct_message([picture(), picture(nth=2, is_withheld=True, path=None)])
    assert text == (
        f"**a red house**\n{SETTINGS}\n1: seed `7`\n2: seed `8` (withheld by the safety check)"
    )


def test_what_steers_the_pictures_is_named() -> None:
    """In a few words; of many LoRAs, the first three. Their names are escaped."""
    control = Control(kind="depth", revision="1", image="b" * 64)
    adapters = tuple(Adapter(name=f"a*{n}", revision="1", scale=0.5) for n in range(5))
    text = captions.settings([recipe(controls=(control,), adapters=adapters)])
    assert "follows a depth image" in text
    assert r"LoRA a\*0 (0.5), a\*1 (0.5), a\*2 (0.5), 2 more" in text
