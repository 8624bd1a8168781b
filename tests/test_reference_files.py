"""The files of IP-Adapters: which are used, and which are refused with a sentence."""

import logging
import shutil
from pathlib import Path
from typing import Final

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.contract import Recipe, ReferenceRole
from engine.device import select_device
from engine.errors import EngineError, ModelCorrupt, ModelNotFound, UsageError
from engine.models import ip_adapters
from engine.models.defaults import STABLE_DIFFUSION
from engine.models.registry import load
from engine.offline.job_file import JobSpec, to_command
from engine.weights.ip_adapters import (
    IP_ADAPTER_VARIABLE,
    UnetLayers,
    encoder_revision,
    find_ip_adapter,
    image_encoder_of,
    read_ip_adapter,
    revision_of,
)
from engine.weights.model_files import find_model_files
from tests.engine_parts import failure_reason, job
from tests.ip_adapter_writer import save_image_encoder
from tests.reference_models import (
    adapter_file,
    job_of,
    model_folder,
    picture,
    reference,
    reference_core,
    run_of,
)
from tests.test_hub import ServingHub, answering

USUAL: Final = STABLE_DIFFUSION.ip_adapter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the folder of a plain IP-Adapter."""
    return shutil.copytree(adapter_file(is_xl=False, is_plus=False).parent, tmp_path / "adapter")


def only_file(folder: Path) -> Path:
    """The IP-Adapter in a folder."""
    [path] = folder.glob("*.safetensors")
    return path


def layers() -> UnetLayers:
    """Of the model that it is for."""
    return read_ip_adapter(adapter_file(is_xl=False, is_plus=False)).layers


def start(name: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the model with this IP-Adapter."""
    monkeypatch.setenv(IP_ADAPTER_VARIABLE, str(name))
    load(str(model_folder(is_xl=False)), select_device())


def test_a_folder_and_its_file_are_the_same(folder: Path) -> None:
    """The card has the file's name."""
    path = only_file(folder)
    found = find_ip_adapter(str(folder), layers(), USUAL)
    assert found == find_ip_adapter(str(path), layers(), USUAL)
    assert found is not None
    assert found.name == "ip-adapter_tiny"


def test_the_usual_file_of_a_copy_of_the_repository_is_used(folder: Path, tmp_path: Path) -> None:
    """h94/IP-Adapter has folders for the families, with other files too."""
    models = tmp_path / "repository" / "models"
    shutil.copytree(folder, models)
    path = only_file(models)
    usual = tmp_path / "repository" / USUAL
    shutil.copy(path, usual)
    found = find_ip_adapter(str(tmp_path / "repository"), layers(), USUAL)
    assert found is not None
    assert found.path == usual
    assert find_ip_adapter(str(models), layers(), USUAL) == found
    assert image_encoder_of(found) == models / "image_encoder"
    path.unlink()
    other = usual.rename(usual.with_stem("ip-adapter_other"))
    found = find_ip_adapter(str(tmp_path / "repository"), layers(), USUAL)
    assert found is not None
    assert found.path == other


def test_one_of_several_files_must_be_named(folder: Path) -> None:
    """Unless one of them has the usual name."""
    shutil.copy(only_file(folder), folder / "other.safetensors")
    with pytest.raises(UsageError, match=r"several IP-Adapters.*other.safetensors.*name one"):
        find_ip_adapter(str(folder), layers(), USUAL)


def test_the_image_encoder_may_be_beside_the_folder(folder: Path) -> None:
    """Of several, the one that suits is used."""
    (folder / "image_encoder").rename(folder.parent / "image_encoder")
    found = find_ip_adapter(str(folder), layers(), USUAL)
    assert found is not None
    assert image_encoder_of(found) == folder.parent / "image_encoder"
    save_image_encoder(folder / "image_encoder", projection=7)
    assert image_encoder_of(found) == folder.parent / "image_encoder"


