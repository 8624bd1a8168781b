"""Finding and loading models: each error has a sentence and an exit code of its own."""

import ast
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.__main__ import main
from engine.device import select_device
from engine.errors import (
    EngineError,
    ExitCode,
    ModelCorrupt,
    ModelNotFound,
    NoSafetyChecker,
    StorageFailed,
)
from engine.models import registry
from engine.safety import classifiers
from engine.weights.model_files import find_model_files
from tests import tiny_model
from tests.engine_parts import engine_core

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def complete_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model folder."""
    return tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(complete_model: Path, tmp_path: Path) -> Path:
    """A copy of a complete model folder, for a test to damage."""
    return Path(shutil.copytree(complete_model, tmp_path / "tiny"))


def load_error(folder: Path) -> EngineError:
    """The error that loading this model raises; its message is one line."""
    with pytest.raises(EngineError) as excinfo:
        registry.load(str(folder), select_device())
    assert "\n" not in str(excinfo.value)
    return excinfo.value


def change_index(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - any JSON
    """Write other values into the model's index."""
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | changes))


def truncate(file: Path) -> None:
    """Truncate a file, like an interrupted download."""
    file.write_bytes(file.read_bytes()[:-200])


def empty(file: Path) -> None:
    """Empty a file, like a full disk."""
    file.write_bytes(b"")


def replace_by_pointer(file: Path) -> None:
    """Replace a file by a Git LFS pointer, as in a clone without LFS."""
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")


def remove_tensor(file: Path) -> None:
    """Remove a tensor, which the libraries would initialise randomly."""
    tensors = load_file(file)
    del tensors[sorted(tensors)[3]]
    save_file(tensors, file)


WEIGHTS = [
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
    "safety_checker/model.safetensors",
]


@pytest.mark.parametrize(
    "damage", [truncate, empty, replace_by_pointer, remove_tensor, Path.unlink]
)
@pytest.mark.parametrize("file", WEIGHTS)
def test_damaged_weights_are_refused(
    folder: Path, file: str, damage: Callable[[Path], None]
) -> None:
    """This holds for all components, including the safety checker."""
    damage(folder / file)
    assert isinstance(load_error(folder), ModelCorrupt)


@pytest.mark.parametrize("damage", [truncate, empty, Path.unlink])
@pytest.mark.parametrize(
    "file",
    [
        "model_index.json",
        "unet/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
        "feature_extractor/preprocessor_config.json",
    ],
)
def test_damaged_configs_are_refused(
    folder: Path, file: str, damage: Callable[[Path], None]
) -> None:
    """After an interrupted download, any of the files may be missing."""
    damage(folder / file)
    assert isinstance(load_error(folder), ModelCorrupt)


