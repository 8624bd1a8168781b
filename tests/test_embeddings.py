"""Embeddings (textual inversion): files, names in prompts, and pictures."""

import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import pytest
import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import save, save_file

from engine.contract import (
    Embedding,
    PictureOptions,
    PromptFormat,
    Recipe,
    make_recipes,
    sha256,
)
from engine.contract.embedding_names import names_in
from engine.contract.infotext import read_infotext, write_infotext
from engine.core.engine_core import EngineCore
from engine.errors import UsageError
from engine.models.description import describe
from engine.models.embeddings import add_embeddings
from engine.models.latent_diffusion import LatentDiffusion
from engine.weights.embeddings import configured_embeddings
from engine.weights.model_files import find_model_files
from tests import tiny_model
from tests.diffusers_pipeline import assert_alike, make_scheduler
from tests.engine_parts import (
    failure_reason,
    job,
    load_engine_core,
    painted_images,
    recipe,
    rendered_images,
)

FOLDER: Final = "IMAGINE_EMBEDDINGS"
WIDTH: Final = tiny_model.WIDTH


def vectors(count: int, seed: int, width: int = WIDTH) -> torch.Tensor:
    """Random vectors as large as those of a token table."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator)


FILES: Final = {
    "Fox-Style": {"emb_params": vectors(3, 1)},
    "learned_embeds": {"<cat-toy>": vectors(1, 2)[0]},
    "both": {"clip_l": vectors(2, 3), "clip_g": vectors(2, 4)},
}
"""The first two are for Stable Diffusion, the last is for SDXL."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is configured."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


_HOME: Final = TemporaryDirectory()


@cache
def saved(save: Callable[[Path], Path]) -> Path:
    """The folder of a tiny model."""
    return save(Path(_HOME.name) / save.__name__)


@cache
def core(save: Callable[[Path], Path], *, with_embeddings: bool = True) -> EngineCore:
    """An engine core with a tiny model that has those of FILES that fit."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        for stem, tensors in FILES.items() if with_embeddings else ():
            save_file(tensors, Path(name) / f"{stem}.safetensors")
        patch.setenv(FOLDER, name)
        return load_engine_core(str(saved(save)))


def sd_core() -> EngineCore:
    """With Stable Diffusion."""
    return core(tiny_model.save)


def named_recipe(by: EngineCore, prompt: str, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A quick recipe with the embeddings that its prompts name."""
    plain = recipe(by, prompt=prompt, prompt_format=PromptFormat.A1111, **changes)
    return by.model.card.with_embeddings(plain)


def test_files_are_found_by_their_names(folder: Path) -> None:
    """In subfolders too; the digest is that of the file."""
    (folder / "more").mkdir()
    for stem, tensors in FILES.items():
        save_file(tensors, folder / "more" / f"{stem}.safetensors")
    (folder / "preview.png").write_bytes(b"PNG")
    found = {file.embedding.name: file for file in configured_embeddings()}
    assert list(found) == ["<cat-toy>", "both", "Fox-Style"]
    assert found["<cat-toy>"].tensors == {"<cat-toy>": (1, WIDTH)}
    data = (folder / "more" / "both.safetensors").read_bytes()
    assert found["both"].embedding == Embedding("both", sha256(data))


