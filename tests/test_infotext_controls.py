"""Controls and references in the text about a picture."""

from engine.contract import Control, Preprocessor, Reference, ReferenceRole
from engine.contract.infotext import read_infotext, write_infotext
from tests.samples import recipe

LINES = Control(
    kind="scribble",
    revision="1a2b3c4d5e6f",
    image="b" * 64,
    preprocessor=Preprocessor.SCRIBBLE,
    scale=0.8,
    end=0.5,
)
STYLE = Reference(
    image="c" * 64, role=ReferenceRole.STYLE, scale=0.6, adapter="ip", revision="9" * 40
)


def test_each_is_a_unit_of_the_controlnet_extension() -> None:
    """With its scale and steps; the digests of the images are not in the text."""
    text = write_infotext(recipe(controls=(LINES,), references=(STYLE,)))
    assert (
        'ControlNet 0: "Module: scribble, Model: scribble [1a2b3c4d], Weight: 0.8, '
        'Guidance Start: 0, Guidance End: 0.5"'
    ) in text
    assert 'ControlNet 1: "Module: ip-adapter style, Model: ip [99999999], Weight: 0.6' in text
    assert "bbbb" not in text and "cccc" not in text


def test_they_are_not_used_when_the_text_is_read() -> None:
    """Their images are missing, and the user learns that they are."""
    text = write_infotext(recipe(controls=(LINES,), references=(STYLE,)))
    infotext = read_infotext(text)
    assert infotext is not None
    assert (infotext.prompt, infotext.seed) == ("a red house", 7)
    assert infotext.notes == ("Not used: ControlNet 0, ControlNet 1.",)
