"""The option `loras` of /imagine, and /loras."""

from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import loras
from bot.errors import Refused
from engine.contract import AdapterCard
from tests.bot_harness import BotHarness
from tests.fake_engine import MODEL, FakeEngine
from tests.steered_model import STEERED
from tests.test_steering import OTHER, first_recipe


@pytest.fixture
def engine() -> FakeEngine:
    """An engine with a model that has LoRAs, one that has none, and one with another LoRA."""
    return FakeEngine(STEERED, MODEL, OTHER)


async def test_loras_are_named_by_an_option(harness: BotHarness, engine: FakeEngine) -> None:
    """With scales, in any case; also as a suggestion that was edited. The recipe has them all."""
    message = await harness.imagine(loras="Neon, pencil:0.8")
    expected = [("neon", 1.0), ("pencil", 0.8)]
    assert [(item.name, item.scale) for item in first_recipe(engine).adapters] == expected
    assert "LoRA neon, pencil (0.8)" in message.content
    await harness.imagine(loras="neon — neon light, pencil:0.8 — pencil drawing · hatching,")
    assert [(item.name, item.scale) for item in first_recipe(engine).adapters] == expected
    shown = await harness.refusal(await harness.ada.use("Show recipe", message))
    assert "loras:neon, pencil:0.8" in shown


async def test_a_lora_that_is_gone_is_named(harness: BotHarness, engine: FakeEngine) -> None:
    """By 🔄 too: nothing is queued."""
    grid = await harness.imagine(loras="neon")
    await harness.stop()
    engine.models = (msgspec.structs.replace(STEERED, adapters=()), MODEL)
    await harness.start()
    refused = await harness.refusal(await harness.ada.click(grid, "🔄"))
    assert refused == ("This picture needs the LoRA neon, which is not here for the model steered.")
    assert len(harness.query("SELECT * FROM jobs")) == 1


@pytest.fixture
async def many(harness: BotHarness, engine: FakeEngine) -> AsyncIterator[BotHarness]:
    """A bot whose model has 200 LoRAs."""
    await harness.stop()
    adapters = tuple(
        AdapterCard(name=f"style {n:03}", revision=f"r{n}", triggers=("some *words* of it",))
        for n in range(200)
    )
    engine.models = (msgspec.structs.replace(STEERED, adapters=adapters), MODEL)
    await harness.start()
    yield harness


async def suggested(
    harness: BotHarness, typed: str, model: str | None = None
) -> list[tuple[str, str]]:
    """Labels and values of the choices for the option `loras`."""
    interaction = await harness.ada.complete(
        "imagine", "loras", typed, others={} if model is None else {"model": model}
    )
    await interaction.acknowledged()
    return [(choice["name"], choice["value"]) for choice in interaction.choices or []]


async def test_loras_are_suggested_with_their_trigger_words(harness: BotHarness) -> None:
    """Those of the chosen model; the last name is completed, and keeps its scale."""
    neon, pencil = "neon — neon light", "pencil — pencil drawing · hatching"
    plain = ("plain", "plain")
    assert await suggested(harness, "") == [(neon, "neon"), (pencil, "pencil"), plain]
    assert await suggested(harness, "pe") == [(pencil, "pencil")]
    assert await suggested(harness, "neon:0.8, P") == [
        ("neon:0.8, pencil — pencil drawing · hatching", "neon:0.8, pencil"),
        ("neon:0.8, plain", "neon:0.8, plain"),
    ]
    assert await suggested(harness, f"{neon}, plain:0.5") == [
        ("neon, plain:0.5", "neon, plain:0.5")
    ]
    assert await suggested(harness, "", model="Other") == [("glow", "glow")]
    assert await suggested(harness, "", model="flat") == []
    assert await suggested(harness, "", model="no such") == []


async def test_many_loras_are_suggested_and_listed(many: BotHarness) -> None:
    """Within Discord's limits."""
    assert len(await suggested(many, "style")) == 25
    assert [value for _, value in await suggested(many, "style 17")] == [
        f"style 17{n}" for n in range(10)
    ]
    names = [f"style {n:03}" for n in range(8)]
    assert await suggested(many, ", ".join([*names[:7], "st"]))
    assert await suggested(many, ", ".join([*names, "st"])) == []  # no more may be named
    long = [f"{name}:0.3333333333" for name in names[:4]]
    assert await suggested(many, ", ".join([*long, "st"])) == []  # no choice may be longer
    first = await many.refusal(await many.ada.invoke("loras", {}))
    assert len(first) <= 2000 and "- **style 000**: some \\*words\\* of it" in first
    last = await many.refusal(await many.ada.invoke("loras", {"page": 99}))
    assert "style 199" in last and "page 5 of 5" in last


async def test_loras_are_listed_privately(harness: BotHarness) -> None:
    """For each model that has some, or for one."""
    text = await harness.refusal(await harness.ada.invoke("loras", {}))
    assert text.startswith(
        "For steered:\n- **neon**: neon light\n- **pencil**: pencil drawing, hatching\n- **plain**"
        "\nFor Other:\n- **glow**\n"
    )
    assert "`<lora:neon:0.8>`" in text
    one = await harness.refusal(await harness.ada.invoke("loras", {"model": "other"}))
    assert "glow" in one and "neon" not in one
    none = await harness.refusal(await harness.ada.invoke("loras", {"model": "flat"}))
    assert none == "There is no LoRA for the model flat."
    unknown = await harness.refusal(await harness.ada.invoke("loras", {"model": "x"}))
    assert "There is no model “x”" in unknown


ODD = msgspec.structs.replace(
    STEERED,
    adapters=tuple(
        AdapterCard(name=name, revision=name)
        for name in ("a", "a,b", "a:x", "Detail — more", "detail", "DETAIL")
    ),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("a", [("a", 1.0)]),
        ("a,b", [("a,b", 1.0)]),
        ("a, a,b:2", [("a", 1.0), ("a,b", 2.0)]),
        ("a:x", [("a:x", 1.0)]),
        ("a:0.25 , a:x:-1", [("a", 0.25), ("a:x", -1.0)]),
        ("detail — more", [("Detail — more", 1.0)]),
        ("detail — other words:0.5, a", [("detail", 1.0), ("a", 1.0)]),
        ("DETAIL, detail", [("DETAIL", 1.0), ("detail", 1.0)]),
        ("A:.5", [("a", 0.5)]),
        ("a:0,8", [("a", 0.8)]),
        ("a:-,5 , detail:1,25 — words", [("a", -0.5), ("detail", 1.25)]),
        ("a:0, a:x", [("a", 0.0), ("a:x", 1.0)]),
        ("<lora:a:0.4> <LORA:detail>", [("a", 0.4), ("detail", 1.0)]),
    ],
)
def test_names_may_have_commas_and_colons(text: str, expected: list[tuple[str, float]]) -> None:
    """They are file names. What `text_of` writes is read as the same."""
    adapters = loras.parse(text, ODD, [ODD])
    assert [(adapter.name, adapter.scale) for adapter in adapters] == expected
    assert loras.parse(loras.text_of(adapters), ODD, [ODD]) == adapters


@given(st.text(alphabet="ab,: —.0DETAIL\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever was typed; suggestions are within Discord's limits."""
    with suppress(Refused):
        loras.parse(text, ODD, [ODD])
    for label, value in loras.suggestions(text, ODD.adapters):
        assert 0 < len(label) <= 100 and 0 < len(value) <= 100