@pytest.mark.parametrize("component", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_component_is_named(folder: Path, component: str) -> None:
    """The message has the name of the component."""
    shutil.rmtree(folder / component)
    assert f"no {component}" in str(load_error(folder))


class Poison:
    """An object whose unpickling creates a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Return a call that creates the file at unpickling."""
        return open, (str(self.proof), "w")


PICKLES = {
    "unet": "diffusion_pytorch_model.bin",
    "vae": "diffusion_pytorch_model.ckpt",
    "text_encoder": "pytorch_model.bin",
    "safety_checker": "pytorch_model.bin",
}


def poison(folder: Path, component: str, name: str) -> Path:
    """Replace the weights by a pickle; returns the file that loading the pickle would create."""
    for file in (folder / component).glob("*.safetensors"):
        file.unlink()
    (folder / component / name).write_bytes(pickle.dumps(Poison(folder / "opened")))
    return folder / "opened"


@pytest.mark.parametrize("component", PICKLES)
def test_a_pickle_is_refused_and_never_loaded(folder: Path, component: str) -> None:
    """The message says how to convert it."""
    opened = poison(folder, component, PICKLES[component])
    sentence = load_error(folder)
    assert isinstance(sentence, ModelCorrupt)
    assert f"no safetensors in its {component}, only {PICKLES[component]}" in str(sentence)
    assert "Convert it to safetensors" in str(sentence)
    assert not opened.exists()


def test_a_model_of_pickles_only_has_its_sentence_and_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes the sentence to standard error."""
    opened = [poison(folder, component, name) for component, name in PICKLES.items()]
    code = main(["paint", "x", "--model", str(folder), "--out", str(folder / "out")])
    assert code == ExitCode.MODEL_CORRUPT
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    assert "loading a pickle can run arbitrary code" in sentence
    assert not any(file.exists() for file in opened)


def test_a_pickle_in_a_shard_index_is_not_loaded(folder: Path) -> None:
    """Safetensors in the same folder make no difference."""
    place = folder / "text_encoder"
    tensors = load_file(place / "model.safetensors")
    opened = poison(folder, "text_encoder", "shard.bin")
    save_file({"other": next(iter(tensors.values()))}, place / "other.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, "shard.bin")}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "only shard.bin" in str(load_error(folder))
    assert not opened.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 7}'])
def test_a_damaged_shard_index_is_refused(folder: Path, text: str) -> None:
    """The index might name a pickle."""
    (folder / "unet" / "x.safetensors.index.json").write_text(text)
    assert "x.safetensors.index.json is damaged" in str(load_error(folder))


def test_a_component_with_its_own_code_is_refused(folder: Path) -> None:
    """The index may name only classes of diffusers and transformers."""
    code = folder / "unet" / "own.py"
    code.write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Own: pass\n")
    change_index(folder, unet=["own", "Own"])
    assert isinstance(load_error(folder), ModelCorrupt)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("own.py", {"_class_name": ["own", "Own"]}),
        ("None.py", {}),
        ("tokenizer/own.py", {"tokenizer": ["own", "Own"]}),
        ("tokenizer/more/own.py", {"tokenizer": ["more/own", "Own"]}),
        ("own.py", {"tokenizer": ["../own", "Own"]}),
    ],
)
def test_code_in_the_folder_is_never_run(
    folder: Path, file: str, changes: dict[str, list[str]]
) -> None:
    """The folder is refused before diffusers reads it."""
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Own: pass\n")
    change_index(folder, **changes)
    with pytest.raises(ModelCorrupt, match="the code of a model is never run"):
        find_model_files(str(folder))
    assert not (folder / "ran").exists()


def test_code_that_a_config_names_is_never_run(folder: Path) -> None:
    """Each component has a class of diffusers or transformers, whatever its config says."""
    for config in folder.glob("*/*config.json"):
        code = config.with_name("own.py")
        code.write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Own: pass\n")
        values = json.loads(config.read_text())
        names = ("AutoModel", "AutoConfig", "AutoTokenizer", "AutoImageProcessor")
        values["auto_map"] = dict.fromkeys(names, "own.Own")
        config.write_text(json.dumps(values))
    registry.load(str(folder), select_device())
    assert not (folder / "ran").exists()


def test_code_that_nothing_names_does_not_matter(folder: Path) -> None:
    """Repositories have some for servers and for training."""
    (folder / "handler.py").write_text("raise SystemExit")
    (folder / "unet" / "train.py").write_text("raise SystemExit")
    assert find_model_files(str(folder)).folder == folder


def loaders(path: Path) -> Iterator[ast.Call]:
    """The calls in a file that load weights."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            weightless = owner.endswith(("Processor", "Tokenizer", "Config"))
            if (node.func.attr == "from_pretrained" and not weightless) or (
                (owner, node.func.attr) == ("torch", "load")
            ):
                yield node


def single_file_loaders(path: Path) -> Iterator[ast.Call]:
    """The calls in a file that load a component from a single file, or from tensors of one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("from_single_file"):
            yield node


@pytest.mark.parametrize("path", sorted((ROOT / "engine").rglob("*.py")), ids=str)
def test_all_loaders_of_weights_use_safetensors(path: Path) -> None:
    """The training's own checkpoints are loaded with `weights_only` instead."""
    source = path.read_text(encoding="utf-8")
    assert not any(word in source for word in ("import pickle", "joblib"))
    for call in single_file_loaders(path):
        assert ast.unparse(call.args[0]) == "tensors", "a path could be that of a pickle"
    for call in loaders(path):
        options = {word.arg: ast.unparse(word.value) for word in call.keywords}
        training = path.is_relative_to(ROOT / "engine" / "starter")
        safe = options.get("use_safetensors") == "True"
        assert safe or (training and options.get("weights_only") == "True"), ast.unparse(call)


@pytest.mark.parametrize("file", ["model_index.json", "scheduler/scheduler_config.json"])
def test_a_folder_in_place_of_a_file_is_named(folder: Path, file: str) -> None:
    """The sentence has the operating system's reason."""
    (folder / file).unlink()
    (folder / file).mkdir()
    error = load_error(folder)
    assert isinstance(error, StorageFailed)
    assert f"cannot be read: Is a directory: {folder / file}" in str(error)


def test_a_path_that_the_system_rejects_is_named() -> None:
    """Here it is too long. The checkers of pictures are found in the same way."""
    name = "/" + "x" * 5000
    with pytest.raises(StorageFailed, match="cannot be read: File name too long"):
        find_model_files(name)
    with pytest.raises(StorageFailed, match=r"The checker /x+ cannot be read"):
        classifiers.load(name, select_device())


def rename_weights(folder: Path, variant: str, dtype: torch.dtype) -> None:
    """Replace the weights in a folder by those of another variant."""
    for file in folder.glob("*.safetensors"):
        tensors = {name: tensor.to(dtype) for name, tensor in load_file(file).items()}
        save_file(tensors, file.with_suffix(f".{variant}.safetensors"), {"format": "pt"})
        file.unlink()


@pytest.mark.parametrize("components", [[file.split("/")[0]] for file in WEIGHTS] + [[*PICKLES]])
def test_weights_may_exist_as_fp16_only(folder: Path, components: list[str]) -> None:
    """This may be so for one component or for all of them."""
    for component in components:
        rename_weights(folder / component, "fp16", torch.float16)
    model = registry.load(str(folder), select_device())
    assert model.card.revision == find_model_files(str(folder)).revision


@pytest.mark.parametrize("prefer_fp16", [False, True])
def test_the_preferred_variant_is_loaded(folder: Path, prefer_fp16: bool) -> None:
    """A CPU prefers the full weights, a GPU those of half the size."""
    for component in PICKLES:
        copy = folder / f"{component} copy"
        shutil.copytree(folder / component, copy)
        rename_weights(copy, "fp16", torch.float16)
        shutil.copytree(copy, folder / component, dirs_exist_ok=True)
    files = find_model_files(str(folder), prefer_fp16=prefer_fp16)
    variants = {files.variant(folder / component) for component in PICKLES}
    assert variants == {"fp16" if prefer_fp16 else None}


def test_a_model_without_a_safety_checker_is_refused(folder: Path) -> None:
    """The images of such a model could not be checked."""
    change_index(folder, safety_checker=[None, None])
    assert isinstance(load_error(folder), NoSafetyChecker)


def test_a_missing_safety_checker_is_refused(folder: Path) -> None:
    """Being listed in the index is not enough."""
    shutil.rmtree(folder / "safety_checker")
    assert isinstance(load_error(folder), NoSafetyChecker)


def test_another_family_is_named(folder: Path) -> None:
    """The message has the class name of the pipeline."""
    change_index(folder, _class_name="FluxPipeline")
    assert "FluxPipeline" in str(load_error(folder))


def test_an_index_that_is_no_object_is_refused(folder: Path) -> None:
    """The file is valid JSON, but not a model index."""
    (folder / "model_index.json").write_text("[]")
    assert isinstance(load_error(folder), ModelCorrupt)


@pytest.mark.parametrize(
    "name", ["/nowhere", "./nowhere", "../nowhere", "nowhere", "a/b/c", "a b/c", "~nobody/c"]
)
def test_an_unknown_model_is_not_found(name: str) -> None:
    """The name is neither that of a folder nor a hub id."""
    with pytest.raises(ModelNotFound):
        find_model_files(name)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """The folder may be an interrupted download."""
    with pytest.raises(ModelCorrupt, match="no model_index"):
        find_model_files(str(tmp_path))


def test_a_revision_is_a_digest_of_the_files(complete_model: Path, folder: Path) -> None:
    """Equal files have the same revision in any folder, and any change gives another one."""
    revision = find_model_files(str(complete_model)).revision
    assert find_model_files(str(folder)).revision == revision
    (folder / "README.md").write_text("not read by anybody")
    assert find_model_files(str(folder)).revision == revision
    replace_by_pointer(folder / WEIGHTS[0])
    assert find_model_files(str(folder)).revision != revision


def test_a_card_describes_the_model() -> None:
    """The fingerprint contains all software that can change bits."""
    card = engine_core().model.card
    assert (card.native_size, len(card.revision)) == (64, 64)
    assert card.max_pixels >= card.native_size**2
    for part in ("torch", "diffusers", "transformers", "pillow", "float32", "threads"):
        assert part in card.fingerprint
