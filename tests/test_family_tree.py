"""Family trees: which relatives are shown, where they stand, and the drawing."""

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.messages.family_layout import MAX_DISTANCE, Place, nearest, places
from bot.messages.family_tree import Member, draw
from engine.contract.images.grid import MAX_SIDE

SMALL = {"b": "a", "c": "a", "d": "b", "e": "d"}


@st.composite
def families(draw: st.DrawFn) -> dict[str, str]:
    """The parents in a tree of any shape; the names ascend from parents to children."""
    count = draw(st.integers(0, 60))
    return {f"{n:03}": f"{draw(st.integers(0, n - 1)):03}" for n in range(1, count + 1)}


def test_all_of_a_small_family_is_shown() -> None:
    """Parents are before their children, and nothing is left out."""
    family = nearest(SMALL, "d")
    assert family.parents == {"a": None, "b": "a", "d": "b", "e": "d", "c": "a"}
    assert family.more == {}


def test_a_picture_without_relatives_is_alone() -> None:
    """It is a family of one."""
    assert nearest({}, "a").parents == {"a": None}


def test_the_nearest_relatives_are_shown() -> None:
    """Of those at one distance, the parent is first; the others are counted beside their own."""
    family = nearest(SMALL, "b", limit=2)
    assert family.parents == {"a": None, "b": "a"}
    assert family.more == {"a": 1, "b": 1}


def test_distant_generations_are_left_out() -> None:
    """A chain is cut on both sides."""
    chain = {f"{n + 1:03}": f"{n:03}" for n in range(40)}
    family = nearest(chain, "020")
    assert len(family.parents) == 2 * MAX_DISTANCE + 1
    assert family.more == {"014": 1, "026": 1}


@given(families(), st.data())
def test_every_family_has_one_place_for_each_picture(
    parents: dict[str, str], data: st.DataObject
) -> None:
    """It is one tree with the asked picture in it, and no two pictures are at the same place."""
    asked = data.draw(st.sampled_from(sorted({"000", *parents})))
    family = nearest(parents, asked, limit=30)
    assert asked in family.parents
    assert len(family.parents) <= 30
    shown = list(family.parents)
    for nth, (child, parent) in enumerate(family.parents.items()):
        assert parent is None if nth == 0 else parent in shown[:nth]
        assert nth == 0 or parents[child] == parent
    spots = places(family.parents)
    assert len(set(spots.values())) == len(spots) == len(shown)
    for child, parent in family.parents.items():
        assert parent is None or spots[child].depth > spots[parent].depth


def test_parents_are_in_the_middle_of_their_children() -> None:
    """A chain is a straight line."""
    spots = places({"a": None, "b": "a", "d": "b", "c": "a"})
    assert spots == {"a": Place(0.5, 0), "b": Place(0, 1), "d": Place(0, 2), "c": Place(1, 1)}


def test_many_childless_siblings_are_a_block() -> None:
    """Nine are in three rows of three."""
    spots = places({"a": None, **{f"b{n}": "a" for n in range(9)}})
    assert spots["a"] == Place(1, 0)
    assert {(spots[f"b{n}"].breadth, spots[f"b{n}"].depth) for n in range(9)} == {
        (x, y) for x in range(3) for y in range(1, 4)
    }


def members(*names: str) -> dict[str, Member]:
    """Red pictures."""
    red = Image.new("RGB", (64, 64), (255, 0, 0))
    return {name: Member(red, ("variation", "guidance 7.5 -> 5")) for name in names}


def test_the_drawing_has_each_picture_and_a_frame_around_the_asked_one() -> None:
    """A picture that is not shown is blank; another asked picture moves the frame only."""
    family = nearest(SMALL, "b")
    shown = members("a", "b", "c", "d", "e")
    image = draw(family, shown, "b")
    red = dict(
        (colour, count) for count, colour in image.getcolors(image.width * image.height) or []
    )[(255, 0, 0)]
    assert red == 5 * 160 * 160
    assert draw(family, shown, "b").tobytes() == image.tobytes()
    assert draw(family, shown, "c").tobytes() != image.tobytes()
    blank = draw(family, {**shown, "c": Member("removed by moderators")}, "b")
    assert blank.size == image.size
    counts = dict(
        (colour, count) for count, colour in blank.getcolors(blank.width * blank.height) or []
    )
    assert counts[(255, 0, 0)] == 4 * 160 * 160


def test_a_large_family_stays_within_the_longest_side() -> None:
    """A chain of forty pictures, and forty siblings with children."""
    chain = {f"{n + 1:03}": f"{n:03}" for n in range(40)}
    wide = {f"{n:03}": "000" for n in range(1, 21)} | {
        f"{n + 20:03}": f"{n:03}" for n in range(1, 21)
    }
    for parents in (chain, wide):
        family = nearest(parents, "000", max_distance=100)
        image = draw(family, members(*family.parents), "000")
        assert max(image.size) <= MAX_SIDE
