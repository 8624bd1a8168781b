"""`python -m engine models` describes models that it does not load."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file

from engine.__main__ import main
from engine.contract import Distilled, Sampler
from engine.device import select_device
from engine.errors import ExitCode
from engine.models import registry
from engine.weights.model_folder import EDIT_STARTER, FEW_STEP_STARTER, STARTER
from engine.weights.sizes import tensor_bytes
from tests import tiny_controls, tiny_model
from tests.checkpoint_headers import SD1_TEXT, VAE, unet, write_header
from tests.checkpoint_writer import sd1_tensors, write
from tests.ip_adapter_writer import write_ip_adapter
from tests.lora_files import save_kohya, save_peft

WITHOUT_TORCH: Final = (
    "import sys; sys.modules['torch'] = None\n"
    "from engine.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Stable Diffusion."""
    return tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def tiny_xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny SDXL whose model card says that it is distilled."""
    folder = tiny_model.save_xl(tmp_path_factory.mktemp("models") / "tiny-xl")
    (folder / "README.md").write_text(
        "---\nlicense: other\nlicense_name: sai-nc\nbase_model: stabilityai/sdxl-turbo\n---\n"
    )
    return folder


def described(capsys: pytest.CaptureFixture[str], *names: object) -> list[dict[str, Any]]:
    """The rows of the JSON for these models."""
    main(["models", "--json", "--model", ",".join(map(str, names))])
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    return rows


def test_a_row_is_what_the_loaded_model_says(
    tiny: Path, tiny_xl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Size, defaults, limits and samplers are those of its card."""
    rows = described(capsys, "starter", tiny, tiny_xl)
    for row, name in zip(rows, ("starter", str(tiny), str(tiny_xl)), strict=True):
        model = registry.load(name, select_device())
        card = model.card
        assert row["name"] == name
        assert row["native_size"] == card.native_size
        assert row["defaults"] == {
            "steps": card.steps,
            "guidance": card.guidance,
            "sampler": card.sampler,
        }
        names = ("distillation", "most_steps", "most_guidance")
        limits = None if card.distilled is None else Distilled(*(row[name] for name in names))
        assert card.distilled == limits
        assert row["samplers"] == list(card.samplers)
        if name == "starter":  # its control and its IP-Adapter come on top
            assert row["memory_bytes"] < model.memory_bytes
        else:
            assert row["memory_bytes"] == pytest.approx(model.memory_bytes, rel=0.1)
        assert row["can"] == ["txt2img", "img2img", "inpaint"]


