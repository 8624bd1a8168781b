"""The buttons and menus of jobs, and the custom ids of all features."""

import re
from itertools import combinations
from typing import Any

import discord
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.client import ACTIONS, COMPONENTS
from bot.domain.history import HistoryFilter, HistoryPage
from bot.domain.job import Job
from bot.domain.kinds import KINDS, kind_named, steps
from bot.domain.kinds.remix import Noise
from bot.domain.picture import Picture
from bot.domain.plan import Axis, JobKind, Matrix, PlanDetails
from bot.domain.setting_values import Offer
from bot.features import (
    FEATURES,
    edit,
    film,
    fork,
    privacy,
    recipe,
    remix,
    report_cards,
)
from bot.messages import components, history_texts
from bot.messages.action_views import (
    ActionButton,
    ActionScope,
    ActionViews,
    picture_menu_view,
)
from engine.contract import Capture, Sampler
from tests.fake_engine import MODEL
from tests.panel_views import PHASE, forms, panel_views, settings_views, sketch_form_ids
from tests.samples import job, picture
from tests.samples import recipe as sample_recipe

LONGEST_JOB_ID = "z" * 24
LONGEST_SEARCH = HistoryFilter(words="x" * 48, model="m", since=4e9, until=4e9)
OFFER = Offer(
    models=(MODEL,),
    aspects=("wide",),
    commands=tuple(f"c{n}" for n in range(30)),
    max_count=16,
)
PATTERNS = [
    *(component.pattern for component in COMPONENTS),
    *(modal.pattern for feature in FEATURES for modal in feature.modals),
]


VIEWS = ActionViews(ACTIONS)


def labels(view: discord.ui.View) -> list[list[str]]:
    """The labels of a view's buttons, or the placeholders of its menus, row by row."""
    return [
        [item.get("label") or item["placeholder"] for item in row["components"]]
        for row in view.to_components()
    ]


def pictures(count: int, job_id: str = "j1") -> list[Picture]:
    """The pictures of a job."""
    return [picture(job_id, nth) for nth in range(1, count + 1)]


async def rows(count: int) -> list[list[str]]:
    """As `labels`, for the result of a job of this number of pictures."""
    return labels(VIEWS.result_view(job(), pictures(count)))


def custom_ids(view: discord.ui.View | discord.ui.LayoutView) -> list[str]:
    """The custom ids of the view's buttons and menus."""
    items = (discord.ui.Button, discord.ui.Select)
    return [item.custom_id or "" for item in view.walk_children() if isinstance(item, items)]


def all_custom_ids() -> list[str]:
    """The custom ids of all views and modals, with the longest possible job and message ids."""
    views = [
        VIEWS.result_view(job(LONGEST_JOB_ID), pictures(4, LONGEST_JOB_ID)),
        VIEWS.result_view(job(LONGEST_JOB_ID), pictures(100, LONGEST_JOB_ID)),
        VIEWS.picture_view(picture(LONGEST_JOB_ID, 100), job()),
        VIEWS.result_view(steps_job(LONGEST_JOB_ID), pictures(1)),
        picture_menu_view(film.MENU, job(LONGEST_JOB_ID), range(1, 101), "Film of…"),
        components.cancel_view(LONGEST_JOB_ID),
        report_cards.case_view(LONGEST_JOB_ID, is_open=True, is_removed=False, is_blocked=False),
        report_cards.case_view(LONGEST_JOB_ID, is_open=True, is_removed=False, is_blocked=True),
        report_cards.deleted_case_view(LONGEST_JOB_ID, is_open=True),
        privacy.confirmation_view(),
        edit.upload_view(10),
        *(*settings_views(OFFER), *panel_views(LONGEST_JOB_ID)),
        history_texts.page_view(
            HistoryPage(jobs=(job(LONGEST_JOB_ID),), number=99999, count=10**6), LONGEST_SEARCH
        ),
        remix.correction_view(LONGEST_JOB_ID, 100, Noise.VARY),
    ]
    ids = [custom_id for view in views for custom_id in custom_ids(view)]
    modals = [modal.custom_id for modal in forms(LONGEST_JOB_ID, OFFER)]
    return [*ids, *modals, *sketch_form_ids(LONGEST_JOB_ID), recipe.PAINT_ID]


