"""The checks of the import graph, on small packages with violations."""

from pathlib import Path

import pytest

from tests.layers import Edge, edges, module_cycles, package_cycles, violations


def package(root: Path, **files: str) -> Path:
    """A package `p` with these modules; `__` in a name stands for a folder."""
    for name, text in files.items():
        path = root / "p" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "imported"),
    [
        ("import p.low", "p.low"),
        ("import p.low.leaf as leaf", "p.low.leaf"),
        ("from p import low", "p.low"),
        ("from p.low import leaf", "p.low.leaf"),
        ("from p.low.leaf import name", "p.low.leaf"),
        ("from p.low import name", "p.low"),
        ("from .. import low", "p.low"),
        ("from ..low import leaf", "p.low.leaf"),
        ("from .sibling import name", "p.high.sibling"),
        ("from . import sibling", "p.high.sibling"),
        ("def later():\n    from p.low import leaf", "p.low.leaf"),
        ("if TYPE_CHECKING:\n    from p.low import leaf", "p.low.leaf"),
    ],
)
def test_each_kind_of_import_is_an_edge(tmp_path: Path, text: str, imported: str) -> None:
    """This includes imports in functions and under TYPE_CHECKING, and relative imports."""
    root = package(tmp_path, high__top=text, high__sibling="", low__leaf="import os")
    assert edges(root, "p") == {Edge("p.high.top", imported)}


def test_a_relative_import_in_a_package_starts_at_the_package(tmp_path: Path) -> None:
    """One dot in `__init__.py` is the package itself."""
    root = package(tmp_path, low__leaf="")
    (root / "p" / "low" / "__init__.py").write_text("from .leaf import name")
    assert edges(root, "p") == {Edge("p.low", "p.low.leaf")}


def test_module_cycles_are_found(tmp_path: Path) -> None:
    """Cycles of any length are found; a module that imports a cycle is not part of it."""
    root = package(tmp_path, a="import p.b", b="import p.c", c="import p.a", d="import p.a", e="")
    assert module_cycles(edges(root, "p")) == [["p.a", "p.b", "p.c"]]


def test_package_cycles_are_found_without_module_cycles(tmp_path: Path) -> None:
    """Two packages may import each other through different modules, at any depth."""
    texts = {"a__x": "import p.b.y", "b__z": "import p.a.w", "a__w": "", "b__y": ""}
    root = package(tmp_path, **texts, **{f"deep__{name}": "" for name in texts})
    for name, text in texts.items():
        path = root / "p" / "deep" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("p.", "p.deep."))
    imports = edges(root, "p")
    assert module_cycles(imports) == []
    assert package_cycles(imports) == [["p.a", "p.b"], ["p.deep.a", "p.deep.b"]]


def test_layers_forbid_imports_upwards_and_sideways(tmp_path: Path) -> None:
    """Imports downwards and within one name of the table are allowed."""
    root = package(
        tmp_path,
        low="import p.high.top",
        beside="import p.low",
        high__top="import p.low, p.high.other",
        high__other="import p.stray",
        stray="",
    )
    assert violations(edges(root, "p"), "p", ["low beside", "high"]) == [
        "p.beside imports p.low, of its own layer",
        "p.low imports p.high.top, of a higher layer",
        "p.stray is in no layer",
    ]


def test_a_part_of_a_package_may_have_a_layer_of_its_own(tmp_path: Path) -> None:
    """A module belongs to the longest matching name of the table."""
    root = package(tmp_path, a__low="", a__high="import p.b", b="import p.a.low")
    assert violations(edges(root, "p"), "p", ["a.low", "b", "a"]) == []


def test_a_package_below_the_root_may_have_a_table_of_its_own(tmp_path: Path) -> None:
    """Its `__init__.py` has a row as well; modules without a row do not count as that file."""
    root = package(tmp_path, a__low="import p.a.stray", a__stray="", b="import p.a")
    (root / "p" / "a" / "__init__.py").write_text("from p.a import low")
    imports = edges(root, "p.a")
    assert imports == {Edge("p.a", "p.a.low"), Edge("p.a.low", "p.a.stray")}
    assert violations(imports, "p.a", ["low", "__init__"]) == ["p.a.stray is in no layer"]
    assert violations(imports, "p.a", ["__init__", "stray", "low"]) == [
        "p.a imports p.a.low, of a higher layer"
    ]
    assert violations(imports, "p.a", ["stray", "low"]) == ["p.a is in no layer"]
