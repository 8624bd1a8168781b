"""Requests use the settings of their users for what they leave open."""

import msgspec
import pytest

from bot.domain.built_in_presets import STYLES
from bot.domain.kinds import blend, compare, draft, edit, explore, imagine
from bot.domain.kinds.blend import BlendRequest
from bot.domain.kinds.compare import CompareRequest
from bot.domain.kinds.edit import EditRequest
from bot.domain.kinds.explore import ExploreRequest
from bot.domain.kinds.imagine import ImagineOptions, ImagineRequest, parse
from bot.domain.plan import PlanContext
from bot.domain.preferences import Preferences
from bot.domain.preferred_plan import preferred_plan
from bot.errors import Refused
from bot.playground.client.options import Value
from engine.contract import Sampler
from tests.bot_harness import BotHarness
from tests.changing import EDITOR
from tests.deletion import ephemeral_response
from tests.fake_engine import MODEL, FakeEngine
from tests.sketching import WORDS, photo, used
from tests.steered_model import STEERED

PREFERENCES = Preferences(steps=20, sampler="ddim", count=2, aspect="wide")
OTHER = msgspec.structs.replace(MODEL, name="hub/Round", max_steps={Sampler.DDIM: 0})


def context(preferences: Preferences = PREFERENCES) -> PlanContext:
    """The context of a user with these preferences."""
    return PlanContext(models=(MODEL, OTHER), seed=7, preferences=preferences)


def request(**options: object) -> ImagineRequest:
    """A request of /imagine."""
    return ImagineRequest(options=imagine.parse(prompt="a house", **options))


def test_open_options_have_the_preferred_values() -> None:
    """What was given counts more; there are no notes."""
    plan = preferred_plan(imagine.plan, request(), context(), imagine.with_preference)
    first = plan.recipes[0].recipe
    assert (first.steps, first.sampler, len(plan.recipes)) == (20, Sampler.DDIM, 2)
    assert first.width > first.height and plan.notes == ()
    own_request = request(steps=5, sampler="euler", count=1, aspect="square")
    plan = preferred_plan(imagine.plan, own_request, context(), imagine.with_preference)
    assert plan == imagine.plan(own_request, context())


def test_a_preference_that_is_not_possible_is_left_out() -> None:
    """The others are used; each omission has a note. A request that is refused anyway stays so."""
    preferences = msgspec.structs.replace(PREFERENCES, count=50, default_model="hub/Gone")
    own_request = request(model="round")
    plan = preferred_plan(imagine.plan, own_request, context(preferences), imagine.with_preference)
    first = plan.recipes[0].recipe
    assert (first.steps, first.sampler, len(plan.recipes)) == (20, Sampler.EULER, 16)
    assert any("The count 50 was lowered to 16" in note for note in plan.notes)
    assert any(
        note.startswith("Your setting sampler (ddim) was not used: The model hub/Round")
        for note in plan.notes
    )
    with pytest.raises(Refused, match="The count is 0"):
        preferred_plan(
            imagine.plan, request(count=0), context(preferences), imagine.with_preference
        )


def test_a_default_model_that_is_gone_has_a_note() -> None:
    """The first model paints; a request that names a model is not concerned."""
    gone = context(Preferences(default_model="hub/Gone"))
    plan = preferred_plan(imagine.plan, request(), gone, imagine.with_preference)
    assert plan.notes == ("Your default model hub/Gone is not offered now.",)
    assert plan.recipes[0].recipe.model == "flat"
    named = request(model="flat")
    assert preferred_plan(imagine.plan, named, gone, imagine.with_preference).notes == ()


def test_steps_above_the_limit_of_the_sampler_are_lowered() -> None:
    """Drafts use preferences, too."""
    preferences = Preferences(steps=90, sampler="lcm")
    plan = preferred_plan(draft.plan, request(), context(preferences), imagine.with_preference)
    [note] = plan.notes
    assert "The steps 90 were lowered to 50" in note
    assert plan.recipes[0].recipe.sampler is Sampler.LCM


def test_a_sketch_has_its_own_aspect() -> None:
    """A preferred one would crop it."""
    sketched = msgspec.structs.replace(request(), sketch_url="https://a/b.png")
    plan = preferred_plan(imagine.plan, sketched, context(), imagine.with_preference)
    assert plan.recipes[0].recipe.width == plan.recipes[0].recipe.height
    assert not plan.inputs[0].keep_size


