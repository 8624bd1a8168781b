"""The files of LoRAs: names, metadata, and why some cannot be used."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.contract import AdapterCard, ModelCard, sha256
from engine.core.engine_core import EngineCore
from engine.errors import UsageError
from engine.weights.lora_metadata import MAX_TRIGGER_CHARS, base_model, triggers
from engine.weights.loras import find_loras, lora_folders
from tests import tiny_model
from tests.engine_parts import fresh_engine_core, recipe
from tests.lora_files import save_kohya, save_peft

_HOME: Final = TemporaryDirectory()
Tensors = dict[str, torch.Tensor]


@cache
def core() -> EngineCore:
    """An engine core with a tiny model that only these tests use."""
    return fresh_engine_core()


@cache
def kohya_file() -> Path:
    """A LoRA for the model."""
    model = tiny_model.save(Path(_HOME.name) / "sd")
    return save_kohya(Path(_HOME.name) / "kohya.safetensors", model)


@cache
def peft_file() -> Path:
    """Another LoRA for the model, with metadata."""
    return save_peft(Path(_HOME.name) / "peft.safetensors", Path(_HOME.name) / "sd")


@cache
def xl_file() -> Path:
    """A LoRA for SDXL."""
    model = tiny_model.save_xl(Path(_HOME.name) / "xl")
    return save_kohya(Path(_HOME.name) / "xl.safetensors", model)


def card(folder: Path) -> ModelCard:
    """The model's card with the LoRAs of a folder."""
    core().model.offer_adapters(find_loras([folder]))
    return core().model.card


def refusal(folder: Path, name: str) -> str:
    """Why a LoRA of the folder cannot be used, as who asks for it reads it."""
    with pytest.raises(ValueError, match=name) as raised:
        card(folder).adapter(name, 1.0)
    return str(raised.value)


def changed(folder: Path, change: Callable[[Tensors], object]) -> Path:
    """The LoRA of kohya's format with other tensors, as `changed`."""
    tensors = load_file(kohya_file())
    change(tensors)
    save_file(tensors, folder / "changed.safetensors")
    return folder


def first(tensors: Tensors, role: str) -> str:
    """The name of a tensor."""
    return next(name for name in tensors if name.endswith(f"lora_{role}.weight"))


def renamed(tensors: Tensors, old: str, new: str) -> None:
    """Replace a part of the names of tensors."""
    for name in list(tensors):
        tensors[name.replace(old, new)] = tensors.pop(name)


def dora(tensors: Tensors) -> str:
    """The name of a DoRA's tensor for a layer."""
    return first(tensors, "up").replace("lora_up.weight", "dora_scale")


def lokr(name: str, outputs: int, inputs: int) -> Tensors:
    """Those of a LoKr of this size for the layer of a tensor."""
    layer = name.partition(".")[0]
    return {f"{layer}.lokr_w1": torch.ones(outputs, 1), f"{layer}.lokr_w2": torch.ones(1, inputs)}


def test_a_folder_is_listed(tmp_path: Path) -> None:
    """With subfolders; the digests are those of the file, with and without its header."""
    (tmp_path / "styles").mkdir()
    data = kohya_file().read_bytes()
    (tmp_path / "styles" / "Fox v1.2.safetensors").write_bytes(data)
    (tmp_path / "preview.png").write_bytes(b"PNG")
    (tmp_path / "._Fox.safetensors").write_bytes(b"of macOS")
    (tmp_path / "styles" / "loop").symlink_to(tmp_path)
    header = 8 + int.from_bytes(data[:8], "little")
    assert card(tmp_path).adapters == (
        AdapterCard(
            name="Fox v1.2",
            revision=sha256(data),
            triggers=("fox", "forest"),
            data_sha256=hashlib.sha256(data[header:]).hexdigest(),
        ),
    )
    assert card(tmp_path).refused_adapters == {}
    assert card(tmp_path).adapter("fox V1.2", 0.5).name == "Fox v1.2"


def test_a_pipe_is_no_lora(tmp_path: Path) -> None:
    """Nobody writes into it, so reading it would never end."""
    os.mkfifo(tmp_path / "ink.safetensors")
    (tmp_path / "fox.safetensors").write_bytes(kohya_file().read_bytes())
    assert [adapter.name for adapter in card(tmp_path).adapters] == ["fox"]