def steps_job(name: str) -> Job:
    """A job that shows the steps of a picture of 60 steps."""
    long = sample_recipe(steps=60)
    details = PlanDetails(capture=Capture(strip=steps.MAX_FRAMES))
    return job(name, kind=steps.KIND, recipes=(long,), plan=details)


async def test_steps_have_a_menu_of_up_to_25() -> None:
    """They are those of the frames, evenly spaced."""
    menu, *_ = VIEWS.result_view(steps_job("j1"), pictures(1)).children
    assert isinstance(menu, discord.ui.Select)
    assert menu.custom_id == "v1:forkstep:j1:0"
    options = [option.label for option in menu.options]
    assert len(options) == 25
    assert (options[0], options[-1]) == ("After step 1 of 60", "After step 59 of 60")


async def test_the_modal_has_the_settings_of_the_step() -> None:
    """Discord allows 100 characters in a description."""
    fields = [child for child in fork.modal("j1", 3, PHASE, tuple(Sampler)).children]
    assert [
        field.component.default
        for field in fields
        if isinstance(field, discord.ui.Label) and isinstance(field.component, discord.ui.TextInput)
    ] == ["a red house", None, "5", "euler"]


async def test_a_result_has_upscale_reroll_and_variation_buttons() -> None:
    """U1 to U4 and re-roll above V1 to V4."""
    assert await rows(4) == [["U1", "U2", "U3", "U4", "🔄"], ["V1", "V2", "V3", "V4", "✏️"]]


async def test_the_only_picture_of_a_result_has_all_buttons() -> None:
    """As at full size, behind U1 and V1: two rows that a phone shows in one line each, and a menu
    with the rest."""
    assert await rows(1) == [
        ["U1", "V1", "🔄", "⬆ 2x"],
        ["V subtle", "V strong", "✏️ Remix"],
        ["More…"],
    ]
    shown = [label for row in labels(VIEWS.picture_view(picture(), job())) for label in row]
    assert [label for row in await rows(1) for label in row] == ["U1", "V1", *shown]


@pytest.mark.parametrize("kind", ["draft", "finish", "fork", "upscale", "detail", "variation"])
async def test_results_of_one_picture_have_the_same_buttons(kind: str) -> None:
    """Whatever made the picture; a draft also has Finish, before them."""
    is_draft = kind == "draft"
    details = PlanDetails(full_recipes=(sample_recipe(steps=60),) if is_draft else ())
    made = job(kind=kind_named(kind), plan=details)
    buttons = [label for row in labels(VIEWS.result_view(made, pictures(1))) for label in row]
    expected = [label for row in await rows(1) for label in row]
    assert buttons == ["✅ Finish"] * is_draft + expected


async def test_the_only_picture_of_several_keeps_its_number() -> None:
    """The others could not be painted."""
    view = VIEWS.result_view(job(recipes=(sample_recipe(),) * 4), [picture(nth=3)])
    assert labels(view)[0][:2] == ["U3", "V3"]
    assert "v1:varysubtle:j1:3" in custom_ids(view) and "v1:reroll:j1:0" in custom_ids(view)


async def test_a_withheld_picture_has_the_buttons_of_its_result_alone() -> None:
    """Nothing can be made from it but other pictures of its prompt."""
    withheld = msgspec.structs.replace(picture(), path=None, is_withheld=True)
    assert labels(VIEWS.result_view(job(), [withheld])) == [["U1", "V1", "🔄"], ["✏️ Remix"]]


async def test_actions_without_a_button_are_in_one_menu() -> None:
    """Below a picture alone, and below a result of one picture."""
    listed = [
        action(name, ActionScope.PICTURE, is_on_picture=lambda _: True, is_in_menu=True)
        for name in ("pan", "zoom")
    ]
    views = ActionViews([*listed, action("u", ActionScope.PICTURE, initial="U")])
    kind = JobKind(name="x", actions=("u",))
    result = views.result_view(job(kind=kind), [picture(nth=3)])
    assert labels(result) == [["U3"], ["More…"]]
    for view in (result, views.picture_view(picture(nth=3), job())):
        [menu] = [item for item in view.children if isinstance(item, discord.ui.Select)]
        assert menu.custom_id == "v1:more:j1:3"
        assert [(option.label, option.value) for option in menu.options] == [
            ("PAN", "pan"),
            ("ZOOM", "zoom"),
        ]
    assert "More…" not in str(labels(views.result_view(job(kind=kind), pictures(2))))


