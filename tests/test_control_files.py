"""The controls of IMAGINE_CONTROLS: how they are found, checked, loaded and shared."""

import gc
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.contract import ModelCard, Preprocessor
from engine.device import select_device
from engine.errors import EngineError, ModelCorrupt, ModelNotFound, UsageError
from engine.models import registry
from engine.models.control_networks import LoadedControl
from engine.models.unet_diffusion import UnetDiffusion
from engine.weights import controls
from engine.weights.controls import CONTROLS_VARIABLE, configured_controls, find_control
from tests import tiny_controls, tiny_model
from tests.controlled import control, control_sketch, controls_setting, painted, recipe
from tests.engine_parts import new_engine_core
from tests.test_hub import COMMIT, BrokenHub, ServingHub, answering

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders `model`, `xl`, and their controls `net`, `net-xl`, `union`, and `adapter`."""
    folder = tmp_path_factory.mktemp("files")
    model = tiny_model.save(folder / "model")
    xl = tiny_model.save_xl(folder / "xl")
    tiny_controls.save_control(folder / "net", model)
    tiny_controls.save_control(folder / "net-xl", xl)
    tiny_controls.save_union(folder / "union", xl)
    tiny_controls.save_xl_adapter(folder / "adapter")
    return folder


def load(folder: Path, *models: str, **pairs: str) -> list[UnetDiffusion]:
    """These models with controls, by kind the names of their folders."""
    with controls_setting([(kind, folder / name) for kind, name in pairs.items()]):
        names = [str(folder / model) for model in models]
        loaded = registry.load_all(names, select_device())
    assert all(isinstance(model, UnetDiffusion) for model in loaded)
    return loaded  # type: ignore[return-value] # as asserted


def kinds(card: ModelCard) -> list[str]:
    """Those of the controls on a card."""
    return [each.kind for each in card.controls]


@pytest.mark.parametrize("text", ["scribble", "=x", "scribble=", "Scribble=x", "a b=x", "../a=x"])
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """With what is expected in its place."""
    monkeypatch.setenv(CONTROLS_VARIABLE, f" ,{text}")
    with pytest.raises(UsageError, match=r"IMAGINE_CONTROLS has “.*”, where KIND=FOLDER or"):
        configured_controls("model", prefer_fp16=False)


def test_a_missing_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no hub id either."""
    monkeypatch.setenv(CONTROLS_VARIABLE, "scribble=/no/such/folder")
    with pytest.raises(ModelNotFound, match="There is no control /no/such/folder: give a"):
        configured_controls("model", prefer_fp16=False)


