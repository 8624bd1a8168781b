"""The settings of the operator."""

from pathlib import Path

import pytest

from bot import settings
from bot.errors import ExitCode, FatalError

README = Path(__file__).parents[1] / "README.md"
NAMES = [name.upper() for name in settings.Settings.model_fields]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The working directory is empty, and no setting is in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_the_readme_lists_every_setting() -> None:
    """In the table of settings."""
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if "| `" in line]
    cells = [row.split("|")[1] for row in rows]
    assert [name for name in NAMES if not any(f"`{name}`" in cell for cell in cells)] == []


def test_everything_has_a_default() -> None:
    """The defaults are the playground, Discord's own API and a folder `data`."""
    loaded = settings.load()
    assert loaded.discord_token is None
    assert loaded.discord_api == "https://discord.com/api/v10"
    assert loaded.imagine_data == Path("data")
    assert loaded.imagine_model is None
    assert (loaded.imagine_engine, loaded.imagine_replicas) == ("local", None)
    assert loaded.imagine_playground_port == 8765
    assert not loaded.imagine_adaptive
    assert loaded.imagine_daily_seconds is None
    assert loaded.imagine_retention_days is None
    assert loaded.imagine_role_factor == 10
    assert (loaded.imagine_log, loaded.imagine_log_level) == ("text", "info")
    assert not loaded.imagine_log_prompts
    assert loaded.imagine_metrics_port is None
    assert loaded.imagine_metrics_host == "127.0.0.1"


@pytest.mark.parametrize("factor", ["0", "-1", "0.5", "many"])
def test_the_role_factor_is_at_least_one(monkeypatch: pytest.MonkeyPatch, factor: str) -> None:
    """A role cannot be given less than the default limits."""
    monkeypatch.setenv("IMAGINE_ROLE_FACTOR", factor)
    with pytest.raises(FatalError, match="IMAGINE_ROLE_FACTOR"):
        settings.load()


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "never"])
def test_the_retention_is_a_positive_number_of_days(
    monkeypatch: pytest.MonkeyPatch, days: str
) -> None:
    """Unset means that nothing expires."""
    monkeypatch.setenv("IMAGINE_RETENTION_DAYS", days)
    with pytest.raises(FatalError, match="IMAGINE_RETENTION_DAYS"):
        settings.load()


def test_the_environment_overrides_the_env_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Variables that only the file has are used as well."""
    Path(".env").write_text("DISCORD_TOKEN=from-file\nIMAGINE_MODEL=from-file\nOTHER=1\n")
    monkeypatch.setenv("IMAGINE_MODEL", "from-environment")
    loaded = settings.load()
    assert loaded.discord_token is not None
    assert loaded.discord_token.get_secret_value() == "from-file"
    assert loaded.imagine_model == "from-environment"


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DISCORD_TOKEN=` switches the token off."""
    monkeypatch.setenv("DISCORD_TOKEN", "")
    assert settings.load().discord_token is None


def test_a_trailing_slash_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are appended to the URL."""
    monkeypatch.setenv("DISCORD_API", "http://localhost:5/api/v10/")
    assert settings.load().discord_api == "http://localhost:5/api/v10"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGINE_ENGINE", "remote"),
        ("IMAGINE_ENGINE", "ray:"),
        ("IMAGINE_ENGINE", "ray://host"),
        ("IMAGINE_ENGINE", "ray://:7870"),
        ("IMAGINE_ENGINE", "ray://host:0"),
        ("IMAGINE_ENGINE", "ray://host:65536"),
        ("IMAGINE_ENGINE", "ray://host:7870/path"),
        ("IMAGINE_ENGINE", "ray://user@host:7870"),
        ("IMAGINE_ENGINE", "ray://fd00::1:7870"),
        ("IMAGINE_ENGINE", "ray://[fd00::x]:7870"),
        ("IMAGINE_ENGINE", "http://host:7870"),
        ("IMAGINE_REPLICAS", "0"),
        ("IMAGINE_REPLICAS", "two"),
        ("IMAGINE_PLAYGROUND_PORT", "many"),
        ("IMAGINE_PLAYGROUND_PORT", "70000"),
        ("IMAGINE_MAX_PICTURES", "0"),
        ("IMAGINE_MAX_PICTURES", "101"),
        ("IMAGINE_MAX_SECONDS", "0"),
        ("IMAGINE_DAILY_SECONDS", "0"),
        ("IMAGINE_DAILY_SECONDS", "inf"),
        ("DISCORD_API", "x"),
        ("IMAGINE_LOG", "xml"),
        ("IMAGINE_LOG_LEVEL", "loud"),
        ("IMAGINE_METRICS_PORT", "0"),
    ],
)
def test_an_invalid_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error has its own exit code."""
    monkeypatch.setenv(name, value)
    with pytest.raises(FatalError, match=name) as exc_info:
        settings.load()
    assert exc_info.value.exit is ExitCode.SETTINGS


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("local", None),
        ("ray", None),
        ("ray://10.0.0.1:7870", ("10.0.0.1", 7870)),
        ("ray://head.cluster:1/", ("head.cluster", 1)),
        ("ray://[fd00::1]:7870", ("fd00::1", 7870)),
        ("ray://[::ffff:10.0.0.1]:65535", ("::ffff:a00:1", 65535)),
    ],
)
def test_an_engine_may_be_a_cluster(
    monkeypatch: pytest.MonkeyPatch, value: str, address: tuple[str, int] | None
) -> None:
    """A cluster that runs by itself has an address."""
    monkeypatch.setenv("IMAGINE_ENGINE", value)
    assert settings.load().engine_address == address


