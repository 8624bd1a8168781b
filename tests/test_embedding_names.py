"""The names of embeddings in prompts, and their vectors in chunks."""

from typing import Final

import pytest

from engine.contract.embedding_names import names_in, split_at_names
from engine.models.prompt_chunks import Token, cut_into_chunks

NAMES: Final = ("bad", "bad-hands", "My Style", "<cat-toy>")


@pytest.mark.parametrize(
    ("prompt", "used"),
    [
        ("a house", []),
        ("bad", ["bad"]),
        ("BAD, Bad", ["bad"]),
        ("badly abad bad_ bad1", []),
        ("a (bad:1.3) [house]", ["bad"]),
        ("bad-hands", ["bad-hands"]),
        ("bad-handsome", ["bad"]),
        ("bad-hands, bad", ["bad", "bad-hands"]),
        ("by my  style", ["My Style"]),
        ("my (style:1.2)", []),
        ("x<CAT-toy>y", ["<cat-toy>"]),
        ("red BREAK bad", ["bad"]),
    ],
)
def test_names_are_whole_words_in_any_case(prompt: str, used: list[str]) -> None:
    """The longest wins; brackets and breaks end words."""
    assert list(names_in(prompt, NAMES)) == used
    assert "".join(span.text for span in split_at_names(prompt, NAMES)) == prompt


def test_many_names_are_found() -> None:
    """The longest of thousands that begin alike."""
    names = tuple(f"style {nth}" for nth in range(5_000))
    assert names_in("style " * 200 + "style 42, STYLE 4999", names) == ("style 42", "style 4999")


def test_an_embedding_is_not_split() -> None:
    """A comma before it is the end of a chunk only if the chunk is full."""
    comma, group = Token(9), [Token(5), Token(6, is_continuation=True)]
    tokens = [Token(1), comma, Token(2), *group, Token(3)]
    chunks = cut_into_chunks([tokens], 4, comma=9).chunks
    assert [[token.id for token in chunk] for chunk in chunks] == [[1, 9, 2], [5, 6, 3]]
    chunks = cut_into_chunks([tokens], 3, comma=9).chunks
    assert [[token.id for token in chunk] for chunk in chunks] == [[1, 9], [2, 5, 6], [3]]