def test_a_single_file_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Those of ControlNets have other names of weights."""
    monkeypatch.setenv(CONTROLS_VARIABLE, f"scribble={folder / 'net' / WEIGHTS}")
    with pytest.raises(ModelNotFound, match="is a single file; give its diffusers folder"):
        configured_controls("model", prefer_fp16=False)


@pytest.mark.parametrize("prefer_fp16", [False, True])
def test_a_control_of_the_hub_is_downloaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefer_fp16: bool
) -> None:
    """One variant of its weights, without pickles, code and other networks; later it is cached."""
    repository = tmp_path / "hub"
    shutil.copytree(folder / "net", repository)
    weights = repository / WEIGHTS
    for name in ("fp16", "bin"):
        shutil.copy(weights, weights.with_suffix(f".{name}.safetensors"))
    weights.with_suffix(".bin.safetensors").rename(weights.with_suffix(".bin"))
    shutil.copy(weights, repository / "diffusion_pytorch_model_promax.safetensors")
    (repository / "net.py").write_text("")
    hub = ServingHub(repository)
    with answering(hub, monkeypatch, tmp_path / "cache"):
        files = find_control("scribble", "a/b", prefer_fp16=prefer_fp16)
    chosen = WEIGHTS.replace(".safetensors", ".fp16.safetensors") if prefer_fp16 else WEIGHTS
    assert sorted(set(hub.served) & set(hub.paths)) == ["config.json", chosen]
    assert (files.revision, files.variant) == (COMMIT, "fp16" if prefer_fp16 else None)
    with answering(BrokenHub(503), monkeypatch, tmp_path / "cache"):
        assert find_control("scribble", "a/b", prefer_fp16=prefer_fp16) == files
        assert find_control("scribble", "a/b", prefer_fp16=prefer_fp16, download=False) == files


def _remove(path: Path) -> None:
    path.unlink()


def _pickle(path: Path) -> None:
    path.rename(path.with_suffix(".bin"))


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _nan(path: Path) -> None:
    tensors = load_file(path)
    tensors["conv_in.weight"][0] = float("nan")
    save_file(tensors, path)


def _lose(path: Path) -> None:
    tensors = load_file(path)
    del tensors["conv_in.weight"]
    save_file(tensors, path)


def _reshape(path: Path) -> None:
    tensors = load_file(path)
    tensors["conv_in.weight"] = torch.zeros(3, 3)
    save_file(tensors, path)


def _quantise(path: Path) -> None:
    tensors = load_file(path)
    tensors["conv_in.weight"] = torch.zeros(8, 8, dtype=torch.int8)
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove, "has no safetensors"),
        (_pickle, "pickles are not supported"),
        (_cut_off, "is cut off"),
        (_nan, "the weight conv_in.weight has NaN or infinite numbers"),
        (_lose, "some weights of the network are missing: conv_in.weight"),
        (_reshape, "the weight conv_in.weight of the network has the shape"),
        (_quantise, "is quantised"),
    ],
)
def test_damaged_weights_are_named(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    """The sentence has the control's name."""
    broken = tmp_path / "broken"
    shutil.copytree(folder / "net", broken)
    damage(broken / WEIGHTS)
    with pytest.raises(EngineError, match=message) as caught:
        load(folder, "model", scribble=str(broken))
    assert str(broken) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "is no ControlNetModel, ControlNetUnionModel or"),
        ({"_class_name": ["my_code", "Net"]}, "is no ControlNetModel, ControlNetUnionModel or"),
        ({"conditioning_embedding_out_channels": 3}, "has a damaged config"),
    ],
)
def test_a_damaged_config_is_named(
    folder: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    """Neither code nor other networks are loaded."""
    broken = _with_config(folder / "net", tmp_path / "broken", change)
    with pytest.raises(ModelCorrupt, match=message) as caught:
        load(folder, "model", scribble=str(broken))
    assert str(broken) in str(caught.value)


def test_a_config_that_is_no_json_is_named(folder: Path, tmp_path: Path) -> None:
    """As is a folder without one."""
    shutil.copytree(folder / "net", tmp_path / "broken")
    config = tmp_path / "broken" / "config.json"
    config.write_text("{")
    with pytest.raises(ModelCorrupt, match=r"has a damaged config\.json"):
        load(folder, "model", scribble=str(tmp_path / "broken"))
    config.unlink()
    with pytest.raises(ModelCorrupt, match=r"has no config\.json: it is not a diffusers folder"):
        load(folder, "model", scribble=str(tmp_path / "broken"))


def _with_config(source: Path, target: Path, change: dict[str, object]) -> Path:
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | change))
    return target


@pytest.mark.parametrize(
    ("kind", "control", "change", "message"),
    [
        ("scribble", "net-xl", {}, "is for another family: its cross_attention_dim is 64, not 32"),
        ("depth", "union", {}, "is for another family: its cross_attention_dim is 64, not 32"),
        ("cats", "union", {}, "has no control type cats: choose one of openpose, "),
        ("tile", "union", {}, "has no control type tile: choose one of openpose, "),
        ("scribble", "net", {"block_out_channels": [16, 64]}, "its block_out_channels is"),
        ("scribble", "net", {"in_channels": 8}, "its in_channels is 8, not 4"),
        ("scribble", "net", {"global_pool_conditions": True}, "pools its conditions"),
        ("scribble", "net", {"num_class_embeds": 3}, "needs class labels"),
        ("scribble", "net", {"conditioning_channels": 1}, "reads images of 1 channels"),
        (
            "scribble",
            "net",
            {"conditioning_embedding_out_channels": [4, 8]},
            "reduces images by a factor of 2, not 8",
        ),
        ("sketch", "adapter", {"channels": [16, 64]}, "its features have the shapes 16x16x16"),
        ("sketch", "adapter", {"in_channels": 2}, "reads images of 2 channels"),
    ],
)
def test_a_control_that_fits_no_model_is_named(
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    control: str,
    change: dict[str, object],
    message: str,
) -> None:
    """In one warning, with the reason; its weights are not loaded."""
    other = _with_config(folder / control, tmp_path / "other", change)
    with caplog.at_level(logging.WARNING, logger="engine"):
        [model] = load(folder, "model", **{kind: str(other)})
    assert model.card.controls == ()
    [warning] = [record.getMessage() for record in caplog.records if "fits" in record.getMessage()]
    assert warning.startswith(f"The control {other} ({kind}) fits no loaded model: for ")
    assert message in warning