def test_an_unknown_engine_is_answered_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sentence has the value and examples."""
    monkeypatch.setenv("IMAGINE_ENGINE", "ray://host")
    with pytest.raises(FatalError) as exc_info:
        settings.load()
    assert str(exc_info.value) == (
        "The setting IMAGINE_ENGINE is invalid: “ray://host” is none of local, ray and "
        "ray://HOST:PORT, such as ray://10.0.0.1:7870 or ray://[fd00::1]:7870."
    )


def test_the_token_stays_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither in the repr of the settings nor in the engine's environment."""
    monkeypatch.setenv("DISCORD_TOKEN", "very-secret")
    loaded = settings.load()
    monkeypatch.setenv("IMAGINE_ENGINE_TOKEN", "also-secret")
    assert "also-secret" not in repr(settings.load())
    assert "very-secret" not in repr(loaded)
    assert "very-secret" not in loaded.engine_environment().values()


def test_the_engine_gets_model_and_hub_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may also be set in .env only."""
    Path(".env").write_text("IMAGINE_MODEL=starter\nHF_TOKEN=hf\n")
    environment = settings.load().engine_environment()
    assert (environment["IMAGINE_MODEL"], environment["HF_TOKEN"]) == ("starter", "hf")


def test_the_engine_gets_the_checkers() -> None:
    """If none is set, the engine uses the checker of its model."""
    assert "IMAGINE_CHECKERS" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_CHECKERS=model,a/b\n")
    assert settings.load().engine_environment()["IMAGINE_CHECKERS"] == "model,a/b"


def test_the_engine_gets_the_backend_of_a_cpu() -> None:
    """If none is set, the engine takes OpenVINO where it is installed."""
    assert "IMAGINE_CPU_BACKEND" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_CPU_BACKEND=torch\n")
    assert settings.load().engine_environment()["IMAGINE_CPU_BACKEND"] == "torch"


def test_the_engine_gets_the_device() -> None:
    """If none is set, the engine takes the first that torch offers."""
    assert "IMAGINE_DEVICE" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_DEVICE=cpu\n")
    assert settings.load().engine_environment()["IMAGINE_DEVICE"] == "cpu"


def test_the_engine_gets_the_offloading() -> None:
    """If it is not set, all networks are on the device."""
    assert "IMAGINE_OFFLOAD" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_OFFLOAD=text\n")
    assert settings.load().engine_environment()["IMAGINE_OFFLOAD"] == "text"


def test_the_engine_gets_how_weights_are_stored() -> None:
    """If it is not set, they are stored as they compute."""
    assert "IMAGINE_WEIGHTS" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_WEIGHTS=float8\n")
    assert settings.load().engine_environment()["IMAGINE_WEIGHTS"] == "float8"


def test_the_engine_gets_the_folders_of_embeddings() -> None:
    """If none is set, there are none."""
    assert "IMAGINE_EMBEDDINGS" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_EMBEDDINGS=/models/ti\n")
    assert settings.load().engine_environment()["IMAGINE_EMBEDDINGS"] == "/models/ti"


def test_the_engine_gets_the_folders_of_loras() -> None:
    """If none is set, there are none."""
    assert "IMAGINE_LORAS" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_LORAS=/models/loras\n")
    assert settings.load().engine_environment()["IMAGINE_LORAS"] == "/models/loras"


def test_the_engine_gets_the_controls() -> None:
    """If none is set, only the starter has one."""
    assert "IMAGINE_CONTROLS" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_CONTROLS=scribble=/models/scribble,canny=a/b\n")
    value = settings.load().engine_environment()["IMAGINE_CONTROLS"]
    assert value == "scribble=/models/scribble,canny=a/b"


def test_the_engine_gets_the_preview_decoders() -> None:
    """If none is set, previews are made by a linear map."""
    assert "IMAGINE_PREVIEW_DECODER" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_PREVIEW_DECODER=/models/taesd\n")
    assert settings.load().engine_environment()["IMAGINE_PREVIEW_DECODER"] == "/models/taesd"


def test_the_engine_gets_the_configuration_of_checkpoints() -> None:
    """If none is set, the engine asks the hub."""
    assert "IMAGINE_MODEL_CONFIG" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_MODEL_CONFIG=/models/sd15\n")
    assert settings.load().engine_environment()["IMAGINE_MODEL_CONFIG"] == "/models/sd15"


def test_the_engine_gets_the_log_settings() -> None:
    """Both processes write the same kind of log."""
    Path(".env").write_text("IMAGINE_LOG=json\nIMAGINE_LOG_LEVEL=debug\nIMAGINE_LOG_PROMPTS=1\n")
    environment = settings.load().engine_environment()
    assert environment["IMAGINE_LOG"] == "json"
    assert environment["IMAGINE_LOG_LEVEL"] == "debug"
    assert environment["IMAGINE_LOG_PROMPTS"] == "true"


def test_an_env_file_may_have_a_byte_order_mark() -> None:
    """Editors on Windows write one."""
    Path(".env").write_text("IMAGINE_MODEL=starter\n", encoding="utf-8-sig")
    assert settings.load().imagine_model == "starter"


def test_an_env_file_in_utf_16_is_an_error() -> None:
    """PowerShell's `>` writes UTF-16."""
    Path(".env").write_text("IMAGINE_MODEL=starter\n", encoding="utf-16")
    with pytest.raises(FatalError, match="not UTF-8 text") as exc_info:
        settings.load()
    assert exc_info.value.exit is ExitCode.SETTINGS


def test_the_engine_never_gets_a_token_in_lower_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Settings ignore case, and so does the filter of the environment."""
    monkeypatch.setenv("discord_token", "very-secret")
    loaded = settings.load()
    assert loaded.discord_token is not None
    assert "very-secret" not in loaded.engine_environment().values()