@pytest.mark.parametrize(("count", "menus"), [(5, 1), (25, 1), (26, 2), (100, 4)])
async def test_many_pictures_have_menus_in_place_of_buttons(count: int, menus: int) -> None:
    """Each menu has up to 25 of them, in order; Discord allows no more options."""
    view = VIEWS.result_view(job(), pictures(count))
    assert labels(view) == [*[["Open picture…"]] * menus, ["🔄", "✏️"]]
    selects = [item for item in view.children if isinstance(item, discord.ui.Select)]
    assert max(len(select.options) for select in selects) <= 25
    options = [option for select in selects for option in select.options]
    assert [int(option.value) for option in options] == list(range(1, count + 1))


async def test_a_menu_tells_where_a_picture_is() -> None:
    """Pictures of a grid have no numbers on them."""
    (menu,) = [
        item
        for item in VIEWS.result_view(job(), pictures(7)).children
        if isinstance(item, discord.ui.Select)
    ]
    assert [option.label for option in menu.options][2:5] == [
        "Picture 3: row 1, column 3",
        "Picture 4: row 2, column 1",
        "Picture 5: row 2, column 2",
    ]


async def test_the_cells_of_a_matrix_are_named_by_their_values() -> None:
    """Also if it has few of them."""
    layout = Matrix(Axis("sampler", ("euler", "ddim")), Axis("steps", ("4", "8")))
    view = VIEWS.result_view(job(plan=PlanDetails(layout=layout)), pictures(4))
    (menu,) = [item for item in view.children if isinstance(item, discord.ui.Select)]
    assert [option.label for option in menu.options] == [
        "1: sampler euler · steps 4",
        "2: sampler euler · steps 8",
        "3: sampler ddim · steps 4",
        "4: sampler ddim · steps 8",
    ]


async def test_an_axis_without_a_name_is_left_out() -> None:
    """A matrix with one axis has one row without a label."""
    layout = Matrix(Axis("", ("",)), Axis("steps", ("4", "8" * 200)))
    view = VIEWS.result_view(job(plan=PlanDetails(layout=layout)), pictures(2))
    (menu,) = [item for item in view.children if isinstance(item, discord.ui.Select)]
    assert menu.options[0].label == "1: steps 4"
    assert len(menu.options[1].label) == 100


async def test_a_single_picture_has_the_actions_that_offer_themselves() -> None:
    """Variations and re-roll of that picture are among them, in at most five rows."""
    view = VIEWS.picture_view(picture(nth=7), job())
    assert labels(view)[:2] == [["🔄", "⬆ 2x"], ["V subtle", "V strong", "✏️ Remix"]]
    assert all(custom_id.endswith(":j1:7") for custom_id in custom_ids(view))
    assert len(view.to_components()) <= 5


def action(name: str, scope: ActionScope, **changes: object) -> ActionButton:
    """An action whose label is its name in capitals."""
    values: dict[str, Any] = {"name": name, "label": name.upper(), "scope": scope}
    return ActionButton(**values | changes)


async def test_a_kind_names_the_actions_of_its_result() -> None:
    """Unknown names are ignored: a newer version of the bot may have them."""
    views = ActionViews(
        [
            action("again", ActionScope.JOB),
            action("film", ActionScope.PICTURE),
            action("finish", ActionScope.JOB, is_possible=lambda job: bool(job.plan.full_recipes)),
        ]
    )
    kind = JobKind(name="x", actions=("film", "finish", "gone", "again"))
    assert labels(views.result_view(job(kind=kind), pictures(1))) == [["AGAIN", "FILM"]]
    assert labels(views.result_view(job(kind=kind), pictures(2))) == [["AGAIN"]]