def test_only_what_is_needed_is_downloaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual file of a repository, or the one that is named, with the image encoder that suits
    it."""
    repository = tmp_path / "repository"
    usual = repository / USUAL
    shutil.copytree(folder, usual.parent)
    only_file(usual.parent).rename(usual)
    shutil.copy(usual, repository / "models" / "other.safetensors")
    (repository / "sdxl_models").mkdir()
    shutil.copy(usual, repository / "sdxl_models" / "ip-adapter_vit-h.safetensors")
    save_image_encoder(repository / "sdxl_models" / "image_encoder", projection=7)
    hub = ServingHub(repository)
    with answering(hub, monkeypatch, tmp_path / "cache"):
        found = find_ip_adapter("a/b", layers(), USUAL)
        weights = [name for name in hub.served if name.endswith(".safetensors")]
        assert set(weights) == {USUAL, "models/image_encoder/model.safetensors"}
        named = find_ip_adapter("a/b/sdxl_models/ip-adapter_vit-h.safetensors", layers(), USUAL)
        assert "sdxl_models/image_encoder/model.safetensors" not in hub.served
        assert find_ip_adapter("a/b", UnetLayers(1, (1,)), USUAL) is None
        with pytest.raises(ModelNotFound, match=r"There is no models/x\.safetensors in a/b"):
            find_ip_adapter("a/b/models/x.safetensors", layers(), USUAL)
    assert found is not None
    assert named is not None
    assert image_encoder_of(found) == image_encoder_of(named)


def test_the_revision_is_that_of_all_weights(folder: Path) -> None:
    """Another image encoder makes other pictures."""
    file = read_ip_adapter(only_file(folder))
    encoder = folder / "image_encoder"
    before = revision_of(file, encoder_revision(encoder))
    weights = encoder / "model.safetensors"
    tensors = load_file(weights)
    name = min(tensors)
    save_file(tensors | {name: tensors[name] + 1}, weights, metadata={"format": "pt"})
    assert revision_of(file, encoder_revision(encoder)) != before


def test_one_for_another_family_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The model then takes no references, and the log says why."""
    monkeypatch.setenv(IP_ADAPTER_VARIABLE, str(adapter_file(is_xl=True, is_plus=False)))
    with caplog.at_level(logging.WARNING):
        model = load(str(model_folder(is_xl=False)), select_device())
    assert model.card.image_adapter is None
    assert "takes no reference images: it needs one with" in caplog.text


def test_each_family_takes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting may name several."""
    files = [adapter_file(is_xl=is_xl, is_plus=False) for is_xl in (True, False)]
    monkeypatch.setenv(IP_ADAPTER_VARIABLE, ", ".join(map(str, files)))
    model = load(str(model_folder(is_xl=False)), select_device())
    assert model.card.image_adapter == reference_core().model.card.image_adapter


def test_the_starter_has_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in its folder is used without a setting, by the starter alone."""
    monkeypatch.delenv(IP_ADAPTER_VARIABLE, raising=False)
    monkeypatch.setattr(ip_adapters, "STARTER_IP_ADAPTER", folder)
    model = load(str(model_folder(is_xl=False)), select_device())
    unet = model.pipeline.unet  # type: ignore[attr-defined] # a LatentDiffusion has it
    files = find_model_files(str(model_folder(is_xl=False)))
    assert ip_adapters.load_ip_adapter(files, unet, STABLE_DIFFUSION, model.device) is None
    files.name = "starter"
    loaded = ip_adapters.load_ip_adapter(files, unet, STABLE_DIFFUSION, model.device)
    assert loaded is not None
    assert loaded.card == reference_core().model.card.image_adapter


