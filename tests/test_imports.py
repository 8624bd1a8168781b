"""Who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.layers import edges, module_cycles, package_cycles, violations

ROOT = Path(__file__).parents[1]
PURE = {
    "db.rows",
    "domain",
    "messages.captions",
    "messages.components",
    "messages.grid",
    "messages.message_parser",
    "messages.moderation_cards",
    "messages.privacy_text",
    "prompt_filter",
}
SHOWS_DISCORD = {
    "app",
    "client",
    "context",
    "features",
    "messages.captions",
    "messages.channels",
    "messages.components",
    "messages.message_client",
    "messages.message_parser",
}
SPEAKS_SQL = {"db"}
COUNTS = {"monitoring.http_server", "monitoring.metrics"}
HEAVY = {"torch", "diffusers", "transformers"}
LAYERS = {
    "engine": [
        "contract errors",
        "log device weights samplers",
        "safety",
        "models",
        "imaging",
        "pipeline",
        "core",
        "server offline bench starter",
        "__main__",
    ],
}
"""Who may import whom: see `tests.layers.Layers`."""


def modules(package: str) -> list[Path]:
    """All its files."""
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The full names of what a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def tops(path: Path) -> set[str]:
    """The packages that a file imports from."""
    return {name.split(".")[0] for name in imported(path)}


def among(path: Path, names: set[str]) -> bool:
    """Is this one of these modules of the bot, or in one of these packages?"""
    parts = path.relative_to(ROOT / "bot").with_suffix("").parts
    return any(".".join(parts[:length]) in names for length in range(1, len(parts) + 1))


BOT = [path for path in modules("bot") if not among(path, {"playground"})]


@pytest.mark.parametrize("package", LAYERS)
def test_layers(package: str) -> None:
    """Imports go one way: down the table, and in no circle of modules or packages."""
    imports = edges(ROOT, package)
    assert violations(imports, package, LAYERS[package]) == []
    assert module_cycles(imports) == []
    assert package_cycles(imports) == []


@pytest.mark.parametrize("path", BOT, ids=str)
def test_the_bot_sees_of_the_engine_what_both_say(path: Path) -> None:
    """To each other, and into one log; and no more."""
    of_engine = {name for name in imported(path) if name.split(".")[0] == "engine"}
    shared = ("engine.contract", "engine.log")
    assert all(name == "engine" or name.startswith(shared) for name in of_engine)


@pytest.mark.parametrize("path", modules("engine"), ids=str)
def test_the_engine_never_sees_the_bot(path: Path) -> None:
    """And never learns what Discord is."""
    assert not tops(path) & {"bot", "discord", "aiosqlite", "sqlite3"}


@pytest.mark.parametrize("path", modules("bot/playground"), ids=str)
def test_the_playground_knows_neither_bot_nor_engine(path: Path) -> None:
    """Nor the library that it is made for."""
    assert not tops(path) & {"engine", "discord"}
    of_bot = {name for name in imported(path) if name.split(".")[0] == "bot"}
    assert all(name.startswith("bot.playground") for name in of_bot)


@pytest.mark.parametrize("path", BOT, ids=str)
def test_each_heavy_library_has_its_rooms(path: Path) -> None:
    """Discord, SQL, Prometheus and torch stay where they belong."""
    assert "discord" not in tops(path) or among(path, SHOWS_DISCORD)
    sql = {"sqlite3", "aiosqlite"}
    assert not tops(path) & sql or among(path, SPEAKS_SQL)
    assert "prometheus_client" not in tops(path) or among(path, COUNTS)
    assert not tops(path) & HEAVY


@pytest.mark.parametrize("path", [p for p in BOT if among(p, PURE)], ids=str)
def test_pure_modules_have_no_clock_no_chance_and_no_files(path: Path) -> None:
    """Facts come in as arguments."""
    banned = {"asyncio", "time", "datetime", "random", "secrets", "os", "pathlib", "aiohttp"}
    assert not tops(path) & banned


def test_the_sandbox_holds_little() -> None:
    """Pillow and the standard library: it starts for each sketch, and nothing in it is ours."""
    for name in ("image_decoder", "sandbox_main"):
        path = ROOT / "bot" / "attachments" / f"{name}.py"
        assert tops(path) - sys.stdlib_module_names <= {"PIL", "bot"}
        of_bot = {other for other in imported(path) if other.startswith("bot.")}
        assert all(other.startswith("bot.attachments.image_decoder") for other in of_bot)


@pytest.mark.parametrize("path", modules("engine/contract"), ids=str)
def test_the_contract_imports_nothing_of_ours(path: Path) -> None:
    """It is what everybody else rests on."""
    ours = {name for name in imported(path) if name.split(".")[0] in {"bot", "engine"}}
    assert all(name.startswith("engine.contract.") for name in ours)


@pytest.mark.parametrize("path", modules("engine/log"), ids=str)
def test_the_log_of_both_rests_on_nothing_but_python(path: Path) -> None:
    """It is there before all else, in either process."""
    names = imported(path)
    ours = {each for each in names if each.split(".")[0] in {"bot", "engine"}}
    assert all(each.startswith("engine.log") for each in ours)
    assert {each.split(".")[0] for each in names - ours} <= set(sys.stdlib_module_names)


def test_the_bot_imports_without_torch() -> None:
    """On a machine that has no engine."""
    script = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import bot.__main__\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
