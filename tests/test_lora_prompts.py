"""LoRAs in prompts, in the texts inside of pictures, and in what is painted from such texts."""

import re

import msgspec
import pytest

from bot.domain.plan import PlanContext
from bot.domain.recipe_offer import offer
from engine.contract import (
    Adapter,
    AdapterCard,
    Backend,
    Change,
    ModelCard,
    PictureOptions,
    PromptFormat,
    Recipe,
    make_recipes,
)
from engine.contract.extra_networks import LoraTag, take_loras
from engine.contract.infotext import read_infotext, write_infotext
from engine.contract.metadata import Metadata
from tests.fake_engine import MODEL
from tests.samples import recipe

INK = AdapterCard(name="Ink v1.2", revision="a" * 64, data_sha256="b" * 64)
CARD = msgspec.structs.replace(
    MODEL,
    adapters=(INK, *(AdapterCard(name=f"n{nth}", revision=f"{nth}" * 64) for nth in range(9))),
    refused_adapters={"Broken": "The LoRA Broken is damaged: it has NaN or infinite numbers."},
)


def painted(
    prompt: str, negative: str = "", model: ModelCard = CARD, *, raw: bool = False
) -> Recipe:
    """The recipe of a request."""
    request = PictureOptions(prompt=prompt, negative=negative, count=1, raw=raw)
    [made] = make_recipes(request, model, size=(64, 64), seed=7)
    return made


def ink(scale: float = 1.0) -> Adapter:
    """The LoRA in a recipe."""
    return Adapter(name=INK.name, revision=INK.revision, scale=scale)


@pytest.mark.parametrize(
    ("prompt", "text", "tags"),
    [
        ("a fox <lora:ink:0.8>", "a fox", [("ink", 0.8)]),
        ("a <LoRA:ink> fox", "a  fox", [("ink", 1.0)]),
        ("<lyco: ink :-1>a fox", "a fox", [("ink", -1.0)]),
        ("a fox<lora:a:.5><lora:b:te=2:unet=2>", "a fox", [("a", 0.5), ("b", 2.0)]),
        ("a fox <lora:a:1:1>", "a fox", [("a", 1.0)]),
        ("a [fox <lora:a:1>:cat:0.5]", "a [fox :cat:0.5]", [("a", 1.0)]),
        ("  a fox < lora:a:1>", "  a fox < lora:a:1>", []),
        ("a <b> fox", "a <b> fox", []),
    ],
)
def test_tags_are_taken_out(prompt: str, text: str, tags: list[tuple[str, float]]) -> None:
    """As the web UI does, before anything else is read in the prompt."""
    assert take_loras(prompt) == (text, tuple(LoraTag(*tag) for tag in tags))


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("<lora:ink:x> a", "The weight in <lora:ink:x> is not valid: write <lora:NAME> or"),
        ("<lora:ink:nan> a", "The weight in <lora:ink:nan> is not valid"),
        ("<lora:ink:1:1:64> a", "is not valid"),
        ("<lora:ink:dyn=4> a", "is not valid"),
        ("<lora:ink:1:0.5> a", "has two weights, for the text and for the image"),
        ("<lora:ink:te=0> a", None),
        ("a fox <lora:ink", "The tag <lora:ink is not complete: write <lora:NAME> or"),
        ("a <lora:ink:0.8 fox", "The tag <lora:ink:0.8 is not complete"),
        ("a fox <lora:>", "The tag <lora:> is not complete"),
        ("a <lora:n1> fox <LORA::1>", "The tag <LORA::1> is not complete"),
        ("<hypernet:ink:1> a", "Hypernetworks are not offered here: take <hypernet:ink:1> out"),
    ],
)
def test_tags_that_cannot_be_followed_are_refused(prompt: str, sentence: str | None) -> None:
    """With one sentence."""
    if sentence is None:
        assert take_loras(prompt)[1] == (LoraTag("ink", 0.0),)
        return
    with pytest.raises(ValueError, match=re.escape(sentence)):
        take_loras(prompt)


def test_prompts_name_the_loras_of_a_recipe() -> None:
    """Those of the negative prompt too; the case of a name does not matter if no other has it. The
    picture is then run by torch."""
    made = painted("a [fox:cat:2] <lora:ink V1.2:0.8>", "rain <lora:n3>")
    assert (made.prompt, made.negative) == ("a fox", "rain")
    assert made.changes == (Change(step=2, prompt="a cat"),)
    assert made.adapters == (ink(0.8), Adapter(name="n3", revision="3" * 64))
    openvino = msgspec.structs.replace(CARD, backends=(Backend.OPENVINO, Backend.TORCH))
    assert painted("a fox <lora:n3>", model=openvino).backend is Backend.TORCH
    assert painted("a fox", model=openvino).backend is Backend.OPENVINO