def test_a_folder_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names it."""
    monkeypatch.setenv(FOLDER, f" ,{tmp_path / 'gone'}")
    with pytest.raises(UsageError, match=r"IMAGINE_EMBEDDINGS names .*gone, which is not a folder"):
        configured_embeddings()


def pickle(path: Path) -> None:
    path.with_suffix(".pt").write_bytes(b"\x80\x02")


def cut_off(path: Path) -> None:
    save_file(FILES["Fox-Style"], path)
    path.write_bytes(path.read_bytes()[:-4])


def namesake(path: Path) -> None:
    (path.parent / "a").mkdir()
    for nth, other in enumerate((path, path.parent / "a" / "BROKEN.safetensors")):
        save_file({"emb_params": vectors(1, nth)}, other)


BROKEN: Final[dict[str, Callable[[Path], object]]] = {
    "is a pickle: loading a pickle can run arbitrary code": pickle,
    "is cut off: download it again": cut_off,
    "is empty": lambda path: path.write_bytes(b""),
    "is not a safetensors file, or it is damaged": lambda path: path.write_bytes(b"x" * 99),
    "neither is used: rename one of them": namesake,
    "has a name with characters that cannot be printed": lambda path: path.with_name(
        os.fsdecode(b"broken\xff.safetensors")
    ).write_bytes(save(FILES["Fox-Style"])),
    "has 2 tensors, where an embedding has one": lambda path: save_file(
        {"a": vectors(1, 1), "b": vectors(1, 2)}, path
    ),
    "has the shape [1, 2, 3]": lambda path: save_file({"a": torch.zeros(1, 2, 3)}, path),
    "and the type I64": lambda path: save_file({"a": torch.zeros(1, 2).long()}, path),
    "different numbers of vectors": lambda path: save_file(
        {"clip_l": vectors(1, 1), "clip_g": vectors(2, 2)}, path
    ),
    "broken.safetensors (it has NaN or infinite numbers).": lambda path: save_file(
        {"emb_params": torch.full((1, WIDTH), float("nan"))}, path
    ),
    "broken.safetensors (its vectors have 7 numbers, those of the model 32)": lambda path: (
        save_file({"emb_params": vectors(1, 1, 7)}, path)
    ),
    "broken.safetensors (it has 23 vectors; at most 22 fit into a prompt)": lambda path: save_file(
        {"emb_params": vectors(23, 1)}, path
    ),
    "The model {model} cannot use 1 of the embeddings: /": lambda path: save_file(
        FILES["both"], path
    ),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_file_that_cannot_be_used_is_one_warning(
    sentence: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the file; the model and the other embeddings work."""
    BROKEN[sentence](folder / "broken.safetensors")
    save_file(FILES["Fox-Style"], folder / "Fox-Style.safetensors")
    with caplog.at_level(logging.WARNING):
        model = load_engine_core(str(saved(tiny_model.save))).model
    [warning] = {record.getMessage() for record in caplog.records if "embedding" in record.name}
    assert sentence.format(model=model.card.name) in warning
    assert "broken" in warning.lower()
    assert [embedding.name for embedding in model.card.embeddings] == ["Fox-Style"]


