"""How the images of a request get into its recipes."""

import pytest

from bot.domain.job_input import (
    PENDING_IMAGE,
    InputRole,
    PlanInput,
    is_pending,
    pending_image,
    picture_url,
)
from bot.domain.plan_inputs import FetchedInput, with_inputs
from bot.errors import Refused
from engine.contract import Control, Img2Img, Inpaint, Recipe, Reference, ReferenceRole
from tests.samples import recipe
from tests.steered_model import STEERED

SIZE = (128, 64)


def fetched(role: InputRole, nth: int = 1, size: tuple[int, int] = SIZE) -> FetchedInput:
    """An input whose digest says what it is."""
    plan_input = PlanInput(role=role, nth=nth, url=f"https://a/{role}{nth}")
    return FetchedInput(plan_input, f"{role}{nth}", size)


def pending(**changes: object) -> Recipe:
    """A recipe of the model that takes all of this."""
    return recipe(model=STEERED.name, revision=STEERED.revision, **changes)


def reference(nth: int, role: ReferenceRole) -> Reference:
    """One that was not fetched yet."""
    image = pending_image(InputRole(role.value), nth)
    return STEERED.reference(image, role=role)


def test_each_input_takes_the_place_of_its_own_placeholder() -> None:
    """Also of several in one role. The sketch keeps the placeholder that it always had."""
    assert pending_image(InputRole.SKETCH) == PENDING_IMAGE
    incomplete = pending(
        source=Img2Img(PENDING_IMAGE, 0.5),
        controls=(STEERED.control("scribble", pending_image(InputRole.CONTROL)),),
        references=(
            reference(1, ReferenceRole.STYLE),
            reference(1, ReferenceRole.LIKE),
            reference(2, ReferenceRole.LIKE),
        ),
    )
    assert all(is_pending(image) for image in incomplete.images)
    items = [
        fetched(InputRole.LIKE, 2),
        fetched(InputRole.STYLE),
        fetched(InputRole.SKETCH),
        fetched(InputRole.CONTROL),
        fetched(InputRole.LIKE),
    ]
    [complete] = with_inputs([incomplete], [STEERED], items)
    assert complete.images == ("sketch1", "style1", "like1", "like2", "control1")
    assert not any(is_pending(image) for image in complete.images)


@pytest.mark.parametrize("role", InputRole)
def test_what_is_painted_over_or_followed_determines_the_size(role: InputRole) -> None:
    """So does what is mixed; other references and masks do not."""
    image = pending_image(role)
    source = Inpaint("a" * 64, image, 1.0) if role.is_mask else Img2Img(image, 0.5)
    [complete] = with_inputs([pending(source=source)], [STEERED], [fetched(role, size=(64, 64))])
    assert complete.images[-1] == f"{role}1"
    if not role.is_mask:
        [complete] = with_inputs([pending(source=source)], [STEERED], [fetched(role)])
        is_wide = role not in (InputRole.STYLE, InputRole.LIKE)
        assert (complete.width > complete.height) is is_wide


def test_a_mask_must_have_the_aspect_ratio_of_its_picture() -> None:
    """Not that of the painted size, which is rounded; a pixel of difference is none."""
    source = Inpaint(pending_image(InputRole.PICTURE), pending_image(InputRole.MASK), 1.0)
    picture = fetched(InputRole.PICTURE, size=(1000, 667))
    mask = fetched(InputRole.MASK, size=(500, 333))
    [complete] = with_inputs([pending(source=source)], [STEERED], [mask, picture])
    assert complete.source == Inpaint("picture1", "mask1", 1.0)
    other = fetched(InputRole.MASK, size=(500, 500))
    with pytest.raises(Refused, match="mask has 500x500 pixels and the picture 1000x667"):
        with_inputs([pending(source=source)], [STEERED], [picture, other])


def test_the_row_class_and_backend_fit_what_is_painted() -> None:
    """Steered pictures are run by torch, others by what the model names first."""
    control = Control(kind="scribble", revision="c1", image=pending_image(InputRole.CONTROL))
    plain, steered = with_inputs(
        [pending(), pending(controls=(control,))], [STEERED], [fetched(InputRole.CONTROL)]
    )
    assert plain.backend == STEERED.backend
    assert (steered.backend, plain.backend) == ("torch", "openvino")


def test_an_earlier_picture_is_an_input_by_its_id() -> None:
    """An attachment has none."""
    assert PlanInput(role=InputRole.PICTURE, url=picture_url("j1-2")).picture_id == "j1-2"
    assert PlanInput(role=InputRole.PICTURE, url="https://a/b").picture_id is None


def test_sentences_name_an_input() -> None:
    """Of several in one role, its number too."""
    nouns = [fetched(role).plan_input.noun for role in InputRole]
    assert "style picture" in nouns and "mask" in nouns
    assert fetched(InputRole.BLEND, 3).plan_input.noun == "picture 3"
