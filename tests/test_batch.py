"""Which rows share a forward pass."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from engine.batch import batches, rows
from engine.contract import Recipe, Sampler


@dataclass(frozen=True)
class Picture:
    """A picture in progress."""

    recipe: Recipe


def picture(width: int, row_class: int, guidance: float) -> Picture:
    """One of this kind."""
    recipe = Recipe(
        model="starter",
        revision="0",
        prompt="x",
        seed=0,
        steps=1,
        guidance=guidance,
        sampler=Sampler.EULER,
        width=width,
        height=64,
        row_class=row_class,
    )
    return Picture(recipe)


PICTURES = st.builds(picture, st.sampled_from([64, 72]), st.sampled_from([2, 8]), st.floats(0, 5))


@given(st.lists(PICTURES, max_size=20))
def test_every_picture_is_in_one_batch(pictures: list[Picture]) -> None:
    """None is forgotten and none is painted twice."""
    batched = [id(one) for batch in batches(pictures) for one in batch]
    assert sorted(batched) == sorted(map(id, pictures))


@given(st.lists(PICTURES, max_size=20))
def test_a_batch_is_of_one_kind_and_not_too_large(pictures: list[Picture]) -> None:
    """Same size, same row class, and no more rows than the class has."""
    for batch in batches(pictures):
        kinds = {(one.recipe.width, one.recipe.row_class) for one in batch}
        assert len(kinds) == 1
        assert sum(rows(one.recipe) for one in batch) <= batch[0].recipe.row_class


def test_a_grid_is_one_batch() -> None:
    """Four guided pictures of row class 8 share each forward pass."""
    assert [len(batch) for batch in batches([picture(64, 8, 5.0)] * 4)] == [4]
    assert [len(batch) for batch in batches([picture(64, 2, 5.0)] * 4)] == [1] * 4