def test_a_file_that_has_changed_is_not_loaded(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Recipes would have the digest of the old one."""
    save_file(FILES["Fox-Style"], folder / "Fox-Style.safetensors")
    files = configured_embeddings()
    save_file({"emb_params": vectors(3, 5)}, folder / "Fox-Style.safetensors")
    pipeline = StableDiffusionPipeline.from_pretrained(saved(tiny_model.save))
    added = add_embeddings("tiny", pipeline, ["text_encoder"], ["tokenizer"], files)
    assert added.embeddings == ()
    assert "it has changed since it was found" in caplog.text


def test_numbers_must_fit_into_the_type_of_the_model(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In half precision, large ones would be infinite."""
    save_file({"emb_params": vectors(1, 1) * 1e5}, folder / "large.safetensors")
    added = []
    for dtype in (torch.float32, torch.float16):
        pipeline = StableDiffusionPipeline.from_pretrained(saved(tiny_model.save), dtype=dtype)
        files = configured_embeddings()
        added.append(add_embeddings("tiny", pipeline, ["text_encoder"], ["tokenizer"], files))
    assert [len(each.embeddings) for each in added] == [1, 0]
    assert "large.safetensors (it has numbers that are too large for torch.float16)" in caplog.text
    assert bool(torch.isfinite(pipeline.text_encoder.get_input_embeddings().weight).all())


def test_a_model_has_one_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However many embeddings are for other models."""
    for nth in range(12):
        save_file(FILES["both"], folder / f"both{nth:02}.safetensors")
    pipeline = StableDiffusionPipeline.from_pretrained(saved(tiny_model.save))
    add_embeddings("tiny", pipeline, ["text_encoder"], ["tokenizer"], configured_embeddings())
    [warning] = caplog.messages
    assert warning.startswith("The model tiny cannot use 12 of the embeddings: ")
    assert warning.endswith("both09.safetensors (it is for SDXL), and 2 more.")


def test_the_list_of_models_has_those_that_fit(folder: Path) -> None:
    """By the encoders, the width and the number of vectors."""
    for stem, tensors in FILES.items():
        save_file(tensors, folder / f"{stem}.safetensors")
    save_file({"emb_params": vectors(23, 1)}, folder / "long.safetensors")
    save_file({"emb_params": vectors(1, 1, 7)}, folder / "narrow.safetensors")
    for save_model in (tiny_model.save, tiny_model.save_xl):
        path = str(saved(save_model))
        card = core(save_model).model.card
        expected = tuple(embedding.name for embedding in card.embeddings)
        assert describe(find_model_files(path)).embeddings == expected


def test_brackets_in_a_name_are_escaped(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The warning says how prompts call it, and that works."""
    save_file({"emb_params": vectors(1, 1)}, folder / "Ink (v2).safetensors")
    [file] = configured_embeddings()
    assert "call it Ink \\(v2\\), or rename it" in caplog.text
    names = (file.embedding.name,)
    assert names_in("a (ink \\(v2\\):1.2) house", names) == names
    assert names_in("ink (v2)", names) == ()


def their_pipeline(by: EngineCore) -> DiffusionPipeline:
    """diffusers' pipeline of the tiny model of this core, with the embeddings of FILES."""
    if by is sd_core():
        pipeline = StableDiffusionPipeline.from_pretrained(
            saved(tiny_model.save), safety_checker=None
        )
        for stem, token in (("Fox-Style", "fox-style"), ("learned_embeds", "<cat-toy>")):
            tensors = {token: next(iter(FILES[stem].values()))}
            pipeline.load_textual_inversion(tensors, token=token)
        return pipeline
    pipeline = StableDiffusionXLPipeline.from_pretrained(saved(tiny_model.save_xl))
    encoders = (
        (pipeline.text_encoder, pipeline.tokenizer),
        (pipeline.text_encoder_2, pipeline.tokenizer_2),
    )
    for (encoder, tokenizer), tensor in zip(encoders, FILES["both"].values(), strict=True):
        options = {"token": "both", "text_encoder": encoder, "tokenizer": tokenizer}
        pipeline.load_textual_inversion(tensor, **options)
    return pipeline


def their_image(run: Recipe, pipeline: DiffusionPipeline) -> Image.Image:
    """The picture of diffusers' pipeline."""
    pipeline.scheduler = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(
        prompt=run.prompt.lower(),
        negative_prompt=run.negative.lower() or None,
        num_inference_steps=run.steps,
        guidance_scale=run.guidance,
        generator=torch.Generator("cpu").manual_seed(run.seed),
        width=run.width,
        height=run.height,
    ).images[0]
    assert isinstance(image, Image.Image)
    return image


@pytest.mark.parametrize(
    ("save", "prompt", "negative"),
    [
        (tiny_model.save, "a house by Fox-Style, red", ""),
        (tiny_model.save, "FOX-STYLE <cat-toy>", "a blue sky, <cat-toy>"),
        (tiny_model.save_xl, "a Both house", ""),
        (tiny_model.save_xl, "a house", "both"),
    ],
)
def test_pictures_equal_those_of_the_pipeline(
    save: Callable[[Path], Path], prompt: str, negative: str
) -> None:
    """With diffusers' `load_textual_inversion`; alone and beside pictures without embeddings."""
    by = core(save)
    run = named_recipe(by, prompt, negative=negative, row_class=8)
    assert run.embeddings
    others = [msgspec.structs.replace(run, embeddings=()), recipe(by, row_class=8)]
    [alone] = painted_images(job(run), by)
    together = painted_images(job(*others, run), by)
    assert together[2].sha256 == alone.sha256
    assert together[0].sha256 != alone.sha256, "the same prompt in words"
    assert_alike(rendered_images(job(run), by)[0], their_image(run, their_pipeline(by)))


@pytest.mark.parametrize("save", [tiny_model.save, tiny_model.save_xl])
def test_pictures_without_names_keep_their_bits(save: Callable[[Path], Path]) -> None:
    """Also those whose prompts have the name as words, as recipes of earlier versions have."""
    runs = [
        recipe(core(save), prompt=prompt, negative="a house", prompt_format=form)
        for prompt in ("a red house", "a both, fox-style house")
        for form in PromptFormat
    ]
    first = painted_images(job(*runs), core(save))
    plain = core(save, with_embeddings=False)
    second = painted_images(job(*runs), plain)
    assert [image.sha256 for image in first] == [image.sha256 for image in second]


def test_weights_and_chunks_count_each_vector() -> None:
    """The words around it keep their tokens."""
    model = sd_core().model
    run = named_recipe(sd_core(), "a (fox-style:1.5) a", guidance=1.0)
    assert isinstance(model, LatentDiffusion)
    [tokenizer] = model._tokenizers
    [chunk] = tokenizer.chunks(run.prompt, ("Fox-Style",)).chunks
    assert [token.weight for token in chunk] == [1, 1.5, 1.5, 1.5, 1]
    words = " ".join("a" * 20)
    long = named_recipe(sd_core(), f"{words} fox-style a")
    assert model.text_chunks(long) == 2
    assert model.text_chunks(msgspec.structs.replace(long, prompt=words)) == 1
    [first, second] = tokenizer.chunks(long.prompt, ("Fox-Style",)).chunks
    assert (len(first), len(second)) == (20, 4), "its vectors stay together"


def test_a_recipe_records_its_embeddings() -> None:
    """With the digests of their files; in changes and in negatives too, but not in raw prompts."""
    card = sd_core().model.card
    cat, fox = card.embeddings
    assert (cat.name, fox.name) == ("<cat-toy>", "Fox-Style")
    options = PictureOptions(prompt="[a house:fox-style:0.5]", negative="<cat-toy>", steps=4)
    for raw, embeddings in ((False, (cat, fox)), (True, ())):
        chosen = msgspec.structs.replace(options, raw=raw, count=1)
        [run] = make_recipes(chosen, card, size=(64, 64), seed=1)
        assert run.embeddings == embeddings
        decoded = msgspec.json.decode(msgspec.json.encode(run), type=Recipe)
        assert decoded == run
    assert b"embeddings" not in msgspec.json.encode(recipe())


def test_a_lost_or_another_embedding_is_refused() -> None:
    """By its name."""
    run = named_recipe(sd_core(), "fox-style")
    lost = msgspec.structs.replace(run, embeddings=(Embedding("gone", "a" * 64),))
    assert "needs the embedding gone, which the model" in failure_reason(job(lost), sd_core())
    other = msgspec.structs.replace(run, embeddings=(Embedding("Fox-Style", "a" * 64),))
    assert "the embedding Fox-Style (aaaaaaaaaaaa); here is another one of this name" in (
        failure_reason(job(other), sd_core())
    )


def test_the_text_of_a_picture_has_the_hashes() -> None:
    """As the web UI writes them: twelve digits of each file's sha256."""
    run = named_recipe(sd_core(), "fox-style")
    [fox] = run.embeddings
    text = write_infotext(run)
    assert f'TI hashes: "Fox-Style: {fox.sha256[:12]}"' in text
    infotext = read_infotext(text)
    assert infotext is not None
    assert infotext.notes == ()
    assert infotext.embeddings == (("Fox-Style", fox.sha256[:12]),)