def test_options_and_prompts_add_up() -> None:
    """Those of the options come first; a LoRA in both is refused."""
    options = PictureOptions(prompt="a fox <lora:n1:2>", count=1)
    [made] = make_recipes(options, CARD, size=(64, 64), seed=7, adapters=[ink()])
    assert [adapter.name for adapter in made.adapters] == [INK.name, "n1"]
    with pytest.raises(ValueError, match=r"The LoRA n1 is named twice; name it once\."):
        make_recipes(options, CARD, size=(64, 64), seed=7, adapters=[CARD.adapter("n1", 1.0)])


def test_raw_prompts_have_no_tags() -> None:
    """All of it is words."""
    made = painted("a fox <lora:n1>", raw=True)
    assert (made.prompt, made.adapters) == ("a fox <lora:n1>", ())


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (
            "a fox <lora:gone>",
            "There is no LoRA “gone” for the model flat. Choose one of: Ink v1.2,",
        ),
        ("a fox <lora:broken>", "The LoRA Broken is damaged: it has NaN or infinite numbers."),
        ("a fox <lora:n1:5>", "The scale of the LoRA n1 is 5; it must be -4 to 4."),
        ("<lora:n1>", "The prompt is empty."),
        (
            "a fox " + "".join(f"<lora:n{nth}>" for nth in range(9)),
            "The picture has 9 LoRAs; at most 8 are allowed.",
        ),
    ],
)
def test_requests_that_cannot_be_painted_are_refused(prompt: str, sentence: str) -> None:
    """With one sentence, which says what is offered."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        painted(prompt)


def test_the_text_of_a_picture_names_its_loras() -> None:
    """As the web UI writes it, and as it is read."""
    made = painted("a fox <lora:n1:0.8>, night", "rain <lora:Ink v1.2:-1>")
    text = write_infotext(made)
    assert text.startswith(
        "a fox , night <lora:n1:0.8> <lora:Ink v1.2:-1>\nNegative prompt: rain\n"
    )
    assert text.endswith(f'Lora hashes: "n1: {"1" * 12}, Ink v1.2: {"a" * 12}"')
    read = read_infotext(text)
    assert read is not None
    assert (read.prompt, read.negative) == ("a fox , night", "rain")
    assert read.notes == read.other_networks == ()
    result = offer(Metadata(infotext=read), PlanContext(models=(CARD,), seed=5))
    [again] = result.plan.recipes
    assert again.recipe.adapters == made.adapters
    assert len(result.notes) == 1


def test_a_lora_of_another_program_is_found_by_its_digest() -> None:
    """Of the file, or of the file without its header as the web UI writes it; else by its name, and
    the user is told if it is another one. Those that are not here are named."""
    settings = (
        'Steps: 5, Seed: 1, Size: 64x64, Lora hashes: "old-name: bbbbbbbbbbbb, n1: cccccccccccc, '
        'gone: dddddddddddd"'
    )
    tags = "<lora:old-name:0.5><lora:N1:9><lora:gone:1><hypernet:x:1><lora:n2:1:0.25>"
    read = read_infotext(f"a fox {tags}\n{settings}")
    result = offer(Metadata(infotext=read), PlanContext(models=(CARD,), seed=5))
    [made] = result.plan.recipes
    assert [(adapter.name, adapter.scale) for adapter in made.recipe.adapters] == [
        (INK.name, 0.5),
        ("n1", 4.0),
        ("n2", 0.25),
    ]
    assert result.notes[:-1] == (
        "These LoRAs or other extra networks are not offered here, so they are not applied: gone, "
        "x, n1.",
        "The LoRA N1 has the scale 4, not 9.",
    )


def test_more_loras_than_a_picture_can_have_are_left_out() -> None:
    """And named."""
    tags = "".join(f"<lora:n{nth}>" for nth in range(9))
    read = read_infotext(f"a fox {tags}\nSteps: 5, Seed: 1, Size: 64x64")
    result = offer(Metadata(infotext=read), PlanContext(models=(CARD,), seed=5))
    assert len(result.plan.recipes[0].recipe.adapters) == 8
    assert result.notes[0].endswith("so they are not applied: n8.")


def test_words_of_a_plain_prompt_stay_words() -> None:
    """What looks like a weight there is written with backslashes, and the LoRA is not."""
    plain = recipe(prompt="a (fox)", prompt_format=PromptFormat.PLAIN, adapters=(ink(0.5),))
    assert write_infotext(plain).startswith(r"a \(fox\) <lora:Ink v1.2:0.5>")
