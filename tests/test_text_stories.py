"""Prompts that are expanded and pictures that are described, by the real bot and engine."""

import re
from pathlib import Path

import pytest

from bot.playground import Message, Person, Playground
from engine.starter.scenes import COLOURS
from tests import tiny_model, tiny_text_models
from tests.bot_harness import final_response
from tests.bot_process import BotProcess

pytestmark = pytest.mark.timeout(240)
PATIENCE = 60.0
STARTER = "starter-lightning-8-steps"


async def preview_of(discord: Playground, ada: Person, prompt: str) -> Message:
    """The preview of an expanded prompt."""
    interaction = await ada.invoke("imagine", {"prompt": f"{prompt} --expand", "seed": 7})
    await discord.until(
        lambda: interaction.ephemerals and interaction.ephemerals[0].embeds,
        why="a preview",
        timeout=PATIENCE,
    )
    return interaction.ephemerals[0]


async def test_the_starter_paints_added_words_and_reads_them(tmp_path: Path) -> None:
    """Its classifier sees the colour and the thing; other models get words of a language model."""
    tiny = tiny_model.save(tmp_path / "tiny")
    expander = tiny_text_models.save_language_model(tmp_path / "gpt2")
    async with Playground(port=0, identify_interval=0) as discord:
        ada = discord.person("Ada")
        bot = BotProcess(
            discord, tmp_path / "data", f"{STARTER},{tiny}", IMAGINE_EXPANDER=str(expander)
        )
        await bot.start()
        preview = await preview_of(discord, ada, "a boat --count 1")
        text = str(preview.embeds[0]["description"])
        colour = re.match(rf"an? ({'|'.join(COLOURS)}) boat, ", text)
        assert colour is not None
        click = await ada.click(preview, "🎨 Paint")
        result = await final_response(discord, click, PATIENCE)
        described = await ada.use("Describe", result)
        await discord.until(
            lambda: described.ephemerals and described.ephemerals[0].embeds,
            why="a description",
            timeout=PATIENCE,
        )
        answer = described.ephemerals[0].embeds[0]
        assert f"{colour[1]} boat" in answer["fields"][0]["value"]
        assert "It knows 14 things" in answer["footer"]["text"]
        other = await preview_of(discord, ada, "a cat --model tiny")
        words = str(other.embeds[0]["description"]).removeprefix("a cat").replace(",", " ").split()
        assert set(words) <= set(tiny_text_models.WORDS) and words
        assert await bot.stop() == 0
    assert discord.violations == []
