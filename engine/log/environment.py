"""Set up the log of a process of the engine as the environment says."""

import os
from typing import Final

from engine.log import configure
from engine.log.redaction import register_secret

SECRETS: Final = ("IMAGINE_ENGINE_TOKEN", "RAY_AUTH_TOKEN", "HF_TOKEN")


def configure_from_environment() -> None:
    """Use IMAGINE_LOG, IMAGINE_LOG_LEVEL and IMAGINE_LOG_PROMPTS, and leave out the secrets."""
    setting = os.environ.get
    configure(
        "engine",
        in_json=setting("IMAGINE_LOG") == "json",
        level=setting("IMAGINE_LOG_LEVEL") or "info",
        prompts=setting("IMAGINE_LOG_PROMPTS") == "true",
    )
    for name in SECRETS:
        register_secret(setting(name, ""))
