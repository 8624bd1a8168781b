"""The texts of recipes."""

import msgspec
import pytest

from bot.messages import recipe_texts
from engine.contract import (
    Change,
    Img2Img,
    ModelCard,
    PromptFormat,
    Sampler,
    Subseed,
    Upscale,
    Work,
)
from engine.contract.metadata import decode_recipes
from engine.contract.samplers import FLOW_SAMPLERS
from tests.fake_engine import MODEL
from tests.samples import recipe


def described(*recipes: Work, notes: tuple[str, ...] = ()) -> recipe_texts.RecipeText:
    """The text of these recipes."""
    return recipe_texts.describe(recipes, range(1, len(recipes) + 1), (MODEL,), notes)


def test_a_recipe_is_two_blocks() -> None:
    """The text of the web UI, and the command."""
    assert described(recipe(negative="rain", prompt_format=PromptFormat.A1111)) == (
        "```\na red house\nNegative prompt: rain\nSteps: 4, Sampler: Euler, "
        "Schedule type: Uniform, CFG scale: 5, Seed: 7, Size: 64x64, Model hash: 0000000000, "
        "Model: flat\n```\n"
        "```\n/imagine prompt:a red house negative:rain seed:7 steps:4 guidance:5 sampler:euler "
        "count:1\n```",
        False,
    )


def test_an_enlargement_needs_its_file() -> None:
    """The text names the upscaler."""
    work = Upscale(
        picture=recipe(), image="c" * 64, upscaler="esrgan", upscaler_revision="1", scale=4
    )
    content, needs_file = described(work)
    assert needs_file and "Postprocess upscaler: esrgan" in content


def test_the_text_of_a_model_with_flow_matching_has_its_schedule() -> None:
    """If the model is loaded."""
    work = recipe(sampler=Sampler.UNIPC)
    card = msgspec.structs.replace(
        MODEL, max_steps=dict.fromkeys(set(Sampler) - set(FLOW_SAMPLERS), 0)
    )
    cases: tuple[tuple[tuple[ModelCard, ...], str], ...] = (
        ((card,), "Sampler: UniPC, Schedule type: Simple"),
        ((), ""),
    )
    for models, schedule in cases:
        content = recipe_texts.describe([work], [1], models).content
        assert ("Schedule type" in content) == bool(schedule) and schedule in content


def test_words_are_described_as_words() -> None:
    """The command has `raw`; in the text of the web UI, brackets have backslashes."""
    content, _ = described(recipe(prompt="a (red:1.3) house"))
    assert content.startswith("```\na \\(red:1.3\\) house\n")
    assert "prompt:a (red:1.3) house seed:7" in content and "count:1 raw:True\n" in content


def test_a_grid_lists_how_its_pictures_differ() -> None:
    """The command paints all of them."""
    content, needs_file = described(*(recipe(seed=seed) for seed in (7, 8, 9)))
    assert "count:3" in content and not needs_file
    assert content.endswith("```\n2: seed 8\n3: seed 9\n```")


def test_the_command_has_the_size() -> None:
    """As an aspect, or else in pixels."""
    assert "aspect:wide seed:7" in described(recipe(width=88))[0]
    assert "a red house width:200 height:64 seed:7" in described(recipe(width=200))[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"subseeds": (Subseed(3, 0.15),)},
        {"changes": (Change(step=2, prompt="a dog"),)},
        {"source": Img2Img("b" * 64, 0.5)},
        {"prompt": "a --cat"},
        {"revision": "1" * 40},
    ],
)
def test_a_recipe_that_no_command_paints_needs_its_file(changes: dict[str, object]) -> None:
    """/imagine has no option for it, or reads the prompt otherwise."""
    content, needs_file = described(recipe(**changes))
    assert needs_file and "/imagine" not in content
    assert decode_recipes(recipe_texts.recipe_file([recipe(**changes)])) == (recipe(**changes),)


def test_a_long_recipe_is_in_the_file() -> None:
    """The message stays within Discord's limit."""
    content, needs_file = described(recipe(prompt="x" * 1000, negative="y" * 1000))
    assert len(content) <= 2000 and needs_file
    assert "It is in the file." in content
    many = described(*(recipe(prompt="x" * 1000, seed=seed) for seed in range(100)))
    assert len(many.content) <= 2000 and many.needs_file


def test_nothing_in_a_block_is_markdown() -> None:
    """A prompt cannot end its block, and notes have no signs."""
    content, _ = described(recipe(prompt="a ``` <@1> house"), notes=("Not used: **a** <@5>.",))
    assert content.count("```") == 4
    assert content.endswith("- Not used: a 5.")


@pytest.mark.parametrize("count", range(3, 9))
def test_backticks_do_not_end_a_block(count: int) -> None:
    """However many there are in a row."""
    block = recipe_texts.code_block(f"a {'`' * count} house")
    assert block.count("```") == 2
