"""Which modules may import which."""

import ast
import functools
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
    "bot.messages.about_text",
    "bot.messages.action_views",
    "bot.messages.alt_texts",
    "bot.messages.captions",
    "bot.messages.components",
    "bot.messages.engine_sentences",
    "bot.messages.family_layout",
    "bot.messages.family_tree",
    "bot.messages.gallery_text",
    "bot.messages.grid",
    "bot.messages.help_pages",
    "bot.messages.message_parser",
    "bot.messages.moderation_cards",
    "bot.messages.privacy_text",
    "bot.messages.queue_panel",
    "bot.messages.remix_forms",
    "bot.messages.settings_panel",
    "bot.prompt_filter",
}
HEAVY = {"torch", "diffusers", "transformers"}
LAYERS = {
    "bot": [
        "i18n playground",
        "errors",
        "aio",
        "domain engine_client prompt_filter storage",
        "domain.kinds",
        "db settings",
        "attachments monitoring",
        "gateway services",
        "messages",
        "context",
        "features",
        "client",
        "startup",
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
        "conditions",
        "client",
        "administration page",
        "server",
        "__init__",
    ],
    "engine": [
        "contract errors",
        "imaging",
        "flow_matching",
        "schedulers",
        "log device weights samplers",
        "safety upscale steering texts",
        "models",
        "pipeline",
        "core",
        "starter",
        "server offline bench",
        "cluster",
        "__main__",
    ],
}
"""The layers of each package, the lowest first: see `tests.layers.Layers`."""
LIBRARIES = {
    "aiosqlite sqlite3": "bot.db",
    "babel": "bot.i18n",
    "diffusers torch transformers": (
        "engine.bench engine.core engine.device engine.flow_matching engine.models engine.pipeline "
        "engine.safety engine.samplers engine.schedulers engine.starter engine.steering "
        "engine.texts"
    ),
    "discord": (
        "bot.client bot.context bot.startup.discord_connection bot.features bot.gateway "
        "bot.messages.captions "
        "bot.messages.action_views "
        "bot.messages.channels bot.messages.components bot.messages.direct_messages "
        "bot.messages.discord_errors bot.messages.history_texts bot.messages.remix_forms "
        "bot.messages.message_client bot.messages.message_content bot.messages.message_parser "
        "bot.messages.descriptions bot.messages.expansion_previews "
        "bot.messages.sketch_forms bot.messages.temporary_replies "
        "bot.messages.attachment_fetcher bot.messages.gallery_access bot.messages.gallery_posts "
        "bot.messages.upload_limits bot.messages.settings_panel "
        "bot.messages.help_pages bot.messages.languages bot.messages.presence "
        "bot.messages.poll_messages bot.messages.vote_reader "
        "bot.messages.queue_panel"
    ),
    "ncnn": "engine.upscale",
    "openvino": "engine.models.openvino_network engine.models.openvino_package",
    "ray": "engine.cluster",
    "prometheus_client": (
        "bot.monitoring.http_server bot.monitoring.metrics bot.monitoring.replica_metrics"
    ),
}
"""The only modules and packages that may import each library."""


def modules(package: str) -> list[Path]:
    """All modules of the package."""
    return sorted((ROOT / package).rglob("*.py"))


@functools.cache
def imported_names(path: Path) -> frozenset[str]:
    """The full names of what a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def top_level_packages(path: Path) -> set[str]:
    """The top-level packages that a file imports from."""
    return {name.split(".")[0] for name in imported_names(path)}


def is_among(path: Path, names: set[str]) -> bool:
    """Whether `path` is one of these modules, or in one of these packages."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return any(".".join(parts[:length]) in names for length in range(1, len(parts) + 1))


BOT = [path for path in modules("bot") if not is_among(path, {"bot.playground"})]


@pytest.mark.parametrize("package", LAYERS)
def test_layers(package: str) -> None:
    """Imports go down the table only, and there is no cycle of modules or packages."""
    imports = edges(ROOT, package)
    assert violations(imports, package, LAYERS[package]) == []
    assert module_cycles(imports) == []
    assert package_cycles(imports) == []


