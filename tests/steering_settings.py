"""The settings of a bot whose tiny model takes a control, an IP-Adapter and a LoRA."""

from pathlib import Path

from diffusers import StableDiffusionPipeline

from tests.ip_adapter_writer import write_ip_adapter
from tests.lora_files import save_kohya
from tests.tiny_controls import save_control


def steering_settings(folder: Path, model: Path) -> dict[str, str]:
    """The variables; `scribble`, the adapter and the LoRA `fox` are written into the folder."""
    unet = StableDiffusionPipeline.from_pretrained(model).unet
    (folder / "loras").mkdir()
    save_kohya(folder / "loras" / "fox.safetensors", model)
    return {
        "IMAGINE_CONTROLS": f"scribble={save_control(folder / 'scribble', model)}",
        "IMAGINE_IP_ADAPTER": str(write_ip_adapter(folder / "adapter", unet)),
        "IMAGINE_LORAS": str(folder / "loras"),
    }
