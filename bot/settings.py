"""The bot's only reader of the environment and of .env."""

import os
import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final, Literal
from urllib import request

import yarl
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.domain.limits import LIMITS
from bot.errors import ExitCode, FatalError

DISCORD: Final = "https://discord.com/api/v10"
_LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_RAY_ADDRESS: Final = re.compile(
    r"ray://(?:\[(?P<ipv6>[^\]\s]+)\]|(?P<host>[\w.-]+)):(?P<port>[0-9]{1,5})/?", re.ASCII
)
_MAX_PORT: Final = 65535
_LOADER_VARIABLES: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_ENGINE_VARIABLES: Final = (
    "IMAGINE_MODEL",
    "IMAGINE_MODEL_CONFIG",
    "IMAGINE_DEVICE",
    "IMAGINE_OFFLOAD",
    "IMAGINE_WEIGHTS",
    "IMAGINE_CPU_BACKEND",
    "IMAGINE_EMBEDDINGS",
    "IMAGINE_CONTROLS",
    "IMAGINE_IP_ADAPTER",
    "IMAGINE_LORAS",
    "IMAGINE_PREVIEW_DECODER",
    "IMAGINE_CHECKERS",
    "IMAGINE_EXPANDER",
    "IMAGINE_CAPTIONER",
)
"""Settings that the engine gets if they are set."""


