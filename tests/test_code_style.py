"""Limits on the size of files and functions, and names that the code does not use."""

from pathlib import Path

import pytest

from tests.code_style import function_lines, identifiers, words_of

ROOT = Path(__file__).parents[1]
FILES = [
    str(path.relative_to(ROOT))
    for package in ("bot", "engine", "tests")
    for path in sorted((ROOT / package).rglob("*.py"))
]
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_TOP_FILES = {"bot": 10, "engine": 6}
BANNED_WORDS = {
    *("told", "whisper", "letter", "desk", "mishap", "dossier", "whereabouts", "lookout"),
    "remnants",
}
"""Names of an earlier vocabulary, for which the code has plain terms."""


def source(file: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES)
def test_files_are_short(file: str) -> None:
    """At most 400 lines."""
    assert len(source(file).splitlines()) <= MAX_LINES


@pytest.mark.parametrize("file", FILES)
def test_functions_are_short(file: str) -> None:
    """At most 60 lines, without decorators."""
    sizes = function_lines(source(file))
    assert [name for name, lines in sizes if lines > MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("file", FILES)
def test_no_banned_words(file: str) -> None:
    """Neither as identifiers nor as parts of identifiers or of the file's name."""
    names = identifiers(source(file)) | {Path(file).stem}
    assert [name for name in sorted(names) if words_of(name) & BANNED_WORDS] == []


@pytest.mark.parametrize("package", MAX_TOP_FILES)
def test_few_modules_are_outside_of_subpackages(package: str) -> None:
    """The rest is sorted into packages by subject."""
    assert len(list((ROOT / package).glob("*.py"))) <= MAX_TOP_FILES[package]


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("told", {"told"}),
        ("_was_told", {"was", "told"}),
        ("FrontDesk", {"front", "desk"}),
        ("DESK_ID", {"desk", "id"}),
        ("HTTPLetter2", {"http", "letter"}),
        ("letters", {"letters"}),
        ("__", set()),
    ],
)
def test_identifiers_are_split_into_words(identifier: str, words: set[str]) -> None:
    """At underscores, capitals and digits."""
    assert words_of(identifier) == words


def test_strings_and_comments_have_no_identifiers() -> None:
    """SQL columns and stored keys may have any name."""
    assert identifiers("row['letter']  # told") == {"row"}


def test_functions_are_measured_without_decorators() -> None:
    """Inner functions count for themselves and for the function around them."""
    text = "@cache\ndef a():\n    async def b():\n        pass\n"
    assert dict(function_lines(text)) == {"a": 3, "b": 2}
