"""What input images are called in sentences."""

import pytest

from engine.contract import Control, Img2Img, Reference, ReferenceRole
from engine.contract.images.nouns import as_subject, with_article
from engine.contract.input_names import input_name
from tests.samples import recipe

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


def reference(image: str, role: ReferenceRole) -> Reference:
    """A reference of a recipe."""
    return Reference(image=image, role=role, adapter="ip", revision="i1")


def test_an_image_is_called_what_it_is_for() -> None:
    """A reference has a number if there are several of its role."""
    steered = recipe(
        source=Img2Img(A, 0.5),
        controls=(Control(kind="scribble", image=B, revision="c1"),),
        references=(
            reference(C, ReferenceRole.LIKE),
            reference(D, ReferenceRole.STYLE),
        ),
    )
    assert [input_name(steered, image) for image in (A, B, C, D)] == [
        *("sketch", "sketch"),
        *("reference picture", "style picture"),
    ]
    blended = recipe(references=tuple(reference(image, ReferenceRole.BLEND) for image in (C, D)))
    assert [input_name(blended, image) for image in (C, D)] == ["picture 1", "picture 2"]


@pytest.mark.parametrize(
    ("noun", "article", "subject"),
    [("sketch", "the sketch", "The sketch"), ("picture 12", "picture 12", "Picture 12")],
)
def test_numbered_nouns_have_no_article(noun: str, article: str, subject: str) -> None:
    """As in English."""
    assert (with_article(noun), as_subject(noun)) == (article, subject)
