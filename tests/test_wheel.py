"""The wheel is built from the project's files and installed outside the checkout."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import pytest_asyncio

from bot.db.database import FILENAME

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = ("bot", "engine", "migrations", "pyproject.toml", "README.md", "LICENSE")
ACTION: Final = {"X-Playground": "1"}
"""The header without which the playground refuses POST requests."""
pytestmark = pytest.mark.timeout(300)


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """The command's standard output; the test fails with its standard error if it fails."""
    result = subprocess.run(
        command,
        cwd=cwd,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def environment() -> Mapping[str, str]:
    """This process's environment, without paths into the checkout and without a token."""
    skipped = ("PYTHONPATH", "DISCORD", "IMAGINE")
    return {name: value for name, value in os.environ.items() if not name.startswith(skipped)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built without a network from a copy of the sources."""
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", out)
    run(sys.executable, "-m", "pip", "wheel", *options, source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts folder of a virtual environment with the wheel.

    All other packages are those of this environment: a .pth file adds its site-packages. The
    .pth files in there, and so the editable install of the checkout, are not read.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=os.name != "nt")
    paths = {"base": str(folder), "platbase": str(folder)}
    scripts = Path(sysconfig.get_path("scripts", "venv", paths))
    options = ("install", "--quiet", "--no-deps", "--no-index")
    run(sys.executable, "-m", "pip", "--python", scripts / "python", *options, wheel)
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "others.pth").write_text("\n".join(others), encoding="utf-8")
    return scripts


@pytest_asyncio.fixture
async def url(scripts: Path, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of the playground of `imagine-bot`, started in an empty folder without settings."""
    process = await asyncio.create_subprocess_exec(
        scripts / "imagine-bot",
        cwd=tmp_path,
        env={**environment(), "IMAGINE_MODEL": "starter", "IMAGINE_PLAYGROUND_PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(120):
        async for line in process.stdout:
            words = line.decode().split()
            if words and words[-1].startswith("http://127.0.0.1"):
                break
    yield words[-1]
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0


def test_the_wheel_has_all_files_that_are_read_at_run_time(wheel: Path) -> None:
    """These are migrations, page, starter model, its classifier and what steers it; no tests."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    needed = [
        *ROOT.glob("migrations/[0-9]*.sql"),
        *ROOT.glob("bot/playground/static/*"),
        ROOT / "engine/starter/classifier.safetensors",
        *ROOT.glob("bot/i18n/locales/**/*"),
        *(
            path
            for folder in ("model", "controls", "loras", "ip_adapter")
            for path in ROOT.glob(f"engine/starter/{folder}/**/*")
        ),
        *ROOT.glob("bot/**/*.py"),
        *ROOT.glob("engine/**/*.py"),
    ]
    files = {path.relative_to(ROOT).as_posix() for path in needed if path.is_file()}
    assert files <= packed
    rest = {name for name in packed - files if ".dist-info/" not in name}
    assert rest == set()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in packed)


def test_the_checkout_is_not_imported(scripts: Path, tmp_path: Path) -> None:
    """Both packages are imported from the new environment."""
    code = "import bot, engine; print(bot.__file__); print(engine.__file__)"
    for path in run(scripts / "python", "-c", code, cwd=tmp_path).split():
        assert Path(path).is_relative_to(scripts.parent)


async def test_imagine_bot_paints_in_the_playground(url: str, tmp_path: Path) -> None:
    """The page is served, the database created in ./data, and /imagine shows pictures."""
    async with aiohttp.ClientSession(url, headers=ACTION) as page:
        async with page.get("/") as response:
            assert "/static/page.js" in await response.text()
        async with page.get("/static/page.js") as response:
            assert response.status == 200
        async with page.get("/playground/people") as response:
            channels = (await response.json())["channels"]
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("as", "Ada")
        form.add_field("channel", channels[0]["id"])
        form.add_field("text", "/imagine a red house at night steps:4")
        async with page.post("/playground/send", data=form) as response:
            assert await response.json() == {}
    data = tmp_path / "data"
    async with asyncio.timeout(120):
        while (status := job_status(data)) not in ("done", "failed"):  # noqa: ASYNC110 # a file
            await asyncio.sleep(0.1)
    assert status == "done"
    assert len(list(data.rglob("*.png"))) >= 4


def job_status(data: Path) -> str:
    """The status of the only job."""
    connection = sqlite3.connect(data / FILENAME)
    (status,) = connection.execute("SELECT status FROM jobs").fetchone()
    connection.close()
    return str(status)


def test_the_engine_paints_alone(scripts: Path, tmp_path: Path) -> None:
    """It is started in another folder and finds the starter model."""
    options = ("--model", "starter", "--steps", "2", "--out", "pictures")
    command = (scripts / "python", "-m", "engine", "paint", "a red house", *options)
    run(*command, cwd=tmp_path, IMAGINE_CPU_BACKEND="torch")
    assert (tmp_path / "pictures" / "0.png").exists()
