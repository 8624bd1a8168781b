"""The bot's only reader of the environment and of .env."""

import os
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.domain.limits import LIMITS
from bot.errors import ExitCode, FatalError

DISCORD: Final = "https://discord.com/api/v10"
_LOADER_VARIABLES: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Settings(BaseSettings):
    """What the person who runs the bot can choose."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",  # Windows' editors like to begin with a mark
        env_ignore_empty=True,
        extra="ignore",
    )

    discord_token: SecretStr | None = None
    """Without it the playground is served instead."""
    discord_api: str = Field(default=DISCORD, pattern=r"^https?://[^\s/]+")
    """Base URL of the REST API; the gateway is asked of it."""
    imagine_data: Path = Path("data")
    """The folder of the database and the pictures."""
    imagine_model: str | None = None
    """`starter`, a folder or a hub id; unset, the engine chooses by what the machine can do."""
    imagine_checkers: str | None = None
    """Who may withhold a picture: `model`, classifiers' folders and hub ids, with commas."""
    imagine_playground_port: int = Field(default=8765, ge=0, le=65535)
    imagine_adaptive: bool = False
    """Larger batches while there is much to do: more pictures a second, in other bits than the
    same request gets alone, and replays are still exact."""
    imagine_daily_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Of the engine for one person in 24 hours; unset, nobody counts."""
    imagine_role_factor: int = Field(default=LIMITS.role_factor, ge=1, le=1000)
    """How many times as much as everybody the admins of a server may give to a role."""
    imagine_retention_days: int | None = Field(default=None, ge=1, le=36500)
    """For how long finished jobs and their pictures are kept; unset, for ever."""
    imagine_log: Literal["text", "json"] = "text"
    """Each line of the log as key=value, or as a JSON object."""
    imagine_log_level: Literal["debug", "info", "warning", "error"] = "info"
    imagine_log_prompts: bool = False
    """May people's words be in the log?"""
    imagine_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Of /metrics and /healthz; without it there are none."""
    imagine_metrics_host: str = "127.0.0.1"
    hf_token: SecretStr | None = None
    """For models on the hub that are not open to everybody."""

    @field_validator("discord_api")
    @classmethod
    def _without_last_slash(cls, value: str) -> str:
        return value.rstrip("/")

    def engine_environment(self) -> dict[str, str]:
        """The environment of the engine: ours without what is none of its business."""
        secret = "DISCORD_TOKEN"  # noqa: S105 # its name, which is read in any case of letters
        inherited = {name: value for name, value in os.environ.items() if name.upper() != secret}
        inherited |= {
            "IMAGINE_LOG": self.imagine_log,
            "IMAGINE_LOG_LEVEL": self.imagine_log_level,
            "IMAGINE_LOG_PROMPTS": str(self.imagine_log_prompts).lower(),
        }
        if self.imagine_model is not None:
            inherited["IMAGINE_MODEL"] = self.imagine_model
        if self.imagine_checkers is not None:
            inherited["IMAGINE_CHECKERS"] = self.imagine_checkers
        if self.hf_token is not None:
            inherited["HF_TOKEN"] = self.hf_token.get_secret_value()
        return inherited


def sandbox_environment() -> dict[str, str]:
    """The environment of programs that are not trusted: what some systems need to start Python."""
    return {name: os.environ[name] for name in _LOADER_VARIABLES if name in os.environ}


def load() -> Settings:
    """Read the settings. Raises FatalError, naming what is wrong."""
    try:
        return Settings()
    except UnicodeDecodeError:
        raise FatalError(
            "The file .env is no UTF-8 text: save it as such.", ExitCode.SETTINGS
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        raise FatalError(
            f"The setting {name} is wrong: {first['msg']}.", ExitCode.SETTINGS
        ) from None