def test_a_row_has_family_and_licence(
    tiny: Path, tiny_xl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The licence is what the model card names."""
    rows = described(capsys, "starter", tiny, tiny_xl)
    assert [row.get("licence") for row in rows] == ["mit", None, "sai-nc"]
    assert [row["family"] for row in rows] == [*["Stable Diffusion 1 and 2"] * 2, "SDXL"]
    assert rows[1]["disk_bytes"] == sum(
        file.stat().st_size for file in tiny.glob("*/*.safetensors")
    )


def test_memory_is_that_of_one_variant(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder may have the weights in float16 too."""
    folder = Path(shutil.copytree(tiny, tmp_path / "tiny"))
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copy(weights, weights.with_suffix(".fp16.safetensors"))
    both, one = described(capsys, folder, tiny)
    assert both["memory_bytes"] == one["memory_bytes"]
    assert both["disk_bytes"] == one["disk_bytes"] + weights.stat().st_size


def test_errors_do_not_hide_other_models(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is a sentence on standard error; the exit code is that of the first one."""
    broken = Path(shutil.copytree(tiny, tmp_path / "broken"))
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut off")
    flow = Path(shutil.copytree(tiny, tmp_path / "flow"))
    (flow / "scheduler" / "scheduler_config.json").write_text(
        '{"_class_name": "FlowMatchEulerDiscreteScheduler"}'
    )
    names = [str(tmp_path / "none"), str(broken), str(flow), str(tiny)]
    assert main(["models", "--model", ",".join(names)]) == ExitCode.MODEL_NOT_FOUND
    output = capsys.readouterr()
    heading, *lines = output.out.splitlines()
    assert heading.split()[:3] == ["model", "family", "pictures"]
    assert [line.split()[0] for line in lines] == names
    assert [line.endswith("not on this machine") for line in lines] == [True, False, False, False]
    assert [line.endswith("cannot be loaded") for line in lines] == [False, True, True, False]
    assert "64 x 64" in lines[3]
    missing, damaged, unknown = output.err.splitlines()
    assert missing.startswith(f"There is no model {names[0]}")
    assert "damaged" in damaged
    assert "FlowMatchEuler" in unknown


def test_a_model_of_the_hub_is_not_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row says that it is missing; nothing is asked of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    [row] = described(capsys, "a/b")
    assert row["is_missing"]
    assert "it is downloaded when the engine starts" in row["error"]


def test_a_checkpoint_without_its_configuration_is_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence says what is missing."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("IMAGINE_MODEL_CONFIG", raising=False)
    path = write_header(tmp_path / "x.safetensors", unet() | SD1_TEXT | VAE)
    file, missing, homeless = described(capsys, path, tmp_path / "y.safetensors", "~nobody/y")
    assert "needs the configuration of stable-diffusion-v1-5" in file["error"]
    assert "is_missing" not in file
    assert missing["is_missing"]
    assert homeless["is_missing"]


def test_a_cached_model_of_the_hub_is_described(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name tells that it is distilled."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--a--lcm-tiny"
    shutil.copytree(tiny, repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    [row] = described(capsys, "a/lcm-tiny")
    assert (row["distillation"], row["defaults"]["sampler"]) == ("LCM", "lcm")


def test_the_configured_models_are_the_default(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without any, they are the starters, the one of few steps first; a model that is named twice
    is a usage error."""
    monkeypatch.delenv("IMAGINE_MODEL", raising=False)
    assert main(["models"]) == ExitCode.DONE
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [FEW_STEP_STARTER, STARTER, EDIT_STARTER]
    monkeypatch.setenv("IMAGINE_MODEL", str(tiny))
    assert main(["models"]) == ExitCode.DONE
    assert str(tiny) in capsys.readouterr().out
    assert main(["models", "--model", "starter,starter"]) == ExitCode.USAGE


def test_embeddings_that_fit_are_listed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the width of their vectors, without reading them."""
    monkeypatch.setenv("IMAGINE_EMBEDDINGS", str(tmp_path))
    for name, width in (("fits", tiny_model.WIDTH), ("wide", tiny_model.WIDTH + 1)):
        save_file({"emb_params": torch.zeros(2, width)}, tmp_path / f"{name}.safetensors")
    assert main(["models", "--model", str(tiny), "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row["embeddings"] == ["fits"]
    assert main(["models", "--model", str(tiny)]) == 0
    assert capsys.readouterr().out.rstrip().endswith(", all samplers, 1 embedding")


def test_the_ip_adapter_that_fits_is_listed(
    tiny: Path,
    tiny_xl: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By name, and as the ability to take references; nothing for a damaged one."""
    unet = UNet2DConditionModel.from_pretrained(tiny / "unet")
    path = write_ip_adapter(tmp_path / "adapter", unet)
    monkeypatch.setenv("IMAGINE_IP_ADAPTER", str(path))
    rows = described(capsys, tiny, tiny_xl)
    assert [row.get("ip_adapter") for row in rows] == ["ip-adapter_tiny", None]
    main(["models", "--model", str(tiny)])
    assert ", references, " in capsys.readouterr().out
    path.write_bytes(b"damaged")
    assert described(capsys, tiny)[0].get("ip_adapter") is None


@pytest.mark.parametrize(
    ("writer", "save"), [(save_kohya, "sd"), (save_peft, "sd"), (save_kohya, "xl")]
)
def test_loras_that_fit_are_listed(
    writer: Callable[[Path, Path], Path],
    save: str,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the names and shapes of their tensors, without those of another family."""
    monkeypatch.setenv("IMAGINE_LORAS", str(tmp_path))
    xl = tiny_model.save_xl(tmp_path / "model")
    writer(tmp_path / "fits.safetensors", tiny if save == "sd" else xl)
    for model, fits in ((tiny, save == "sd"), (xl, save == "xl")):
        assert main(["models", "--model", str(model), "--json"]) == 0
        [row] = json.loads(capsys.readouterr().out)
        assert row.get("loras", []) == (["fits"] if fits else [])
        assert main(["models", "--model", str(model)]) == 0
        assert capsys.readouterr().out.rstrip().endswith(", 1 LoRA") == fits


def test_controls_that_fit_are_listed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their configs, without those of another family, and those that are not there."""
    xl = tiny_model.save_xl(tmp_path / "model")
    net = tiny_controls.save_control(tmp_path / "net", tiny)
    union = tiny_controls.save_union(tmp_path / "union", xl)
    pairs = f"scribble={net},canny={tmp_path / 'none'},openpose={union},depth={union}"
    monkeypatch.setenv("IMAGINE_CONTROLS", pairs)
    for model, kinds in ((tiny, ["scribble"]), (xl, ["openpose", "depth"])):
        assert main(["models", "--model", str(model), "--json"]) == 0
        [row] = json.loads(capsys.readouterr().out)
        assert row["controls"] == kinds
    assert main(["models", "--model", str(xl)]) == 0
    assert capsys.readouterr().out.rstrip().endswith(", 2 controls")


@pytest.mark.parametrize("is_checkpoint", [False, True])
def test_offloaded_weights_are_counted_apart(
    is_checkpoint: bool,
    tiny: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also those in the file of a checkpoint."""
    path = tiny
    if is_checkpoint:
        tensors = sd1_tensors(StableDiffusionPipeline.from_pretrained(tiny))
        path = write(tmp_path / "x.safetensors", tensors)
        monkeypatch.setenv("IMAGINE_MODEL_CONFIG", str(tiny))
    [plain] = described(capsys, path)
    assert "host_bytes" not in plain
    monkeypatch.setenv("IMAGINE_OFFLOAD", "text")
    [row] = described(capsys, path)
    assert row["memory_bytes"] + row["host_bytes"] == plain["memory_bytes"]
    assert row["memory_bytes"] > row["host_bytes"] > 0
    main(["models", "--model", str(path)])
    assert " + 79.4 kB host" in capsys.readouterr().out


def test_weights_in_8_bits_take_less_memory(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the denoiser, also on the host."""
    [plain] = described(capsys, tiny)
    weights = list((tiny / "unet").glob("*.safetensors"))
    saved = sum(tensor_bytes(path, 4) - tensor_bytes(path, 1) for path in weights)
    monkeypatch.setenv("IMAGINE_WEIGHTS", "float8")
    [row] = described(capsys, tiny)
    assert plain["memory_bytes"] - row["memory_bytes"] == saved > 0
    monkeypatch.setenv("IMAGINE_OFFLOAD", "all")
    [offloaded] = described(capsys, tiny)
    assert offloaded["memory_bytes"] + offloaded["host_bytes"] == row["memory_bytes"]


def test_torch_is_not_needed(tiny: Path) -> None:
    """Samplers and memory are unknown then."""
    command = [sys.executable, "-c", WITHOUT_TORCH, "models", "--json", "--model", str(tiny)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    [row] = json.loads(result.stdout)
    assert row["defaults"]["sampler"] == Sampler.DPMPP_2M
    assert not {"samplers", "memory_bytes"} & set(row)


def test_a_checkpoint_is_described(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model card of its configuration is not its own; averaged weights are not loaded."""
    config = Path(shutil.copytree(tiny, tmp_path / "config"))
    (config / "README.md").write_text("---\nlicense: mit\ntags: [turbo]\n---\n")
    monkeypatch.setenv("IMAGINE_MODEL_CONFIG", str(config))
    tensors = sd1_tensors(StableDiffusionPipeline.from_pretrained(tiny))
    tensors["model_ema.diffusion_modelout2weight"] = torch.zeros(1000, 1000)
    metadata = {"modelspec.license": "CreativeML\nOpen RAIL-M"}
    path = write(tmp_path / "x.safetensors", tensors, metadata=metadata)
    folder, checkpoint = described(capsys, tiny, path)
    assert checkpoint["licence"] == "CreativeML Open RAIL-M"
    assert "distillation" not in checkpoint
    assert checkpoint["memory_bytes"] == folder["memory_bytes"]
    for key in ("family", "native_size", "defaults", "samplers"):
        assert checkpoint[key] == folder[key]