@pytest.mark.parametrize("path", BOT, ids=str)
def test_the_bot_imports_little_of_the_engine(path: Path) -> None:
    """It may import the engine's contract and log, which need no torch, and what the commands of a
    cluster leave for its clients."""
    engine_modules = {name for name in imported_names(path) if name.split(".")[0] == "engine"}
    shared = ("engine.contract", "engine.log", "engine.cluster.state")
    assert all(name == "engine" or name.startswith(shared) for name in engine_modules)


@pytest.mark.parametrize("path", modules("bot/features"), ids=str)
def test_features_use_services_and_not_the_stores(path: Path) -> None:
    """What a user may do and what is stored of it is decided in the services."""
    stores = ("bot.db", "bot.storage")
    assert not [name for name in imported_names(path) if name.startswith(stores)]


@pytest.mark.parametrize("path", modules("engine"), ids=str)
def test_the_engine_does_not_import_the_bot(path: Path) -> None:
    """The engine can be used without the bot."""
    assert "bot" not in top_level_packages(path)


@pytest.mark.parametrize("path", modules("bot/playground"), ids=str)
def test_the_playground_does_not_import_the_engine(path: Path) -> None:
    """The table of layers forbids that it imports the bot."""
    assert "engine" not in top_level_packages(path)


@pytest.mark.parametrize("path", [*modules("bot"), *modules("engine")], ids=str)
def test_only_the_listed_modules_import_a_library(path: Path) -> None:
    """Only a few modules each import discord, sqlite3, prometheus_client and torch."""
    for libraries, allowed in LIBRARIES.items():
        assert not top_level_packages(path) & set(libraries.split()) or is_among(
            path, set(allowed.split())
        )


@pytest.mark.parametrize("path", [p for p in BOT if is_among(p, PURE)], ids=str)
def test_pure_modules_use_no_clock_no_randomness_and_no_files(path: Path) -> None:
    """They get all facts as arguments."""
    banned = {"asyncio", "time", "datetime", "random", "secrets", "os", "pathlib", "aiohttp"}
    assert not top_level_packages(path) & banned


DECODER = (
    "bot.attachments.sandbox_main",
    "engine.contract.images.decode_result",
    "engine.contract.images.decoder",
    "engine.contract.images.formats",
    "engine.contract.images.pixels",
    "engine.contract.images.readers",
)
"""The program in the sandbox."""


@pytest.mark.parametrize("module", DECODER)
def test_the_sandbox_imports_little(module: str) -> None:
    """It imports Pillow and the standard library, so that it starts fast for each sketch."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    assert top_level_packages(path) - sys.stdlib_module_names <= {"PIL", "bot", "engine"}
    own_modules = {name for name in imported_names(path) if name.startswith(("bot.", "engine."))}
    assert all(name.startswith(DECODER) for name in own_modules)


@pytest.mark.parametrize("path", modules("engine/imaging"), ids=str)
def test_imaging_imports_no_other_module(path: Path) -> None:
    """It needs no torch."""
    own_modules = {name for name in imported_names(path) if name.split(".")[0] in {"bot", "engine"}}
    assert all(name.startswith(("engine.imaging", "engine.contract")) for name in own_modules)


@pytest.mark.parametrize("path", modules("engine/contract"), ids=str)
def test_the_contract_imports_no_other_module(path: Path) -> None:
    """All other modules depend on it."""
    own_modules = {name for name in imported_names(path) if name.split(".")[0] in {"bot", "engine"}}
    assert all(name.startswith("engine.contract.") for name in own_modules)


@pytest.mark.parametrize("path", modules("engine/log"), ids=str)
def test_the_log_imports_only_the_standard_library(path: Path) -> None:
    """It is imported before anything else, in either process."""
    names = imported_names(path)
    own_modules = {name for name in names if name.split(".")[0] in {"bot", "engine"}}
    assert all(name.startswith("engine.log") for name in own_modules)
    assert {name.split(".")[0] for name in names - own_modules} <= set(sys.stdlib_module_names)


def test_the_bot_imports_without_torch() -> None:
    """A machine without an engine needs no torch."""
    script = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import bot.__main__\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