def test_a_folder_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names it."""
    monkeypatch.setenv("IMAGINE_LORAS", f" ,{tmp_path / 'gone'}")
    with pytest.raises(UsageError, match=r"IMAGINE_LORAS names .*gone, which is not a folder"):
        lora_folders("a")


def test_a_name_with_several_files(tmp_path: Path) -> None:
    """Equal files are one LoRA, different ones are none; a file that is named itself comes first,
    and a folder before the later ones."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    data, other = kohya_file().read_bytes(), peft_file().read_bytes()
    (tmp_path / "a" / "ink.safetensors").write_bytes(data)
    (tmp_path / "b" / "ink.safetensors").write_bytes(data)
    assert list(find_loras([tmp_path]).files) == ["ink"]
    (tmp_path / "b" / "ink.safetensors").write_bytes(other)
    assert refusal(tmp_path, "ink") == (
        "Two LoRAs are called ink, so neither is used; rename one of them."
    )
    folders = [tmp_path / "b", tmp_path / "a"]
    assert find_loras(folders).files["ink"].sha256 == sha256(other)
    named = find_loras(folders, [tmp_path / "a" / "ink.safetensors"])
    assert named.files["ink"].sha256 == sha256(data)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("ink.ckpt", b"", "The LoRA ink is a pickle: loading a pickle can run arbitrary code"),
        ("ink.pt", b"", "The LoRA ink is a pickle"),
        ("ink.safetensors", b"", "The file ink.safetensors is empty: download it again."),
        ("ink.safetensors", b"<html>" * 9, "is not a safetensors file, or it is damaged."),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes, reason: str
) -> None:
    """Who asks for one and who reads the log see one sentence."""
    (tmp_path / name).write_bytes(content)
    assert reason in refusal(tmp_path, "ink")
    assert reason in caplog.text
    assert not list(find_loras([tmp_path]).files)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """As one is that is being copied; it is read again when it is whole."""
    data = kohya_file().read_bytes()
    (tmp_path / "ink.safetensors").write_bytes(data[:-10])
    assert refusal(tmp_path, "ink") == "The file ink.safetensors is cut off: download it again."
    (tmp_path / "ink.safetensors").write_bytes(data)
    assert card(tmp_path).adapter("ink", 1.0).revision == sha256(data)


@pytest.mark.parametrize("name", ["a,b", "a:b", "<a>", "two  spaces", "line\nbreak", "x" * 101])
def test_names_that_no_prompt_can_have_are_refused(tmp_path: Path, name: str) -> None:
    """The sentence says what to do."""
    (tmp_path / f"{name}.safetensors").write_bytes(kohya_file().read_bytes())
    [reason] = find_loras([tmp_path]).refused.values()
    assert "must be renamed" in reason or "has a name of 101 characters" in reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda tensors: tensors[first(tensors, "up")].view(-1)[3:4].fill_(torch.nan),
            "is damaged: it has NaN or infinite numbers.",
        ),
        (
            lambda tensors: tensors[first(tensors, "down")].view(-1)[:1].fill_(-torch.inf),
            "is damaged: it has NaN or infinite numbers.",
        ),
        (
            lambda tensors: tensors.update({dora(tensors): torch.zeros(1, 7)}),
            r"\.dora_scale has the shape \[1, 7\], which does not fit",
        ),
        (
            lambda tensors: renamed(tensors, "lora_up.weight", "hada_w1_a"),
            r"it is incomplete: \w+\.hada_w1_a stands alone",
        ),
        (
            lambda tensors: renamed(tensors, "lora_up.weight", "lokr_w2"),
            r"it is incomplete: \w+\.lokr_w2 stands alone",
        ),
        (
            lambda tensors: tensors.update(lokr(first(tensors, "up"), 3, 5)),
            r"\.lokr_w1 has the shape \[3, 1\], which does not fit",
        ),
        (
            lambda tensors: renamed(tensors, "lora_up.weight", "oft_blocks"),
            "The LoRA changed is an OFT adapter, which is not supported.",
        ),
        (
            lambda tensors: renamed(tensors, "lora_", "x"),
            "The file changed.safetensors is no LoRA: it has no weights of low rank.",
        ),
        (
            lambda tensors: tensors.update({first(tensors, "up"): torch.ones(2, 2).int()}),
            "has weights of the type I32; only floating-point numbers are supported",
        ),
        (
            lambda tensors: tensors.pop(first(tensors, "up")),
            r"it is incomplete: lora_te_\w+\.(alpha|lora_down\.weight) stands alone",
        ),
        (
            lambda tensors: tensors.update({first(tensors, "up"): torch.ones(7, 4)}),
            r"it is for another model: .* has the shape \[7, 4\], which does not fit",
        ),
        (
            lambda tensors: renamed(tensors, "down_blocks_1", "down_blocks_7"),
            "it is for another family of models, with layers that this one does not have",
        ),
        (
            lambda tensors: renamed(tensors, "lora_unet_", "lora_transformer_"),
            r"it is for another family of models \(it has lora_transformer_",
        ),
        (
            lambda tensors: tensors.update({"lora_unet_conv_in.lora_x": torch.ones(1)}),
            r"it has weights of an unknown kind \(lora_unet_conv_in\.lora_x\)",
        ),
        (
            lambda tensors: renamed(tensors, "lora_unet_", "transformer.x."),
            r"it is for another family of models \(it has lora_te_",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Tensors], object],
    reason: str,
) -> None:
    """By name, with one sentence, in the log too; none is used in part."""
    text = refusal(changed(tmp_path, change), "changed")
    assert re.search(reason, text), text
    assert text.count(". ") == 0
    assert "changed" in caplog.text
    assert card(tmp_path).adapters == ()


