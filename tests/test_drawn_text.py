"""Text in drawings: lines that fit, and fonts for all scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from engine.contract.images import fonts, labels


@given(st.text(max_size=80), st.integers(9, 40), st.integers(20, 300), st.integers(1, 3))
def test_lines_fit_into_their_width(text: str, size: int, width: int, count: int) -> None:
    """Any text becomes at most so many lines, none of them wider than allowed."""
    lines = labels.text_lines(text, size, max(width, 2 * size), count)
    assert len(lines) <= count
    assert all(labels.text_width(line, size) <= max(width, 2 * size) for line in lines)


def test_names_are_broken_between_their_parts() -> None:
    """Values stay whole, and what does not fit is cut with an ellipsis."""
    assert labels.text_lines("dpmpp_2m_karras", 16, 100, 2) == ["dpmpp_2m_", "karras"]
    assert labels.text_lines("7.5", 16, 90, 2) == ["7.5"]
    [line] = labels.text_lines("a lighthouse on a cliff at night", 16, 90)
    assert line.startswith("a lighth") and line.endswith("…")
    assert labels.text_lines("赤い家と灯台", 16, 70, 2) == ["赤い家と", "灯台"]


def pixels(text: str) -> bytes:
    """A line of text, drawn."""
    image = Image.new("RGB", (400, 40))
    labels.draw_lines(ImageDraw.Draw(image), (0, 0, 400, 40), [text], 20, (255, 255, 255))
    return image.tobytes()


@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("Café 2×", "NotoSans"),
        ("Дом", "NotoSans"),
        ("Ένα", "NotoSans"),
        ("家の", "NotoSansCJK"),
        ("집", "NotoSansCJK"),
        ("بيت", "NotoSansArabic"),
        ("בית", "NotoSansHebrew"),
        ("घर", "NotoSansDevanagari"),
        ("บ้าน", "NotoSansThai"),
        ("😀👍🏽", "NotoEmoji"),
        ("♥", "NotoEmoji"),
    ],
)
def test_every_script_has_a_font(text: str, font: str) -> None:
    """The words are kept and drawn without boxes."""
    assert labels.drawable(text) == text
    assert {run.font for run in fonts.runs(text.replace(" ", ""))} == {font}
    assert pixels(text) != pixels("\ue000" * len(text))


def test_what_no_font_has_is_a_box_beside_the_rest_of_the_word() -> None:
    """This includes characters for private use; controls are left out."""
    assert labels.drawable("a\ue000b\x07\u202e\ufe0f\n c") == "a\ue000b c"
    assert pixels("\ue000") == pixels("\uffff") != pixels("")
    assert labels.drawable("\ud83d") == "\ufffd"
    assert labels.drawable("𝓕ancy e\u0301") == "Fancy é"


def test_parts_of_a_line_are_in_the_order_of_reading() -> None:
    """Arabic words are drawn from right to left, each by the font of its script."""
    arabic = "NotoSansArabic"
    assert fonts.runs("a بيت أحمر") == (
        fonts.Run("a ", fonts.BASE),
        fonts.Run("أحمر", arabic, is_right_to_left=True),
        fonts.Run(" ", fonts.BASE, is_right_to_left=True),
        fonts.Run("بيت", arabic, is_right_to_left=True),
    )


@pytest.mark.skipif(not fonts.HAS_SHAPING, reason="Pillow finds no FriBiDi here")
@pytest.mark.parametrize("text", ["بيت", "👨\u200d👩\u200d👧"])
def test_letters_and_emoji_are_joined(text: str) -> None:
    """They are narrower than their parts beside each other."""
    assert labels.text_width(text, 40) < sum(labels.text_width(sign, 40) - 1 for sign in text)


def test_latin_text_depends_on_nothing_of_the_machine() -> None:
    """It is drawn by a font of a package, without libraries that may be missing."""
    font = fonts.load(fonts.BASE, 20)
    assert font.layout_engine == ImageFont.Layout.BASIC
    assert "manimgx_fonts" in str(font.path)
    assert {run.font for run in fonts.runs("dpmpp_2m -> 7.5 (Größe …)")} == {fonts.BASE}


def test_a_line_keeps_its_place_if_a_part_has_another_font() -> None:
    """Both parts are on one baseline."""
    alone, beside = (
        Image.frombytes("RGB", (400, 40), pixels(text)).crop((200, 0, 400, 40)).getbbox()
        for text in ("家xxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxxxx")
    )
    assert alone is not None and beside is not None
    assert (alone[1], alone[3]) == (beside[1], beside[3])
