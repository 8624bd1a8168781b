"""Remixes as plans."""

from typing import Any

import msgspec
import pytest

from bot.domain.kinds import remix
from bot.domain.kinds.remix import Noise, RemixRequest
from bot.domain.plan import Edge, Plan, PlanContext, Relation
from bot.errors import Refused
from engine.contract import (
    Change,
    Control,
    ControlCard,
    Img2Img,
    ModelCard,
    Outpaint,
    Preprocessor,
    PromptFormat,
    Recipe,
    Sampler,
    Subseed,
)
from tests.changing import EDITOR
from tests.fake_engine import MODEL
from tests.samples import picture, recipe

OTHER = msgspec.structs.replace(
    MODEL,
    name="other",
    revision="3" * 40,
    native_size=128,
    steps=9,
    guidance=2.0,
    sampler=Sampler.DDIM,
)
A1111 = {"model": "flat", "revision": "0" * 40, "prompt_format": PromptFormat.A1111}


def base(**changes: object) -> Recipe:
    """A recipe of the first model."""
    return recipe(**{**A1111, **changes})


def context(*recipes: Recipe, models: tuple[ModelCard, ...] = (MODEL, OTHER)) -> PlanContext:
    """Pictures with these recipes, and 100 as the random seed."""
    parents = tuple(
        picture(nth=nth, recipe=item) for nth, item in enumerate(recipes or (base(),), start=1)
    )
    return PlanContext(models=models, seed=100, parents=parents)


def remixed(
    where: PlanContext,
    *,
    noise: Noise = Noise.SAME,
    words: str = "",
    lines: str = "",
    edges: tuple[Edge, ...] = (),
    **changes: str,
) -> Plan:
    """The plan of a form in which these texts were changed, and these lines added or replaced."""
    request = RemixRequest(noise=noise, words=words, edges=edges)
    texts = remix.shown_texts(request, where)
    names = [line.partition(":")[0] for line in lines.splitlines()]
    kept = [x for x in texts.settings.splitlines() if x.partition(":")[0] not in names]
    texts = msgspec.structs.replace(texts, settings="\n".join([*kept, lines]), **changes)
    return remix.plan(msgspec.structs.replace(request, texts=texts), where)


def recipes(plan: Plan) -> list[Recipe]:
    """Those of a plan."""
    return [work.recipe for work in plan.recipes]


def test_one_picture_becomes_four_that_have_its_noise() -> None:
    """The first one alone has nothing but it."""
    plan = remixed(context(), prompt="a blue house")
    assert {item.prompt for item in recipes(plan)} == {"a blue house"}
    assert {item.seed for item in recipes(plan)} == {base().seed}
    assert [item.subseeds for item in recipes(plan)] == [
        (),
        *((Subseed(100 + nth, 0.15),) for nth in (1, 2, 3)),
    ]
    assert plan.edges == tuple(Edge(nth, "j1-1", Relation.REMIX) for nth in (1, 2, 3, 4))


def test_what_is_not_changed_keeps_its_bits() -> None:
    """All of the recipe, whatever is in it."""
    parent = base(
        subseeds=(Subseed(3, 0.5),),
        changes=(Change(step=2, guidance=3.0),),
        clip_skip=1,
        steps=6,
        guidance=1 / 3 + 5,
    )
    [first, *_] = recipes(remixed(context(parent), lines="count: 2"))
    assert msgspec.structs.replace(first, row_class=parent.row_class) == parent


def test_several_pictures_keep_what_each_of_them_has() -> None:
    """Such as the cells of a matrix; only what was changed is the same in all."""
    where = context(base(steps=2, seed=1), base(steps=3, seed=2, sampler=Sampler.DDIM))
    plan = remixed(where, lines="guidance: 7,5")
    assert [(i.steps, i.seed, i.sampler, i.guidance) for i in recipes(plan)] == [
        (2, 1, base().sampler, 7.5),
        (3, 2, Sampler.DDIM, 7.5),
    ]
    assert [edge.parent for edge in plan.edges] == ["j1-1", "j1-2"]