@pytest.mark.parametrize("as_file", [False, True])
def test_a_pickle_is_refused(folder: Path, as_file: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not opened."""
    only_file(folder).rename(folder / "ip-adapter_sd15.bin")
    with pytest.raises(ModelCorrupt, match=r"is a pickle.*Convert it to safetensors"):
        start(folder / "ip-adapter_sd15.bin" if as_file else folder, monkeypatch)


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("nowhere", UsageError, "no folder, no file and no hub id"),
        ("/nowhere/x.safetensors", ModelNotFound, "there is no such file"),
    ],
)
def test_a_missing_one_is_refused(
    name: str, error: type[EngineError], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names what is missing."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(error, match=sentence):
        start(name, monkeypatch)


def test_one_on_the_hub_needs_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, the sentence is that of models."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotFound, match="hub cannot be reached"):
        start("tests/none-of-this-name", monkeypatch)


def test_one_without_image_encoder_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says where it must be."""
    shutil.rmtree(folder / "image_encoder")
    with pytest.raises(ModelCorrupt, match=r"has no image encoder: the folder image_encoder"):
        start(folder, monkeypatch)
    save_image_encoder(folder / "image_encoder", projection=7)
    with pytest.raises(ModelCorrupt, match=r"its outputs have 7 numbers.*reads 20"):
        start(folder, monkeypatch)
    (folder / "image_encoder" / "model.safetensors").rename(folder / "image_encoder" / "model.bin")
    save = folder / "image_encoder" / "config.json"
    save.write_text(save.read_text().replace('"projection_dim": 7', '"projection_dim": 20'))
    with pytest.raises(ModelCorrupt, match=r"only model.bin: loading a pickle"):
        start(folder, monkeypatch)


def damaged(path: Path, damage: str) -> None:
    """Damage a file."""
    tensors = load_file(path)
    key = "ip_adapter.1.to_v_ip.weight"
    match damage:
        case "cut off":
            path.write_bytes(path.read_bytes()[:-100])
            return
        case "no key":
            del tensors[key]
        case "no norm":
            del tensors["image_proj.norm.weight"]
        case "NaN":
            tensors[key][0, 0] = float("nan")
        case "no image_proj":
            tensors = {name: part for name, part in tensors.items() if "image_proj" not in name}
        case "FaceID":
            tensors["image_proj.perceiver_resampler.proj_in.weight"] = torch.zeros(2, 2)
            del tensors["image_proj.proj.weight"]
        case "flat":
            tensors["ip_adapter.1.to_k_ip.weight"] = torch.zeros(3)
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("cut off", "is cut off: download it again"),
        ("no key", r"is damaged: it has no ip_adapter\.1\.to_v_ip\.weight"),
        ("no norm", "damaged or incomplete: .*norm"),
        ("NaN", "has NaN or infinite numbers"),
        ("no image_proj", "is no IP-Adapter"),
        ("FaceID", "of a kind that is not supported, such as FaceID"),
        ("flat", "its layers have unlike shapes"),
    ],
)
def test_a_damaged_one_is_refused(
    folder: Path, damage: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what is wrong."""
    damaged(only_file(folder), damage)
    with pytest.raises(ModelCorrupt, match=sentence):
        start(folder, monkeypatch)


def test_pictures_with_references_that_are_not_there_are_refused() -> None:
    """Another IP-Adapter, another revision, or a missing image."""
    core = reference_core()
    card = core.model.card
    run = run_of(core, reference(core, picture(1)))
    [first] = run.references
    for changes, sentence in (
        ({"adapter": "x"}, "needs the IP-Adapter “x”, which is not here"),
        ({"revision": "0" * 64}, "here is another one of this name"),
    ):
        other = msgspec.structs.replace(first, **changes)
        assert sentence in failure_reason(job_of(run_of(core, other)), core)
    assert "An input image is missing" in failure_reason(job(run), core)
    plain = msgspec.structs.replace(card, image_adapter=None)
    with pytest.raises(ValueError, match="takes no reference pictures here"):
        plain.reference(first.image)


def test_the_command_line_takes_references(tmp_path: Path) -> None:
    """As FILE or FILE:SCALE, also with a role; the pictures are those of the recipes."""
    core = reference_core()
    card = core.model.card
    path = tmp_path / "picture.png"
    picture(1).save(path)
    texts = (f"{path}:0.5", str(path), f"style={path}", f"blend={path}:0.25", f"like={path}")
    spec = JobSpec(id="a", prompt="a house", reference=texts, count=1, steps=2, seed=3)
    command = to_command(spec, [card])
    [run] = command.paint.recipes
    assert isinstance(run, Recipe)
    expected = (
        *(reference(core, picture(1), scale) for scale in (0.5, 1.0)),
        reference(core, picture(1), role=ReferenceRole.STYLE),
        reference(core, picture(1), 0.25, ReferenceRole.BLEND),
        reference(core, picture(1)),
    )
    assert run.references == expected
