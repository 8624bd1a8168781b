"""What the person who runs the bot can choose."""

from pathlib import Path

import pytest

from bot import settings
from bot.errors import ExitCode, FatalError

NAMES = (
    "DISCORD_TOKEN",
    "DISCORD_API",
    "IMAGINE_DATA",
    "IMAGINE_MODEL",
    "IMAGINE_CHECKERS",
    "IMAGINE_PLAYGROUND_PORT",
    "IMAGINE_ADAPTIVE",
    "IMAGINE_DAILY_SECONDS",
    "IMAGINE_RETENTION_DAYS",
    "IMAGINE_ROLE_FACTOR",
    "IMAGINE_LOG",
    "IMAGINE_LOG_LEVEL",
    "IMAGINE_LOG_PROMPTS",
    "IMAGINE_METRICS_PORT",
    "IMAGINE_METRICS_HOST",
    "HF_TOKEN",
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder and none of our variables."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_everything_has_a_default() -> None:
    """Without a token; Discord's own address; a folder beside us."""
    loaded = settings.load()
    assert loaded.discord_token is None
    assert loaded.discord_api == "https://discord.com/api/v10"
    assert loaded.imagine_data == Path("data")
    assert loaded.imagine_model is None
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
def test_roles_have_as_much_as_everybody_at_least(
    monkeypatch: pytest.MonkeyPatch, factor: str
) -> None:
    """If that is too much, everybody has too much."""
    monkeypatch.setenv("IMAGINE_ROLE_FACTOR", factor)
    with pytest.raises(FatalError, match="IMAGINE_ROLE_FACTOR"):
        settings.load()


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "never"])
def test_a_retention_of_no_days_is_refused(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    """Unset is for ever; there is no other way to say so."""
    monkeypatch.setenv("IMAGINE_RETENTION_DAYS", days)
    with pytest.raises(FatalError, match="IMAGINE_RETENTION_DAYS"):
        settings.load()


def test_an_env_file_counts_and_the_environment_counts_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As everywhere."""
    Path(".env").write_text("DISCORD_TOKEN=from-file\nIMAGINE_MODEL=from-file\nOTHER=1\n")
    monkeypatch.setenv("IMAGINE_MODEL", "from-environment")
    loaded = settings.load()
    assert loaded.discord_token is not None
    assert loaded.discord_token.get_secret_value() == "from-file"
    assert loaded.imagine_model == "from-environment"


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """DISCORD_TOKEN= is how people switch it off."""
    monkeypatch.setenv("DISCORD_TOKEN", "")
    assert settings.load().discord_token is None


def test_a_last_slash_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are appended to the address."""
    monkeypatch.setenv("DISCORD_API", "http://localhost:5/api/v10/")
    assert settings.load().discord_api == "http://localhost:5/api/v10"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGINE_PLAYGROUND_PORT", "many"),
        ("IMAGINE_PLAYGROUND_PORT", "70000"),
        ("IMAGINE_DAILY_SECONDS", "0"),
        ("IMAGINE_DAILY_SECONDS", "inf"),
        ("DISCORD_API", "x"),
        ("IMAGINE_LOG", "xml"),
        ("IMAGINE_LOG_LEVEL", "loud"),
        ("IMAGINE_METRICS_PORT", "0"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """With a code of its own."""
    monkeypatch.setenv(name, value)
    with pytest.raises(FatalError, match=name) as caught:
        settings.load()
    assert caught.value.exit is ExitCode.SETTINGS


def test_the_token_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the settings as text nor to the engine."""
    monkeypatch.setenv("DISCORD_TOKEN", "very-secret")
    loaded = settings.load()
    assert "very-secret" not in repr(loaded)
    assert "very-secret" not in loaded.engine_environment().values()


def test_the_engine_gets_model_and_hub_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when they stand in .env only."""
    Path(".env").write_text("IMAGINE_MODEL=starter\nHF_TOKEN=hf\n")
    environment = settings.load().engine_environment()
    assert (environment["IMAGINE_MODEL"], environment["HF_TOKEN"]) == ("starter", "hf")


def test_the_engine_gets_the_checkers() -> None:
    """None, so that it takes the model's own, unless somebody names others."""
    assert "IMAGINE_CHECKERS" not in settings.load().engine_environment()
    Path(".env").write_text("IMAGINE_CHECKERS=model,a/b\n")
    assert settings.load().engine_environment()["IMAGINE_CHECKERS"] == "model,a/b"


def test_both_processes_write_one_log() -> None:
    """The engine is told how."""
    Path(".env").write_text("IMAGINE_LOG=json\nIMAGINE_LOG_LEVEL=debug\nIMAGINE_LOG_PROMPTS=1\n")
    environment = settings.load().engine_environment()
    assert environment["IMAGINE_LOG"] == "json"
    assert environment["IMAGINE_LOG_LEVEL"] == "debug"
    assert environment["IMAGINE_LOG_PROMPTS"] == "true"


def test_an_env_file_may_begin_with_a_mark() -> None:
    """As Windows' editors like to begin files."""
    Path(".env").write_text("IMAGINE_MODEL=starter\n", encoding="utf-8-sig")
    assert settings.load().imagine_model == "starter"


def test_an_env_file_of_another_encoding_is_one_sentence() -> None:
    """PowerShell's `>` writes UTF-16."""
    Path(".env").write_text("IMAGINE_MODEL=starter\n", encoding="utf-16")
    with pytest.raises(FatalError, match="no UTF-8 text") as caught:
        settings.load()
    assert caught.value.exit is ExitCode.SETTINGS


def test_the_engine_never_gets_the_token_however_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The settings read it in any case of letters."""
    monkeypatch.setenv("discord_token", "very-secret")
    loaded = settings.load()
    assert loaded.discord_token is not None
    assert "very-secret" not in loaded.engine_environment().values()