def test_nothing_changed_is_refused() -> None:
    """But not further pictures, and neither variations nor other seeds."""
    with pytest.raises(Refused, match="Nothing is changed"):
        remixed(context(), lines="count: 1")
    assert len(remixed(context(), lines="count: 3").recipes) == 3
    assert recipes(remixed(context(), noise=Noise.VARY))[0].subseeds
    [again] = recipes(remixed(context(), noise=Noise.NEW))
    assert again.seed == 100


@pytest.mark.parametrize(("typed", "seeds"), [("40", [40, 41]), ("any", [100, 101])])
def test_another_seed_is_that_of_new_noise(typed: str, seeds: list[int]) -> None:
    """Without the subseeds of a variation."""
    parent = base(subseeds=(Subseed(3, 0.5),))
    plan = remixed(context(parent), lines=f"seed: {typed}\ncount: 2")
    assert [item.seed for item in recipes(plan)] == seeds
    assert {item.subseeds for item in recipes(plan)} == {()}


def test_another_model_has_its_own_settings() -> None:
    """Where the user left them as they were; the aspect ratio stays."""
    parent = base(width=64, height=128)
    [first, *_] = recipes(remixed(context(parent), model="other", lines="steps: 5"))
    assert (first.model, first.steps, first.guidance, first.sampler) == (
        *("other", 5, 2.0),
        Sampler.DDIM,
    )
    assert first.width * 2 == pytest.approx(first.height, rel=0.1)
    assert first.width * first.height == pytest.approx(128 * 128, rel=0.1)


def test_the_source_is_kept() -> None:
    """With another strength, if it is changed."""
    parent = base(source=Img2Img("a" * 64, 0.75))
    kept = recipes(remixed(context(parent), prompt="a hut"))[0].source
    assert kept == parent.source
    weaker = recipes(remixed(context(parent), lines="strength: 0,5"))[0].source
    assert weaker == Img2Img("a" * 64, 0.5)


def test_controls_are_those_of_the_new_model() -> None:
    """A model that lacks one is refused with a sentence."""
    steered = msgspec.structs.replace(
        MODEL,
        controls=(
            ControlCard(kind="scribble", revision="5", preprocessors=(Preprocessor.SCRIBBLE,)),
        ),
    )
    able = msgspec.structs.replace(
        OTHER,
        controls=(
            ControlCard(kind="scribble", revision="6", preprocessors=(Preprocessor.SCRIBBLE,)),
        ),
    )
    control = Control(
        kind="scribble", revision="5", image="a" * 64, preprocessor=Preprocessor.SCRIBBLE, scale=0.5
    )
    parent = base(controls=(control,))
    same = recipes(remixed(context(parent, models=(steered, OTHER)), prompt="a hut"))[0]
    assert same.controls == (control,)
    moved = recipes(remixed(context(parent, models=(steered, able)), model="other"))[0]
    assert moved.controls == (msgspec.structs.replace(control, revision="6"),)
    with pytest.raises(Refused, match="has no control “scribble” here"):
        remixed(context(parent, models=(steered, OTHER)), model="other")


def test_a_schedule_in_the_users_words_is_shown_and_read_again() -> None:
    """So it moves with the steps; of other changes, those of edited settings are dropped."""
    parent = base(prompt="a cat", steps=4, changes=(Change(step=2, prompt="a dog"),))
    where, words = context(parent), "[a cat:a dog:0.5]"
    defaults = remix.shown_texts(RemixRequest(words=words), where)
    assert defaults.prompt == words
    [first, *_] = recipes(remixed(where, words=words, lines="steps: 10"))
    assert first.changes == (Change(step=5, prompt="a dog"),)
    [forked, *_] = recipes(remixed(where, prompt="a fox"))
    assert (forked.prompt, forked.changes) == ("a fox", ())


