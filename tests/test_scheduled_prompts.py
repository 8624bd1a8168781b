"""/imagine with prompts that change while the pictures are painted."""

import pytest

from engine.contract import Change, Recipe
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine


async def test_a_prompt_may_change_unless_it_is_raw(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The message has the user's own words."""
    message = await harness.imagine(prompt="a [cat:dog:0.5]", steps=4, count=1)
    assert "[cat:dog:0.5]" in message.content.replace("\\", "").replace("\u200b", "")
    await harness.imagine(prompt="a [cat:dog:0.5]", steps=4, count=1, raw=True)
    scheduled, raw = (paint.recipes[0] for paint in engine.paints)
    assert isinstance(scheduled, Recipe) and isinstance(raw, Recipe)
    assert (scheduled.prompt, scheduled.changes) == ("a cat", (Change(step=2, prompt="a dog"),))
    assert (raw.prompt, raw.changes) == ("a [cat:dog:0.5]", ())


@pytest.mark.parametrize(
    "prompt",
    [
        "[a house:a naked child:0.5]",
        "[a naked woman:a child:0.5]",
        "a [naked|clothed] [child|woman|dog]",
        "na[|]ked [child|dog]",
        "[a house:a naked child:8]",
        r"a na\k(ed:1.3) c[hi]ld",
    ],
)
async def test_every_prompt_that_takes_effect_is_checked(
    harness: BotHarness, engine: FakeEngine, prompt: str
) -> None:
    """Each one, all of one picture together, and the words that the message shows."""
    interaction = await harness.ada.slash("imagine", prompt=prompt, steps=8)
    assert "no sexual content with minors" in await harness.refusal(interaction)
    assert not engine.paints