def test_explore_and_compare_use_steps_and_sampler() -> None:
    """Except along an axis that has its own values."""
    explored = ExploreRequest(prompt="a house", values={"guidance": "3,5"})
    plan = preferred_plan(explore.plan, explored, context(), explore.with_preference)
    assert {(r.recipe.steps, r.recipe.sampler) for r in plan.recipes} == {(20, Sampler.DDIM)}
    preset = ExploreRequest(prompt="a house", values={}, preset="steps")
    plan = preferred_plan(explore.plan, preset, context(), explore.with_preference)
    assert len(plan.recipes) == 4 and {r.recipe.sampler for r in plan.recipes} == {Sampler.DDIM}
    compared = CompareRequest(options=ImagineOptions(prompt="a"), samplers="euler,pndm")
    plan = preferred_plan(compare.plan, compared, context(), compare.with_preference)
    assert {(r.recipe.steps, r.recipe.sampler) for r in plan.recipes} == {
        (20, Sampler.EULER),
        (20, Sampler.PNDM),
    }
    compared = CompareRequest(options=ImagineOptions(prompt="a"), models="flat,round")
    plan = preferred_plan(compare.plan, compared, context(), compare.with_preference)
    assert plan.notes[0].startswith("Your setting sampler (ddim) was not used")


def test_explore_and_compare_have_aspects() -> None:
    """That of the settings, unless the request or a sketch has one."""
    explored = ExploreRequest(prompt="a house", values={"guidance": "3,5"})
    compared = CompareRequest(options=ImagineOptions(prompt="a"), samplers="euler,pndm")
    square = msgspec.structs.replace(compared.options, aspect="1:1")
    for planned, expected in (
        (preferred_plan(explore.plan, explored, context(), explore.with_preference), 16 / 9),
        (preferred_plan(compare.plan, compared, context(), compare.with_preference), 16 / 9),
        (explore.plan(msgspec.structs.replace(explored, aspect="1:2"), context()), 1 / 2),
        (compare.plan(msgspec.structs.replace(compared, options=square), context()), 1.0),
    ):
        sizes = {work.recipe.size for work in planned.recipes}
        assert sizes == {MODEL.size_for_aspect(expected)}
    sketched = msgspec.structs.replace(explored, sketch_url="https://a/b.png")
    plan = preferred_plan(explore.plan, sketched, context(), explore.with_preference)
    assert plan.recipes[0].width == plan.recipes[0].height and not plan.inputs[0].keep_size
    cropped = explore.plan(msgspec.structs.replace(sketched, aspect="wide"), context())
    assert cropped.inputs[0].keep_size


@pytest.mark.parametrize("is_setting", [False, True])
def test_all_commands_with_a_prompt_have_styles(*, is_setting: bool) -> None:
    """Those of the option, else those of the settings; the message has the user's own words. A
    style that was given has its steps before those of the settings."""
    styles = None if is_setting else "photo"
    preferences = Preferences(styles="photo" if is_setting else "", steps=20)
    styled = msgspec.structs.replace(context(preferences), models=(STEERED, MODEL))
    options = ImagineOptions(prompt="a house", styles=styles)
    explored = ExploreRequest(prompt="a house", values={"guidance": "3,5"}, styles=styles)
    compared = CompareRequest(options=options, samplers="euler,pndm")
    blended = BlendRequest(options=options, picture_urls=("https://a/1", "https://a/2"))
    for plan in (
        preferred_plan(imagine.plan, request(styles=styles), styled, imagine.with_preference),
        preferred_plan(explore.plan, explored, styled, explore.with_preference),
        preferred_plan(compare.plan, compared, styled, compare.with_preference),
        preferred_plan(blend.plan, blended, styled, blend.with_preference),
    ):
        assert {work.recipe.prompt for work in plan.recipes} == {STYLES["photo"].styled("a house")}
        assert {work.recipe.negative for work in plan.recipes} == {STYLES["photo"].negative}
        assert {work.recipe.steps for work in plan.recipes} == {20 if is_setting else 30}
        assert (plan.prompt, plan.notes[0]) == ("a house", "Style: photo.")


def test_edits_and_blends_use_settings() -> None:
    """Except the aspect, as pictures have their own, and for edits the styles."""
    edited = EditRequest(options=parse(prompt="make it night"), picture_url="https://a/1")
    preferences = msgspec.structs.replace(PREFERENCES, styles="photo")
    editing = PlanContext(models=(MODEL, EDITOR), seed=7, preferences=preferences)
    plan = preferred_plan(edit.plan, edited, editing, edit.with_preference)
    assert [work.recipe.prompt for work in plan.recipes] == ["make it night"] * 2
    assert {(w.recipe.steps, w.recipe.sampler) for w in plan.recipes} == {(20, Sampler.DDIM)}
    assert plan.recipes[0].width == plan.recipes[0].height and plan.notes == ()
    blended = BlendRequest(
        options=parse(prompt="a house", steps=3), picture_urls=("https://a/1", "https://a/2")
    )
    blending = msgspec.structs.replace(context(), models=(MODEL, STEERED))
    plan = preferred_plan(blend.plan, blended, blending, blend.with_preference)
    assert [(w.recipe.steps, w.recipe.sampler) for w in plan.recipes] == [(3, Sampler.DDIM)] * 2
    assert plan.recipes[0].width == plan.recipes[0].height


