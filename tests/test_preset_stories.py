"""Styles, permutations and wildcards, from the commands to the messages."""

import pytest

from bot.domain.built_in_presets import STYLES, WILDCARDS
from bot.playground import Interaction, Person
from bot.playground.client.options import Value
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine


@pytest.fixture
def manager(harness: BotHarness) -> Person:
    """A user who manages the server."""
    return harness.discord.person("Boss", admin=True)


async def administer(harness: BotHarness, manager: Person, command: str, **options: Value) -> str:
    """The private response to a command of /admin."""
    interaction = await manager.invoke(f"admin {command}", options, checked=False)
    return await harness.refusal(interaction)


async def values(interaction: Interaction) -> list[str]:
    """The suggested values."""
    await interaction.acknowledged()
    return [str(choice["value"]) for choice in interaction.choices or ()]


async def test_a_style_adds_words_and_settings(harness: BotHarness, engine: FakeEngine) -> None:
    """The message has the user's own words, the recipe the result."""
    message = await harness.imagine(styles="Watercolor, photo", count=1)
    [recipe] = engine.paints[0].recipes
    assert recipe.prompt == (
        "photo of watercolor painting of a red house, soft washes, paper texture, bleeding colors, "
        "natural light, 50mm lens, sharp focus, highly detailed"
    )
    assert recipe.negative.startswith("photo, 3d render, harsh lines, drawing")
    assert (recipe.steps, recipe.sampler) == (30, "dpmpp_2m_karras")
    assert message.content.startswith("**a red house** ·")
    assert message.content.endswith("\nStyles: watercolor, photo.")


