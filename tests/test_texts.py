"""Models that write texts: language models, captioners, and the starter's classifier."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.contract import (
    MAX_TEXTS,
    Cancelled,
    Completed,
    Description,
    Event,
    Expansion,
    Failed,
    Paint,
    TextWork,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.core.postprocess import Postprocessor
from engine.core.request import Request
from engine.core.text_writer import TextWriter
from engine.errors import ModelCorrupt, ModelNotFound
from engine.server.text_models import load_text_models
from engine.starter.scene_captioner import load_scene_captioner
from engine.starter.scenes import Scene, Thing, draw_scene
from engine.texts import TextModels, image_to_text, language_model
from tests import tiny_model, tiny_text_models
from tests.engine_parts import engine_core

PICTURE = Image.new("RGB", (48, 32), "red")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> TextModels:
    """Tiny models of random weights."""
    folder = tmp_path_factory.mktemp("texts")
    return TextModels(
        language_model.load(str(tiny_text_models.save_language_model(folder / "gpt2"))),
        image_to_text.load(str(tiny_text_models.save_captioner(folder / "blip"))),
    )


def core(models: TextModels) -> EngineCore:
    """An engine core with these models of texts."""
    painting = engine_core().models
    return EngineCore(painting, Postprocessor(), text_writer=TextWriter(models))


def events_of(engine: EngineCore, work: TextWork, picture: Image.Image = PICTURE) -> list[Event]:
    """The events of a job with this work."""
    data = encode_png(picture)
    name = sha256(data)
    work = Description(name) if isinstance(work, Description) else work
    paint = Paint(job="t", attempt=1, recipes=(), inputs=(name,), text=work)
    events: list[Event] = []
    request = Request(paint, events.append, {name: data})
    engine.add_request(request)
    engine.text_writer.thread.flush()
    assert engine.requests == []
    return events


def test_a_language_model_continues_a_prompt(texts: TextModels) -> None:
    """Without the prompt; equal seeds give equal words, whatever the global generator is at."""
    assert texts.expander is not None
    first, *others = [texts.expander.expand("a cat", seed) for seed in range(5)]
    torch.rand(1)
    assert first == texts.expander.expand("a cat", 0)
    assert set(others) != {first}
    assert set(first.split()) <= set(tiny_text_models.WORDS) | {"[UNK]"}
    assert texts.expander.expand("cat " * 3000, 1)


def test_a_captioner_describes_a_picture(texts: TextModels) -> None:
    """By several texts, the same for equal pixels."""
    assert texts.captioner is not None
    described = texts.captioner.describe(PICTURE)
    assert 1 <= len(described) == len(set(described)) <= MAX_TEXTS
    assert described == texts.captioner.describe(PICTURE.copy())
    for text in described:
        assert set(text.split()) <= {*tiny_text_models.WORDS}


def test_cards_name_the_models(texts: TextModels) -> None:
    """With the licences of their README files."""
    expander, captioner = texts.cards.expander, texts.cards.captioner
    assert expander is not None and captioner is not None
    assert (expander.licence, captioner.licence) == ("mit", "mit")
    assert expander.name.endswith("gpt2") and captioner.name.endswith("blip")
    assert (TextModels().cards.expander, TextModels().cards.captioner) == (None, None)


@pytest.mark.parametrize("load", [language_model.load, image_to_text.load])
def test_what_cannot_be_loaded_is_named(load: Callable[[str], object], tmp_path: Path) -> None:
    """A missing folder, one without config, one with a pickle, and one of another kind."""
    with pytest.raises(ModelNotFound, match=r"There is no \w+ nothing: give a folder"):
        load("nothing")
    with pytest.raises(ModelCorrupt, match=r"has no config\.json"):
        load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelCorrupt, match="pickles"):
        load(str(tmp_path))
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "model.safetensors")
    with pytest.raises(ModelCorrupt, match="cannot be loaded"):
        load(str(tmp_path))


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    """Transformers would draw them at random."""
    folder = tiny_text_models.save_language_model(tmp_path / "gpt2")
    tiny_text_models.damage(folder)
    with pytest.raises(ModelCorrupt, match="weights are missing"):
        language_model.load(str(folder))


# The starter's classifier


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (Scene((Thing("house", "red"),), "snow", "night"), "a red house in the snow at night"),
        (Scene((Thing("umbrella", "orange"),), "sand", "day"), "an orange umbrella on the sand"),
        (
            Scene((Thing("cat", "black"), Thing("car", "blue")), "grass", "sunset"),
            "a black cat to the left of a blue car on the grass at sunset",
        ),
    ],
)
def test_the_starter_describes_its_scenes(scene: Scene, words: str) -> None:
    """In words that it paints, first with the setting and then the things alone."""
    captioner = load_scene_captioner()
    picture = draw_scene(scene, (128, 128), random.Random(3))
    full, things = captioner.describe(picture)
    assert full.startswith(words) and full.startswith(things)
    assert " the s" not in things and captioner.card.name == "starter"
    assert "14 things" in captioner.card.limits and "skull" not in captioner.card.limits


def test_a_starter_brings_its_captioner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other models have none; the operator's settings count first."""
    monkeypatch.delenv("IMAGINE_CAPTIONER", raising=False)
    monkeypatch.delenv("IMAGINE_EXPANDER", raising=False)
    assert load_text_models(["tiny"]) == TextModels()
    own = load_text_models(["tiny", "starter-lightning-8-steps"]).cards
    assert own.captioner is not None and own.captioner.name == "starter"
    assert own.expander is None
    folders = [
        tiny_text_models.save_language_model(tmp_path / "a"),
        tiny_text_models.save_captioner(tmp_path / "b"),
    ]
    for name, folder in zip(("IMAGINE_EXPANDER", "IMAGINE_CAPTIONER"), folders, strict=True):
        monkeypatch.setenv(name, str(folder))
    loaded = load_text_models(["starter"]).cards
    assert loaded.expander is not None and loaded.expander.name == str(folders[0])
    assert loaded.captioner is not None and loaded.captioner.name == str(folders[1])


