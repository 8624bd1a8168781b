"""The import graph of a package: edges, cycles, and violations of a table of layers."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Layers = Sequence[str]
"""The layers of a package, the lowest first. A layer is a string of names separated by spaces.

A name is a module or a package, relative to the package of the table; `__init__` is the file of
that package itself. Modules of a name may import from the same name and from lower layers, but not
from other names of their layer.
"""


class Edge(NamedTuple):
    """One module imports another; both are full names."""

    importer: str
    imported: str


def edges(root: Path, package: str) -> frozenset[Edge]:
    """All imports between modules of the package, whose path is relative to `root`.

    Imports in functions and under TYPE_CHECKING count too. `from package import name` is an import
    of the module `package.name` if it exists, otherwise of `package`. The implicit imports of the
    packages that contain a module are left out.
    """
    modules = {
        _module(root, path): path for path in root.joinpath(*package.split(".")).rglob("*.py")
    }
    return frozenset(
        Edge(importer, imported)
        for importer, path in modules.items()
        for imported in _imports(importer, path, modules)
        if imported != importer
    )


def _module(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(importer: str, path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            source = _source(importer, path, node)
            names = (f"{source}.{alias.name}" for alias in node.names)
            targets = (name if name in modules else source for name in names)
            yield from (name for name in targets if name in modules)


def _source(importer: str, path: Path, node: ast.ImportFrom) -> str:
    """The full name of the module after `from`; one dot is the package of the importer."""
    if node.level == 0:
        return node.module or ""
    up = node.level - 1 if path.name == "__init__.py" else node.level
    parts = importer.split(".")
    package = parts[: len(parts) - up]
    return ".".join([*package, node.module] if node.module else package)


def module_cycles(imports: frozenset[Edge]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others."""
    return _cycles(imports)


def package_cycles(imports: frozenset[Edge]) -> list[list[str]]:
    """Groups of packages that import each other; packages are compared with those beside them."""
    depth = max((name.count(".") for edge in imports for name in edge), default=0)
    return [
        cycle
        for level in range(1, depth + 1)
        for cycle in _cycles(frozenset(_among_siblings(imports, level)))
    ]


def _among_siblings(imports: frozenset[Edge], level: int) -> Iterator[Edge]:
    """The imports between parts of one package whose names have this many dots."""
    for edge in imports:
        importer, imported = (name.split(".") for name in edge)
        if importer[:level] == imported[:level]:
            parts = [".".join(name[: level + 1]) for name in (importer, imported)]
            if parts[0] != parts[1]:
                yield Edge(*parts)


def _cycles(imports: frozenset[Edge]) -> list[list[str]]:
    """Strongly connected components of more than one name."""
    reachable = _reachable(imports)
    groups = {
        tuple(sorted(member for member in names if name in reachable.get(member, ())))
        for name, names in reachable.items()
    }
    return [list(group) for group in sorted(groups) if group]


def _reachable(imports: frozenset[Edge]) -> dict[str, set[str]]:
    direct: dict[str, set[str]] = {}
    for edge in imports:
        direct.setdefault(edge.importer, set()).add(edge.imported)
    reachable: dict[str, set[str]] = {}
    for name in direct:
        names, todo = set[str](), [name]
        while todo:
            new = direct.get(todo.pop(), set()) - names
            names |= new
            todo += new
        reachable[name] = names
    return reachable


def violations(imports: frozenset[Edge], package: str, layers: Layers) -> list[str]:
    """A sentence for each violation: imports upwards or sideways, and modules without a layer."""
    levels = {
        f"{package}.{name}".removesuffix(".__init__"): level
        for level, row in enumerate(layers)
        for name in row.split()
    }
    sentences = {_violation(edge, package, levels) for edge in imports}
    return sorted(sentence for sentence in sentences if sentence is not None)


def _violation(edge: Edge, package: str, levels: Mapping[str, int]) -> str | None:
    names = [_part(module, package, levels) for module in edge]
    for module, name in zip(edge, names, strict=True):
        if name is None:
            return f"{module} is in no layer"
    importer, imported = (name or "" for name in names)
    if importer == imported or levels[imported] < levels[importer]:
        return None
    layer = "its own" if levels[imported] == levels[importer] else "a higher"
    return f"{edge.importer} imports {edge.imported}, of {layer} layer"


def _part(module: str, package: str, levels: Mapping[str, int]) -> str | None:
    """The longest name of the table that is the module or contains it."""
    if module == package:
        return package if package in levels else None
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), package.count(".") + 1, -1))
    return next((name for name in names if name in levels), None)