class Settings(BaseSettings):
    """The settings of the operator."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",  # editors on Windows write a byte order mark
        env_ignore_empty=True,
        extra="ignore",
    )

    discord_token: SecretStr | None = None
    """Without a token, the playground is served instead of Discord."""
    discord_api: str = Field(default=DISCORD, pattern=r"^https?://[^\s/]+")
    """Base URL of the REST API, which also returns the URL of the gateway."""
    imagine_data: Path = Path("data")
    """The folder of the database and the pictures."""
    imagine_engine: str = "local"
    """`local` for one engine process; `ray` for a cluster that runs while the bot does; or
    `ray://HOST:PORT` of the gateway of a cluster that runs by itself."""
    imagine_replicas: int | None = Field(default=None, ge=1, le=1000)
    """The replicas of `ray`; None is one for each GPU, or one without GPUs."""
    imagine_engine_token: SecretStr | None = None
    """The secret of the cluster at `ray://HOST:PORT`; None is that of a cluster which was started
    on this machine."""
    imagine_model: str | None = None
    """`starter`, folders, files or hub ids, with commas between them; None lets the engine choose
    by the hardware."""
    imagine_model_config: str | None = None
    """Diffusers folders with the configuration of single-file checkpoints, separated by commas."""
    imagine_device: str | None = None
    """What the engine computes on: `auto`, `cuda`, `rocm`, `mps`, `xpu` or `cpu`."""
    imagine_offload: str | None = None
    imagine_weights: str | None = None
    """Which networks stay in the host's memory: `none`, `text` or `all`."""
    imagine_cpu_backend: Literal["openvino", "openvino-bf16", "torch"] | None = None
    """What runs the models on a CPU; None is OpenVINO where it is installed."""
    imagine_embeddings: str | None = None
    """Folders of embeddings (textual inversion), separated by commas."""
    imagine_controls: str | None = None
    """ControlNets and T2I-Adapters, as `KIND=FOLDER_OR_ID`, separated by commas."""
    imagine_ip_adapter: str | None = None
    """IP-Adapters, which read reference images: folders, files or hub ids, separated by commas."""
    imagine_loras: str | None = None
    """Folders of LoRAs, separated by commas; files may come and go while the engine runs."""
    imagine_preview_decoder: str | None = None
    """Small decoders of previews (AutoencoderTiny): folders or hub ids, separated by commas."""
    imagine_checkers: str | None = None
    """Safety checkers, separated by commas: `model`, or folders and hub ids of classifiers."""
    imagine_expander: str | None = None
    """The language model that expands prompts: a folder or a hub id."""
    imagine_captioner: str | None = None
    """The model that describes pictures: a folder or a hub id; None is the starter's own."""
    imagine_playground_port: int = Field(default=8765, ge=0, le=65535)
    imagine_adaptive: bool = False
    """Use larger batches under load: more pictures per second, but the bits of a request then
    depend on the load. Replays are exact all the same."""
    imagine_daily_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Engine seconds of one user in 24 hours; None for no limit."""
    imagine_max_pictures: int = Field(default=LIMITS.max_pictures, ge=1, le=100)
    """Pictures of one request."""
    imagine_max_seconds: float = Field(
        default=LIMITS.max_request_seconds, gt=0, allow_inf_nan=False
    )
    """Estimated engine seconds of one request."""
    imagine_role_factor: int = Field(default=LIMITS.role_factor, ge=1, le=1000)
    """Roles may get up to so many times the default limits."""
    imagine_retention_days: int | None = Field(default=None, ge=1, le=36500)
    """Finished jobs and their pictures are deleted after so many days; None is never."""
    imagine_source_url: str | None = Field(default=None, pattern=r"^https?://[^\s<>]{1,200}$")
    """Where the source of this bot is, for /about."""
    imagine_log: Literal["text", "json"] = "text"
    """Log lines as key=value, or as JSON objects."""
    imagine_log_level: Literal["debug", "info", "warning", "error"] = "info"
    imagine_log_prompts: bool = False
    """Log prompts too."""
    imagine_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Serves /metrics and /healthz; None disables them."""
    imagine_metrics_host: str = "127.0.0.1"
    https_proxy: str | None = Field(default=None, pattern=r"^https?://[^\s/]+/?$")
    """For all connections to Discord, and for downloads from the hub."""
    no_proxy: str = ""
    """Hosts that are reached without the proxy, separated by commas; those of this machine always
    are."""
    hf_token: SecretStr | None = None
    """For gated models on the Hugging Face hub."""

    @field_validator("discord_api")
    @classmethod
    def _without_last_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("imagine_engine")
    @classmethod
    def _is_engine(cls, value: str) -> str:
        if value not in {"local", "ray"} and _ray_address(value) is None:
            raise PydanticCustomError(
                "engine",
                "“{value}” is none of local, ray and ray://HOST:PORT, such as ray://10.0.0.1:7870 "
                "or ray://[fd00::1]:7870",
                {"value": value},
            )
        return value

    @property
    def engine_address(self) -> tuple[str, int] | None:
        """Host and port of the gateway of a cluster; None if the bot starts the engine."""
        return _ray_address(self.imagine_engine)

    def proxy_for(self, url: str) -> str | None:
        """The proxy for connections to this URL; None if it is reached directly."""
        host = yarl.URL(url).host or ""
        if self.https_proxy is None or host in _LOOPBACK_HOSTS:
            return None
        is_excluded = request.proxy_bypass_environment(  # type: ignore[attr-defined] # typeshed lacks it
            host, {"no": self.no_proxy}
        )
        return None if is_excluded else self.https_proxy

    def engine_environment(self) -> dict[str, str]:
        """The environment of the engine: ours without the Discord token, plus its settings."""
        secret = "DISCORD_TOKEN"  # noqa: S105 # not a secret: the name of the variable
        environment = {name: value for name, value in os.environ.items() if name.upper() != secret}
        environment |= {
            "IMAGINE_LOG": self.imagine_log,
            "IMAGINE_LOG_LEVEL": self.imagine_log_level,
            "IMAGINE_LOG_PROMPTS": str(self.imagine_log_prompts).lower(),
        }
        for name in _ENGINE_VARIABLES:
            value = getattr(self, name.lower())
            if value is not None:
                environment[name] = value
        if self.https_proxy is not None:
            environment |= {"HTTPS_PROXY": self.https_proxy, "NO_PROXY": self.no_proxy}
        if self.hf_token is not None:
            environment["HF_TOKEN"] = self.hf_token.get_secret_value()
        return environment


def _ray_address(value: str) -> tuple[str, int] | None:
    """Host and port of `ray://HOST:PORT`; None if it is not valid."""
    match = _RAY_ADDRESS.fullmatch(value)
    if match is None or not 1 <= int(match["port"]) <= _MAX_PORT:
        return None
    if match["ipv6"] is None:
        return match["host"], int(match["port"])
    try:
        return str(IPv6Address(match["ipv6"])), int(match["port"])
    except ValueError:
        return None


def sandbox_environment() -> dict[str, str]:
    """The environment of sandboxed programs: only what Python needs to start."""
    return {name: os.environ[name] for name in _LOADER_VARIABLES if name in os.environ}


def load() -> Settings:
    """Read the settings. Raises FatalError, which names the invalid one."""
    try:
        return Settings()
    except UnicodeDecodeError:
        raise FatalError(
            "The file .env is not UTF-8 text; save it as UTF-8.", ExitCode.SETTINGS
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        raise FatalError(
            f"The setting {name} is invalid: {first['msg']}.", ExitCode.SETTINGS
        ) from None