# In the engine core


def test_the_core_writes_texts(texts: TextModels) -> None:
    """A job without recipes ends with them; the time is charged."""
    engine = core(texts)
    [expansion] = events_of(engine, Expansion(prompt="a cat", seed=7))
    assert isinstance(expansion, Completed) and texts.expander is not None
    assert expansion.texts == (texts.expander.expand("a cat", 7),)
    [description] = events_of(engine, Description("x"))
    assert isinstance(description, Completed) and texts.captioner is not None
    assert description.texts == texts.captioner.describe(PICTURE)
    assert description.engine_seconds > 0
    engine.close()


def test_a_flagged_picture_is_not_described(
    texts: TextModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a file that is no picture."""
    engine = core(texts)
    monkeypatch.setattr(type(engine.model), "check_safety", lambda *_: ())
    [failed] = events_of(engine, Description("x"))
    assert isinstance(failed, Failed) and failed.init_image_flagged
    assert failed.reason == "The picture was withheld by the safety check."
    engine.close()


def test_each_model_checks_the_picture_that_is_described(texts: TextModels) -> None:
    """Nobody has chosen one of them, and each checker is enough to withhold a picture."""
    strict = engine_core(tiny_model.ALWAYS).model
    lenient = engine_core(tiny_model.NEVER).model
    engine = EngineCore([lenient, strict], Postprocessor(), text_writer=TextWriter(texts))
    [failed] = events_of(engine, Description("x"))
    assert isinstance(failed, Failed) and failed.init_image_flagged
    engine.close()


def test_without_models_a_sentence_says_what_to_add() -> None:
    """For whoever runs the bot."""
    engine = core(TextModels())
    [first] = events_of(engine, Expansion(prompt="a cat", seed=7))
    assert isinstance(first, Failed) and "IMAGINE_EXPANDER" in first.reason
    [second] = events_of(engine, Description("x"))
    assert isinstance(second, Failed) and "IMAGINE_CAPTIONER=" in second.reason
    engine.close()


def test_a_text_that_waits_is_cancelled(texts: TextModels) -> None:
    """Before it is written."""
    engine = core(texts)
    events: list[Event] = []
    paint = Paint(job="t", attempt=1, recipes=(), text=Expansion(prompt="a", seed=1))
    request = Request(paint, events.append)
    request.request_cancel()
    engine.add_request(request)
    engine.text_writer.thread.flush()
    assert [type(event) for event in events] == [Cancelled]
    engine.close()