def test_each_model_offers_what_fits(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A kind may be there for several families; a ControlNet-Union offers several kinds."""
    pairs = f"scribble={folder / 'net'},scribble={folder / 'net-xl'},sketch={folder / 'adapter'},"
    pairs += f"openpose={folder / 'union'},depth={folder / 'union'}"
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, logger="engine"):
        patch.setenv(CONTROLS_VARIABLE, pairs)
        names = [str(folder / name) for name in ("model", "xl")]
        first, xl = registry.load_all(names, select_device())
    assert kinds(first.card) == ["scribble", "sketch"]
    assert kinds(xl.card) == ["scribble", "sketch", "openpose", "depth"]
    assert not [record for record in caplog.records if "control" in record.getMessage()]
    assert first.card.controls[0].revision != xl.card.controls[0].revision
    assert first.card.controls[0].preprocessors[0] is Preprocessor.SCRIBBLE
    assert xl.card.controls[3].preprocessors == (Preprocessor.NONE,)


def test_the_first_of_two_controls_of_a_kind_is_used(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names both."""
    other = tiny_controls.save_control(tmp_path / "other", folder / "model", 7)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, logger="engine"):
        patch.setenv(CONTROLS_VARIABLE, f"canny={other},canny={folder / 'net'}")
        model = registry.load_all([str(folder / "model")], select_device())[0]
    assert kinds(model.card) == ["canny"]
    assert model.card.controls[0].revision == configured(f"canny={other}")
    assert f"{other} and {folder / 'net'}; the first one is used" in caplog.text


def configured(pairs: str) -> str:
    """The revision of the only control of a setting."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONTROLS_VARIABLE, pairs)
        [files] = configured_controls("model", prefer_fp16=False)
    return files.revision


def first_parameters(model: UnetDiffusion) -> list[torch.Tensor]:
    """The weights of the first control of a model."""
    control = model._shared[0]
    assert isinstance(control, LoadedControl)
    return list(control.network.network.parameters())


def test_a_control_is_loaded_once_and_moves_with_its_models(folder: Path, tmp_path: Path) -> None:
    """Its weights leave the device with the last model that uses it, and it paints as before."""
    for name, copy in (("model", "twin"), ("net", "net"), ("adapter", "adapter")):
        shutil.copytree(folder / name, tmp_path / copy)
    pairs = {"scribble": str(tmp_path / "net"), "tile": str(tmp_path / "adapter")}
    first, second = load(folder, "model", str(tmp_path / "twin"), **pairs)
    assert first._shared == second._shared
    parameters = first_parameters(first)
    core = new_engine_core(first)
    one = recipe(core, control(core, "scribble", control_sketch()))
    before = painted(core, one)[0].tobytes()
    first.to_host()
    assert all(parameter.numel() for parameter in parameters)
    second.to_host()
    assert not any(parameter.numel() for parameter in parameters)
    first.to_device()
    assert painted(core, one)[0].tobytes() == before


def test_a_model_that_is_dropped_uses_no_control(folder: Path, tmp_path: Path) -> None:
    """As the models are that `load_all` loads again, with other threads."""
    shutil.copytree(folder / "net", tmp_path / "net")
    [dropped] = load(folder, "model", scribble=str(tmp_path / "net"))
    [model] = load(folder, "model", scribble=str(tmp_path / "net"))
    assert dropped._shared == model._shared
    del dropped
    gc.collect()
    model.to_host()
    assert not any(weights.numel() for weights in first_parameters(model))


def test_controls_count_in_the_memory_of_a_model(folder: Path) -> None:
    """Once, if a network is there for several kinds."""
    [plain] = load(folder, "xl")
    [model] = load(folder, "xl", openpose="union", depth="union")
    added = model.memory_bytes - plain.memory_bytes
    weights = load_file(folder / "union" / WEIGHTS).values()
    assert added == pytest.approx(sum(weight.nbytes for weight in weights), rel=0.02)


def test_the_starter_has_its_own_control(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its folder, if there is one; a configured one comes first."""
    monkeypatch.delenv(CONTROLS_VARIABLE, raising=False)
    monkeypatch.setattr(controls, "STARTER_CONTROLS", tmp_path / "none")
    assert configured_controls("starter", prefer_fp16=False) == []
    shutil.copytree(folder / "net", tmp_path / "own" / "scribble")
    monkeypatch.setattr(controls, "STARTER_CONTROLS", tmp_path / "own")
    monkeypatch.setenv(CONTROLS_VARIABLE, f"scribble={folder / 'net-xl'}")
    found = configured_controls("starter", prefer_fp16=False)
    assert [(each.kind, each.folder.name, each.is_built_in) for each in found] == [
        ("scribble", "net-xl", False),
        ("scribble", "scribble", True),
    ]
    assert len(configured_controls("another", prefer_fp16=False)) == 1