async def test_more_buttons_of_a_job_follow_those_of_its_pictures() -> None:
    """They fill up each row to five."""
    numbered = [action(name, ActionScope.PICTURE, initial=name.upper()) for name in "uv"]
    others = [action(f"x{n}", ActionScope.JOB) for n in range(7)]
    views = ActionViews([*numbered, *others])
    kind = JobKind(name="x", actions=("u", "v", *(other.name for other in others)))
    assert labels(views.result_view(job(kind=kind), pictures(4))) == [
        ["U1", "U2", "U3", "U4", "X0"],
        ["V1", "V2", "V3", "V4", "X1"],
        ["X2", "X3", "X4", "X5", "X6"],
    ]


def test_two_actions_of_one_name_are_refused() -> None:
    """A custom id would not say which of them it is."""
    with pytest.raises(ValueError, match="two actions of the name u"):
        ActionViews([action("u", ActionScope.JOB)] * 2)


def test_all_actions_of_kinds_exist() -> None:
    """A kind that names an action without a feature would lack a button."""
    names = {name for kind in KINDS for name in kind.actions}
    assert names <= {known.name for known in ACTIONS}


async def test_discord_py_keeps_no_view_in_memory() -> None:
    """Otherwise a click would be handled twice, and memory would grow."""
    assert VIEWS.result_view(job(), pictures(4)).is_finished()
    assert VIEWS.picture_view(picture(), job()).is_finished()
    assert components.cancel_view("j1").is_finished()


async def test_every_custom_id_matches_one_registered_pattern() -> None:
    """Each click reaches one feature: the patterns are disjoint on these ids."""
    for custom_id in all_custom_ids():
        matches = [pattern for pattern in PATTERNS if re.fullmatch(pattern, custom_id)]
        assert len(matches) == 1, custom_id


@given(st.data(), st.sampled_from(PATTERNS))
def test_patterns_are_disjoint(data: st.DataObject, pattern: str) -> None:
    """No custom id that matches one pattern matches another, so two features never share one."""
    custom_id = data.draw(st.from_regex(pattern, fullmatch=True))
    assert [other for other in PATTERNS if re.fullmatch(other, custom_id)] == [pattern]


def test_patterns_have_a_namespace_each() -> None:
    """All ids of a pattern start with one of its literal prefixes, which no other pattern has."""
    prefixes = [literal_prefixes(pattern) for pattern in PATTERNS]
    assert all(prefix.startswith("v1:") for group in prefixes for prefix in group)
    for first, second in combinations(prefixes, 2):
        assert not [(a, b) for a in first for b in second if a.startswith(b) or b.startswith(a)]


def literal_prefixes(pattern: str) -> set[str]:
    """The first two fields of the ids of a pattern, with the colon behind them if there is one.

    They must be literal: either a word or a named group of words.
    """
    field = r"[a-z0-9]+|\(\?P<\w+>[a-z0-9|]+\)"
    match = re.match(rf"({field}):({field})(:|$)", pattern)
    assert match is not None, pattern
    first, second = (re.sub(r"^\(\?P<\w+>|\)$", "", part).split("|") for part in match.groups()[:2])
    return {f"{version}:{word}{match[3]}" for version in first for word in second}


async def test_every_custom_id_fits_into_discords_limit() -> None:
    """The limit is 100 characters: https://docs.discord.com/developers/components/reference."""
    assert all(1 <= len(custom_id) <= 100 for custom_id in all_custom_ids())


async def test_every_pattern_has_a_custom_id() -> None:
    """A pattern that no view uses would be a leftover of a removed feature."""
    for pattern in PATTERNS:
        assert any(re.fullmatch(pattern, custom_id) for custom_id in all_custom_ids()), pattern


def test_a_custom_id_has_action_job_and_picture() -> None:
    """These are the only state that a button has."""
    custom_id = components.custom_id("vary", "0123456789abcdef", 3)
    match = re.fullmatch(components.PATTERN, custom_id)
    assert match is not None
    assert match.groupdict() == {"action": "vary", "job": "0123456789abcdef", "nth": "3"}


@pytest.mark.parametrize(
    "custom_id", ["", "v0:vary:a:1", "v1:steal:a:1", "v1:vary:A';--:1", "v1:vary:a:1000"]
)
def test_other_custom_ids_do_not_match(custom_id: str) -> None:
    """Malformed ids and ids of other versions are ignored."""
    assert not [pattern for pattern in PATTERNS if re.fullmatch(pattern, custom_id)]