async def test_each_command_uses_settings(harness: BotHarness, engine: FakeEngine) -> None:
    """/edit, /blend, /explore and /compare, and the form of sketches; an aspect can be a ratio."""
    engine.models = (STEERED, EDITOR)
    await harness.stop()
    await harness.start()
    for setting, value in (
        ("steps", "9"),
        ("count", "1"),
        ("aspect", "2:1"),
        ("styles", "night"),
    ):
        options = {"setting": setting, "value": value}
        answer = await ephemeral_response(await harness.ada.invoke("settings", options))
        assert f"now **{value}** for you" in answer.content
    pictures: dict[str, Value] = {f"picture{nth}": photo(64, 64, f"{nth}.png") for nth in (1, 2)}
    await harness.imagine()
    requests: tuple[tuple[str, dict[str, Value]], ...] = (
        ("edit", {"picture": photo(64, 64), "instruction": "add snow"}),
        ("blend", {**pictures, "prompt": "a house"}),
        ("explore", {"prompt": "a house", "guidance": "3,5"}),
        ("compare", {"prompt": "a house", "samplers": "euler,ddim", "count": 1}),
        ("explore", {"prompt": "a house", "guidance": "3,5", "styles": "winter", "steps": "7"}),
    )
    for command, values in requests:
        await harness.result(await harness.ada.invoke(command, values))
    asked = await used(harness, await harness.discord.person("Ben").say("look", photo()))
    await harness.result(await harness.ada.submit(asked, WORDS))
    assert [
        (len(paint.recipes), paint.recipes[0].steps, "night" in paint.recipes[0].prompt)
        for paint in engine.paints
    ] == [
        (1, 9, True),
        (1, 9, False),
        (1, 9, True),
        (2, 9, True),
        (2, 9, True),
        (2, 7, False),
        (1, 9, True),
    ]
    assert engine.paints[5].recipes[0].prompt == STYLES["winter"].styled("a house")
    wide = [paint.recipes[0].width > paint.recipes[0].height for paint in engine.paints]
    assert wide == [True, False, False, True, True, True, True]


async def test_settings_count_for_users_channels_and_servers(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The user's last; the recipe as text names what differs from the user's settings."""
    boss = harness.discord.person("Boss", admin=True)
    for person, options in (
        (boss, {"setting": "steps", "value": "9", "for": "guild"}),
        (boss, {"setting": "count", "value": "1", "for": "channel"}),
        (harness.ada, {"setting": "aspect", "value": "wide"}),
    ):
        await ephemeral_response(await person.invoke("settings", options))
    await harness.imagine()
    result = await harness.imagine(aspect="square")
    await harness.imagine(harness.discord.person("Ben"), steps=5)
    jobs = [paint.recipes for paint in engine.paints]
    assert [(len(recipes), recipes[0].recipe.steps) for recipes in jobs] == [(1, 9), (1, 9), (1, 5)]
    wide, square, theirs = (recipes[0].recipe for recipes in jobs)
    assert wide.width > wide.height and square.width == square.height == theirs.height
    text = await harness.refusal(await harness.ada.use("Show recipe", result))
    assert "aspect:square" in text


async def test_a_note_is_shown_with_the_result(harness: BotHarness, engine: FakeEngine) -> None:
    """A setting never makes a request fail."""
    for setting, value in (("steps", "90"), ("sampler", "lcm")):
        options = {"setting": setting, "value": value}
        await ephemeral_response(await harness.ada.invoke("settings", options))
    result = await harness.imagine(count=1)
    assert "The steps 90 were lowered to 50" in result.content
    assert engine.paints[0].recipes[0].recipe.sampler is Sampler.LCM


async def test_styles_are_used_like_other_settings(harness: BotHarness, engine: FakeEngine) -> None:
    """Unless the request has some, or `-` for none; the settings of given styles count more than
    those of the user."""
    options = {"setting": "styles", "value": "neon"}
    await ephemeral_response(await harness.ada.invoke("settings", options))
    await harness.imagine(count=1)
    result = await harness.imagine(count=1, styles="-")
    styled, plain = (paint.recipes[0].recipe.prompt for paint in engine.paints)
    text = await harness.refusal(await harness.ada.use("Show recipe", result))
    assert "styles:-" in text
    assert plain == "a red house" and styled.startswith(plain) and "neon" in styled