def test_a_lora_of_another_family_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The sentence says what it was made for; the log too, once."""
    (tmp_path / "ink.safetensors").write_bytes(xl_file().read_bytes())
    text = refusal(tmp_path, "ink")
    assert "cannot be used with the model" in text
    assert "(sdxl_base_v1-0)" in text
    card(tmp_path)
    assert caplog.text.count("cannot use 1 of the LoRAs: ink (it is for another") == 1


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", "its lora_adapter_metadata is damaged"),
        ('{"unet.lora_alpha": "x"}', "its lora_adapter_metadata is damaged"),
    ],
)
def test_damaged_metadata_is_refused(tmp_path: Path, config: str, reason: str) -> None:
    """What it would be multiplied by is unknown then."""
    metadata = {"lora_adapter_metadata": config}
    save_file(load_file(peft_file()), tmp_path / "ink.safetensors", metadata)
    assert refusal(tmp_path, "ink").endswith(f": {reason}.")


def test_the_metadata_of_peft_says_the_scale(tmp_path: Path) -> None:
    """Its alpha, which may differ from layer to layer, by the rank or by the root of the rank."""
    with safe_open(peft_file(), "pt") as file:
        own = json.loads(file.metadata()["lora_adapter_metadata"])
    own |= {
        "unet.alpha_pattern": {"^mid_block.resnets.0.conv1": 8},
        "text_encoder.use_rslora": True,
    }
    metadata = {"lora_adapter_metadata": json.dumps(own)}
    save_file(load_file(peft_file()), tmp_path / "ink.safetensors", metadata)
    adapter = card(tmp_path).adapter("ink", 1.0)
    painted = recipe(core(), adapters=(adapter,))
    steering = core().model.steering_for(painted, {})
    assert steering.adapters is not None
    [(weights, _)] = steering.adapters.loras
    scales = {path: layer.scale for (_, path), layer in weights.layers.items()}
    assert scales["mid_block.resnets.0.conv1"] == 2.0
    assert scales["mid_block.resnets.1.conv1"] == 0.75
    assert {scale for path, scale in scales.items() if path.endswith("fc1")} == {1.5}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, ()),
        ({"modelspec.trigger_phrase": "ink style, sketch"}, ("ink style", "sketch")),
        ({"trainedWords": '["ohwx", "a, b"]'}, ("ohwx", "a, b")),
        ({"modelspec.trigger_phrase": "None", "trigger_word": "ohwx"}, ("ohwx",)),
        (
            {"ss_tag_frequency": '{"a": {"fox": 9, "red": 1}, "b": {"fox": 1, "sea": 9}}'},
            ("fox", "sea"),
        ),
        ({"ss_tag_frequency": '{"a": {"fox": "many"}}'}, ()),
        ({"ss_tag_frequency": "[" * 5000}, ()),
        ({"trigger_phrase": "x" * 500}, ("x" * MAX_TRIGGER_CHARS,)),
        ({"trigger_phrase": "a\u0000b"}, ()),
        ({"trigger_phrase": ",".join(map(str, range(50)))}, ("0", "1", "2", "3", "4")),
    ],
)
def test_triggers_are_read(metadata: dict[str, str], words: tuple[str, ...]) -> None:
    """What the author says, else tags that most training images have; strangers wrote them."""
    assert triggers(metadata) == words


def test_the_base_model_is_read() -> None:
    """The model specification precedes kohya's keys."""
    kohya = {"ss_base_model_version": "sd_v1"}
    assert base_model({}) == ""
    assert base_model(kohya) == "sd_v1"
    spec = {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}
    assert base_model({**kohya, **spec}) == "stable-diffusion-xl-v1-base"