def test_what_a_picture_changed_its_remix_changes_too() -> None:
    """A picture that moderators remove takes both with it."""
    plan = remixed(context(), lines="count: 1\nsteps: 5", edges=(Edge(1, "j0-3", Relation.ZOOM),))
    assert plan.edges == (Edge(1, "j1-1", Relation.REMIX), Edge(1, "j0-3", Relation.ZOOM))


@pytest.mark.parametrize(
    ("lines", "changes", "sentence"),
    [
        ("steps: 0", {}, "Steps is 0"),
        ("seed: 4294967296", {}, "The seed is 4294967296"),
        ("size: 0x64", {}, "The width is 0"),
        ("size: 65536x65536", {}, "The width is 65536; it must be 1 to 10000."),
        ("size: big", {}, "There is no aspect “big”. Choose one of: square"),
        ("size: 0:3", {}, "There is no aspect “0:3”"),
        ("count: 0", {}, "The count is 0"),
        ("strength: 0.5", {}, "not painted over another one"),
        ("keep: 2", {}, "is no edit"),
        ("strength: 1.5", {}, "not painted over another one"),
        ("styles: nothing", {}, "There is no style “nothing”"),
        ("", {"prompt": "a hut --chaos 5"}, "There is no flag --chaos here. These are: --ar, --no"),
        ("", {"prompt": "a hut --seed x"}, "The flag --seed has the value “x”"),
        ("", {"prompt": "a hut --fit contain"}, "There is no flag --fit here"),
        ("", {"prompt": "a __nothing__"}, "There is no wildcard “nothing”"),
        ("", {"prompt": "{1,2,3,4} {1,2,3,4} {1,2}"}, "has 32 permutations; at most 16 pictures"),
        ("loras: nothing", {}, "no LoRA “nothing”"),
        ("clip skip: 3", {}, "takes a clip skip of 1"),
        ("", {"sampler": "magic"}, "There is no sampler “magic”"),
        ("", {"model": "magic"}, "There is no model “magic”"),
        ("", {"shape": "round"}, "There is no shape “round”"),
        ("size: 64x128", {"shape": "wide"}, "either a shape or another size"),
        ("", {"prompt": " \u200b"}, "The prompt is empty"),
        ("", {"prompt": "x" * 6000}, "6000 characters; at most 1000"),
        ("", {"model": "editor"}, "does nothing else"),
    ],
)
def test_an_impossible_remix_is_refused(lines: str, changes: dict[str, Any], sentence: str) -> None:
    """Each with one sentence."""
    with pytest.raises(Refused, match=sentence):
        remixed(context(models=(MODEL, OTHER, EDITOR)), lines=lines, **changes)


def test_values_above_limits_are_lowered() -> None:
    """Each with a sentence, once for all pictures; those of the picture itself stay."""
    plan = remixed(
        context(base(), base(steps=9)),
        lines="steps: 151\nguidance: 99\nsize: 63x2048\ncount: 500",
    )
    assert len(plan.recipes) == 16
    assert {(item.steps, item.guidance, item.size) for item in recipes(plan)} == {
        (150, 30.0, (64, 1024))
    }
    assert plan.notes == (
        "The count 500 was lowered to 16, the most of one request.",
        "The steps 151 were lowered to 150, the most there are.",
        "The guidance 99 was lowered to 30, the most there is.",
        "The size 63x2048 was changed to 64x1024, the nearest that the model paints.",
    )


def test_flags_of_the_prompt_count_before_what_was_shown() -> None:
    """The words are what precedes them; negatives are joined."""
    plan = remixed(
        context(base(negative="rain")),
        prompt="a hut —ar 2:1 --seed 40 --no cars --steps 5 --cfg 7,5 --sampler ddim --count 2",
    )
    assert [
        (i.prompt, i.negative, i.seed, i.steps, i.guidance, i.sampler) for i in recipes(plan)
    ] == [("a hut", "rain, cars", seed, 5, 7.5, Sampler.DDIM) for seed in (40, 41)]
    assert recipes(plan)[0].width > recipes(plan)[0].height
    assert plan.notes == ()