async def test_what_the_user_gives_counts_before_the_style(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Steps, sampler and negative prompt."""
    await harness.imagine(styles="photo", steps=3, sampler="ddim", negative="rain")
    recipe = engine.paints[0].recipes[0]
    assert (recipe.steps, recipe.sampler) == (3, "ddim")
    assert recipe.negative == f"rain, {STYLES['photo'].negative}"


async def test_a_style_works_in_direct_messages(harness: BotHarness, engine: FakeEngine) -> None:
    """The built-in ones."""
    interaction = await harness.ada.slash(
        "imagine", prompt="a house", styles="night", where=harness.ada.dm
    )
    await harness.result(interaction)
    assert engine.paints[0].recipes[0].prompt == "a house, at night, under the stars"


async def test_flags_name_styles_too(harness: BotHarness, engine: FakeEngine) -> None:
    """Beside those of the option, and with permutations before them."""
    message = await harness.imagine(prompt="a {red, blue} house --style night", styles="winter")
    words = "in the snow, in winter, at night, under the stars"
    prompts = [recipe.prompt for recipe in engine.paints[0].recipes]
    assert prompts == [f"a red house, {words}", f"a blue house, {words}"]
    assert "1: red · 2: blue" in message.content
    assert message.content.startswith("**a {red, blue} house** ·")


async def test_the_styles_of_a_setting_are_used(harness: BotHarness, engine: FakeEngine) -> None:
    """Where the option names none; `-` is none of them."""
    for values in ({"setting": "styles", "value": "night"},):
        await harness.refusal(await harness.ada.invoke("settings", values, checked=False))
    await harness.imagine()
    await harness.imagine(styles="-")
    await harness.imagine(styles="winter")
    prompts = [paint.recipes[0].prompt for paint in engine.paints]
    assert prompts[0] == "a red house, at night, under the stars"
    assert prompts[1:] == ["a red house", "a red house, in the snow, in winter"]


async def test_an_unknown_style_is_refused_privately(harness: BotHarness) -> None:
    """With similar names."""
    interaction = await harness.ada.slash("imagine", prompt="a house", styles="neno")
    assert await harness.refusal(interaction) == "There is no style “neno”. Did you mean neon?"
    assert harness.discord.messages() == [] and harness.query("SELECT * FROM jobs") == []


async def test_styles_are_suggested(harness: BotHarness, manager: Person) -> None:
    """Also those that were just added; the names before the last one stay."""
    assert await values(await harness.ada.complete("imagine", "styles", "pix")) == ["pixel-art"]
    await administer(harness, manager, "style add", name="Pixel dust", prompt="dust")
    typed = await values(await harness.ada.complete("imagine", "styles", "neon, pix"))
    assert typed == ["neon, pixel-art", "neon, pixel-dust"]


async def test_managers_change_the_styles_of_their_server(
    harness: BotHarness, manager: Person, engine: FakeEngine
) -> None:
    """Each change takes effect at once, is private and has its audit entry."""
    added = await administer(
        harness, manager, "style add", name="Ink", prompt="black *ink*", steps=9
    )
    assert added == "The style **ink**: black \\*ink\\* · 9 steps"
    changed = await administer(
        harness, manager, "style change", name="ink", negative="color", steps=8
    )
    assert changed == "The style **ink**: black \\*ink\\* · without color · 8 steps"
    await harness.imagine(styles="ink")
    recipe = engine.paints[0].recipes[0]
    assert (recipe.prompt, recipe.negative, recipe.steps) == (
        "a red house, black *ink*",
        "color",
        8,
    )
    listed = await administer(harness, manager, "style list")
    assert "- **ink** (of this server): black" in listed and "- **neon**: neon" not in listed
    assert "- **neon**: {prompt}, neon lights" in listed
    assert await administer(harness, manager, "style remove", name="ink") == (
        "The style **ink** is removed."
    )
    gone = await harness.ada.slash("imagine", prompt="a house", styles="ink")
    assert "no style “ink”" in await harness.refusal(gone)
    audit = await administer(harness, manager, "audit")
    assert "style ink: added, 9 steps" in audit and "style ink: removed" in audit


async def test_a_removed_built_in_style_comes_back(harness: BotHarness, manager: Person) -> None:
    """By reset, whose names are suggested; this holds after a restart."""
    await administer(harness, manager, "style remove", name="neon")
    await harness.stop()
    await harness.start()
    gone = await harness.ada.slash("imagine", prompt="a house", styles="neon")
    assert "no style “neon”" in await harness.refusal(gone)
    assert "Removed here: neon." in await administer(harness, manager, "style list")
    assert await values(await manager.complete("admin style reset", "name", "")) == ["neon"]
    assert "neon lights" in await administer(harness, manager, "style reset", name="neon")
    await harness.imagine(styles="neon")


@pytest.mark.parametrize(
    ("command", "options", "sentence"),
    [
        ("style add", {"name": "neon", "prompt": "a"}, "There is a style “neon” already"),
        ("style add", {"name": "@everyone", "prompt": "a"}, "has letters and digits"),
        ("style add", {"name": "a"}, "A style needs words"),
        ("style add", {"name": "a", "prompt": "x" * 500}, "at most 400 characters"),
        ("style add", {"name": "a", "steps": 500}, "must be 1 to 150"),
        ("style add", {"name": "a", "sampler": "magic"}, "no sampler “magic”"),
        ("style change", {"name": "neon"}, "Give what to change"),
        ("style change", {"name": "neno", "steps": 5}, "Did you mean neon?"),
        ("style remove", {"name": "neno"}, "Did you mean neon?"),
        ("style reset", {"name": "mine"}, "no built-in style “mine”"),
        ("wildcard add", {"name": "animals", "entries": "a"}, "wildcard “animals” already"),
        ("wildcard add", {"name": "a", "entries": ","}, "has 1 to 200 entries"),
        ("wildcard add", {"name": "a", "entries": "__x__"}, "no groups and wildcards of its own"),
        ("wildcard change", {"name": "animal", "entries": "a"}, "Did you mean animals?"),
        ("wildcard remove", {"name": "animal"}, "Did you mean animals?"),
    ],
)
async def test_invalid_presets_get_one_private_sentence(
    harness: BotHarness, manager: Person, command: str, options: dict[str, Value], sentence: str
) -> None:
    """Nothing is stored."""
    assert sentence in await administer(harness, manager, command, **options)
    assert harness.query("SELECT * FROM presets") == []
    assert harness.discord.messages() == []


@pytest.mark.parametrize(("group", "name"), [("style", "neon"), ("wildcard", "animals")])
async def test_only_managers_change_presets(harness: BotHarness, group: str, name: str) -> None:
    """This holds even in a server that shows the commands to everybody."""
    option = {"name": "name", "type": 3, "value": name}
    command = {"name": "remove", "type": 1, "options": [option]}
    data = {"id": "1", "name": "admin", "type": 1}
    data |= {"options": [{"name": group, "type": 2, "options": [command]}]}
    moderator = harness.discord.person("Mo", moderator=True)
    interaction = harness.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND, moderator.user, harness.discord.channel, data
    )
    event = interaction_json(interaction)
    harness.discord.world.emit("INTERACTION_CREATE", event, harness.discord.channel)
    assert "Only members with the permission Manage Server" in await harness.refusal(interaction)
    assert harness.query("SELECT * FROM presets") == []


async def test_permutations_are_pictures_of_one_job(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The message says which words each one has; they have one seed and their own buttons."""
    message = await harness.imagine(prompt="a {red, blue} {cat, dog} at night")
    assert [(recipe.prompt, recipe.seed) for recipe in engine.paints[0].recipes] == [
        ("a red cat at night", 7),
        ("a red dog at night", 7),
        ("a blue cat at night", 7),
        ("a blue dog at night", 7),
    ]
    lines = message.content.splitlines()
    assert lines[0].startswith("**a {red, blue} {cat, dog} at night** ·")
    assert lines[1] == "1: red cat · 2: red dog · 3: blue cat · 4: blue dog"
    assert "seed 7" in lines[2] and "V4" in message.buttons
    single = await harness.result(await harness.ada.click(message, "U2"))
    assert single.content.startswith("**a red dog at night** · picture 2")
    recipe = await harness.ada.use("Show recipe", message)
    text = await harness.refusal(recipe)
    assert "a red cat at night" in text and "2: prompt a red dog at night" in text


async def test_too_many_permutations_are_refused_privately(harness: BotHarness) -> None:
    """The sentence has both numbers."""
    interaction = await harness.ada.slash("imagine", prompt="{a, b, c, d, e} {1, 2, 3, 4}")
    refusal = await harness.refusal(interaction)
    assert "has 20 permutations; at most 16 pictures of a request" in refusal
    assert harness.discord.messages() == []


async def test_a_wildcard_is_drawn_by_seed(
    harness: BotHarness, manager: Person, engine: FakeEngine
) -> None:
    """The same seed draws the same words, and 🔄 keeps the words of each picture."""
    await administer(harness, manager, "wildcard add", name="pets", entries="cat, dog, parrot")
    first = await harness.imagine(prompt="a __pets__ on a chair")
    await harness.imagine(prompt="a __pets__ on a chair")
    await harness.result(await harness.ada.click(first, "🔄"))
    words = [[recipe.prompt for recipe in paint.recipes] for paint in engine.paints]
    assert words[0] == words[1] == words[2]
    assert set(words[0]) <= {f"a {pet} on a chair" for pet in ("cat", "dog", "parrot")}
    pets = [prompt.split()[1] for prompt in words[0]]
    line = " · ".join(f"{nth}: {pet}" for nth, pet in enumerate(pets, start=1))
    assert line in first.content and first.content.startswith("**a \\_\\_pets\\_\\_ on a chair**")


async def test_a_picture_of_permutations_is_rerolled_with_its_words(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The message has them too, not those of the other pictures."""
    message = await harness.imagine(prompt="a {red, blue} cat")
    single = await harness.result(await harness.ada.click(message, "U2"))
    again = await harness.result(await harness.ada.click(single, "🔄"))
    assert [recipe.prompt for recipe in engine.paints[1].recipes] == ["a blue cat"]
    assert "a blue cat" in again.content and "{red" not in again.content


async def test_managers_change_the_wildcards_of_their_server(
    harness: BotHarness, manager: Person
) -> None:
    """With suggestions of their names."""
    added = await administer(harness, manager, "wildcard add", name="Pets", entries="cat, *dog*")
    assert added == "The wildcard `__pets__`: 2 entries: cat, \\*dog\\*"
    changed = await administer(harness, manager, "wildcard change", name="pets", entries="cat")
    assert changed == "The wildcard `__pets__`: 1 entry: cat"
    listed = await administer(harness, manager, "wildcard list")
    assert "- `__pets__` (of this server): 1 entry: cat" in listed
    assert all(f"- `__{name}__`: " in listed for name in WILDCARDS)
    assert await values(await manager.complete("admin wildcard change", "name", "pe")) == ["pets"]
    removed = await administer(harness, manager, "wildcard remove", name="pets")
    assert removed == "The wildcard `__pets__` is removed."
    unknown = await harness.ada.slash("imagine", prompt="a __pets__")
    assert "There is no wildcard “pets”." in await harness.refusal(unknown)


async def test_banned_words_are_looked_for_in_the_result(
    harness: BotHarness, manager: Person
) -> None:
    """Those of a style, of a permutation and of a wildcard."""
    await administer(harness, manager, "words add", word="synthwave")
    await administer(harness, manager, "words add", word="blue cat")
    await administer(harness, manager, "wildcard add", name="bad", entries="synthwave")
    for options in (
        {"prompt": "a house", "styles": "neon"},
        {"prompt": "a {red, blue} {cat, dog}"},
        {"prompt": "a __bad__ house"},
    ):
        interaction = await harness.ada.invoke("imagine", options)
        assert "banned on this server" in await harness.refusal(interaction)
    assert harness.query("SELECT * FROM jobs") == []


async def test_raw_takes_braces_and_underscores_as_words(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Four pictures of one prompt."""
    prompt = "a {red, blue} __cat__ [a:b:0.5]"
    await harness.imagine(prompt=prompt, raw=True)
    assert {recipe.prompt for recipe in engine.paints[0].recipes} == {prompt}
    assert len(engine.paints[0].recipes) == 4


async def test_hostile_words_stay_words(harness: BotHarness) -> None:
    """Mentions and Markdown of permutations ping nobody and format nothing."""
    message = await harness.imagine(prompt="a {@everyone, **b**} cat")
    assert message.pings == frozenset()
    assert "\\*\\*b\\*\\*" in message.content and "@everyone" not in message.content
