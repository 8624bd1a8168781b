"""Who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.layers import edges, module_cycles, package_cycles, violations

ROOT = Path(__file__).parents[1]
PURE = {
    "bot.db.rows",
    "bot.db.tables",
    "bot.domain",
    "bot.messages.captions",
    "bot.messages.components",
    "bot.messages.grid",
    "bot.messages.message_parser",
    "bot.messages.moderation_cards",
    "bot.messages.privacy_text",
    "bot.prompt_filter",
}
HEAVY = {"torch", "diffusers", "transformers"}
LAYERS = {
    "bot": [
        "errors playground",
        "aio",
        "domain engine_client prompt_filter storage",
        "domain.kinds",
        "db settings",
        "attachments monitoring",
        "services",
        "messages",
        "context",
        "features",
        "client",
        "app",
        "__main__",
    ],
    "bot.playground": [
        "errors clock faults",
        "model",
        "rest.validation",
        "rest.serializers",
        "rest",
        "gateway",
        "client",
        "page",
        "server",
        "__init__",
    ],
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
LIBRARIES = {
    "aiosqlite sqlite3": "bot.db",
    "diffusers torch transformers": (
        "engine.bench engine.core engine.device engine.models engine.pipeline engine.safety "
        "engine.samplers engine.starter"
    ),
    "discord": (
        "bot.app bot.client bot.context bot.features bot.messages.captions bot.messages.channels "
        "bot.messages.components bot.messages.message_client bot.messages.message_parser "
        "bot.messages.temporary_replies"
    ),
    "prometheus_client": "bot.monitoring.http_server bot.monitoring.metrics",
}
"""Which modules and packages alone may import a library."""


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


def is_among(path: Path, names: set[str]) -> bool:
    """Is this one of these modules, or in one of these packages?"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return any(".".join(parts[:length]) in names for length in range(1, len(parts) + 1))


BOT = [path for path in modules("bot") if not is_among(path, {"bot.playground"})]


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
    """It can be used without it."""
    assert "bot" not in tops(path)


@pytest.mark.parametrize("path", modules("bot/playground"), ids=str)
def test_the_playground_never_sees_the_engine(path: Path) -> None:
    """That it sees nothing of the bot either is in the table of layers."""
    assert "engine" not in tops(path)


@pytest.mark.parametrize("path", [*modules("bot"), *modules("engine")], ids=str)
def test_libraries_stay_where_they_belong(path: Path) -> None:
    """Discord, SQL, Prometheus and torch are each known to a few modules."""
    for libraries, places in LIBRARIES.items():
        assert not tops(path) & set(libraries.split()) or is_among(path, set(places.split()))


@pytest.mark.parametrize("path", [p for p in BOT if is_among(p, PURE)], ids=str)
def test_pure_modules_have_no_clock_no_chance_and_no_files(path: Path) -> None:
    """Facts come in as arguments."""
    banned = {"asyncio", "time", "datetime", "random", "secrets", "os", "pathlib", "aiohttp"}
    assert not tops(path) & banned


def test_the_sandbox_holds_little() -> None:
    """Pillow and the standard library: it starts for each sketch, and nothing in it is ours."""
    for name in ("image_decoder", "sandbox_main"):
        path = ROOT / "bot" / "attachments" / f"{name}.py"
        assert tops(path) - sys.stdlib_module_names <= {"PIL", "bot"}
        of_bot = {source for source in imported(path) if source.startswith("bot.")}
        assert all(source.startswith("bot.attachments.image_decoder") for source in of_bot)


@pytest.mark.parametrize("path", modules("engine/contract"), ids=str)
def test_the_contract_imports_nothing_of_ours(path: Path) -> None:
    """It is what everybody else rests on."""
    ours = {name for name in imported(path) if name.split(".")[0] in {"bot", "engine"}}
    assert all(name.startswith("engine.contract.") for name in ours)


@pytest.mark.parametrize("path", modules("engine/log"), ids=str)
def test_the_log_of_both_rests_on_nothing_but_python(path: Path) -> None:
    """It is there before all else, in either process."""
    names = imported(path)
    ours = {name for name in names if name.split(".")[0] in {"bot", "engine"}}
    assert all(name.startswith("engine.log") for name in ours)
    assert {name.split(".")[0] for name in names - ours} <= set(sys.stdlib_module_names)


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