def test_flags_alone_change_settings() -> None:
    """The words stay as they are, with their weights."""
    [first, *_] = recipes(remixed(context(base(prompt="a (cat)")), prompt="a (cat) --width 128"))
    assert (first.prompt, first.size) == ("a (cat)", (128, 64))


def test_a_changed_setting_counts_before_its_flag() -> None:
    """And a sentence says so."""
    plan = remixed(context(), prompt="a hut --steps 9", lines="steps: 5")
    assert recipes(plan)[0].steps == 5
    assert plan.notes == ("The option steps counts, so --steps 9 has no effect.",)


def test_a_style_adds_its_words() -> None:
    """Also if nothing else is changed; the settings of the picture stay."""
    plan = remixed(context(), prompt="a red house --style neon")
    assert recipes(plan)[0].prompt.startswith("a red house, ")
    assert recipes(plan)[0].steps == base().steps
    assert plan.notes == ("Style: neon.",)


def test_permutations_have_the_noise_of_their_pictures() -> None:
    """One picture of each, unless the form has another count."""
    where = context(base(seed=1), base(seed=2))
    plan = remixed(where, prompt="a {red, blue} hut")
    assert [(item.prompt, item.seed) for item in recipes(plan)] == [
        ("a red hut", 1),
        ("a red hut", 2),
        ("a blue hut", 1),
        ("a blue hut", 2),
    ]
    assert plan.prompt == "a {red, blue} hut"
    assert [edge.parent for edge in plan.edges] == ["j1-1", "j1-2"] * 2
    plan = remixed(where, prompt="a {red, blue} hut", lines="count: 9")
    assert len(plan.recipes) == 16 and "permutations has 8 pictures" in plan.notes[0]


def test_words_are_drawn_by_seed() -> None:
    """Further pictures of a seed draw other words; without brackets' meaning, braces are words."""
    prompts = [item.prompt for item in recipes(remixed(context(), prompt="a __colors__ hut"))]
    assert len(set(prompts)) > 1 and all("__" not in prompt for prompt in prompts)
    assert prompts == [i.prompt for i in recipes(remixed(context(), prompt="a __colors__ hut"))]
    plain = base(prompt_format=PromptFormat.PLAIN)
    assert recipes(remixed(context(plain), prompt="{a, b}"))[0].prompt == "{a, b}"


def test_braces_of_an_earlier_prompt_stay_words() -> None:
    """The form shows them with a backslash."""
    where = context(base(prompt="a {red, blue} hut"))
    assert remix.shown_texts(RemixRequest(), where).prompt == r"a \{red, blue\} hut"
    [first, *_] = recipes(remixed(where, prompt=r"a \{red, blue\} house"))
    assert first.prompt == "a {red, blue} house"
    assert recipes(remixed(where, lines="steps: 9"))[0].prompt == "a {red, blue} hut"


def test_a_part_that_is_painted_again_keeps_its_place() -> None:
    """So the size cannot change."""
    source = Outpaint(image="a" * 64, left=0, top=0, width=32, height=64)
    painter = msgspec.structs.replace(MODEL, can_inpaint=True)
    where = context(base(source=source), models=(painter,))
    with pytest.raises(Refused, match="The size stays 64x64"):
        remixed(where, lines="size: 128x128")
    assert recipes(remixed(where, prompt="a hut"))[0].source == source


def test_without_its_model_a_picture_needs_another_one() -> None:
    """The refusal names those that there are."""
    where = context(base(revision="9"))
    assert remix.shown_texts(RemixRequest(), where).model == ""
    with pytest.raises(Refused, match="I paint with flat"):
        remixed(where, prompt="a hut")
    assert recipes(remixed(where, model="other"))[0].model == "other"
