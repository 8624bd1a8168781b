"""The front matter of model cards, also of damaged ones."""

from pathlib import Path
from time import process_time

import pytest

from engine.weights.readme import Readme, read_readme


@pytest.mark.parametrize(
    ("text", "readme"),
    [
        ("---\nlicense: mit\n---\n# A model", Readme("mit")),
        ("\ufeff---\r\nlicense: mit\r\n---", Readme("mit")),
        ("---\nlicense: other\nlicense_name: sai-nc\n---\n", Readme("sai-nc")),
        ("---\nlicense: other\n---\n", Readme("other")),
        ("---\nlicense: [mit, apache-2.0]\n---\n", Readme("mit, apache-2.0")),
        ("---\ntags: [a, 7]\nbase_model: b/c\n---\n", Readme(None, ("a", "7", "b/c"))),
        ('---\nlicense: "one\\ntwo"\n---\n', Readme("one two")),
        ('---\nlicense: "\\e[31mmit\\a"\n---\n', Readme("[31mmit")),
        ("# A model\nlicense: mit", Readme()),
        ("---\nlicense: [mit\n---\n", Readme()),
        ("---\n- mit\n---\n", Readme()),
        ("---\ndate: 2026-99-99\nlicense: mit\n---\n", Readme("mit")),
        ("---\nx: &x {license: mit}\n<<: *x\n---\n", Readme()),
        ("---\n\nlicense: mit\n---\n", Readme("mit")),
        ('---\nx: "\\U00110000"\n---\n', Readme()),
        ('---\nx: "\\UFFFFFFFF"\n---\n', Readme()),
        ("---\nx: " + "[" * 5000 + "\n---\n", Readme()),
        ("---\nx: !!python/object:os.system []\n---\n", Readme()),
        ("---\nx: " + "y" * 200_000 + "\nlicense: mit\n---\n", Readme()),
        ("", Readme()),
    ],
    ids=range(20),
)
def test_the_front_matter_is_read(tmp_path: Path, text: str, readme: Readme) -> None:
    """Damaged front matter is none."""
    (tmp_path / "README.md").write_text(text, encoding="utf-8", newline="")
    assert read_readme(tmp_path) == readme


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    """A folder in its place is no file, and bytes that are not UTF-8 are replaced."""
    assert read_readme(tmp_path) == Readme()
    (tmp_path / "README.md").write_bytes(b"---\nlicense: mit\ntags: [\xff]\n---\n")
    assert read_readme(tmp_path).licence == "mit"
    assert read_readme(tmp_path / "README.md") == Readme()


def test_blank_lines_are_read_quickly(tmp_path: Path) -> None:
    """Also if nothing follows them."""
    (tmp_path / "README.md").write_text("---" + "\n" * 90_000)
    start = process_time()
    assert read_readme(tmp_path) == Readme()
    assert process_time() - start < 5
