"""/lineage and 🌳 Family, with variations of a picture, from the button to the drawing."""

from io import BytesIO

import pytest
from PIL import Image

from bot.playground import Interaction, Message, Person, Upload
from tests.bot_harness import BotHarness
from tests.changing import EDITOR, PAINTER
from tests.fake_engine import FakeEngine

FAMILY = "🌳 Family"


async def answer(harness: BotHarness, interaction: Interaction) -> Message:
    """The private response, once it has a text."""

    def answers() -> list[Message]:
        return [m for m in interaction.ephemerals if m.content.strip("…")]

    await harness.discord.until(answers, why="the family tree")
    return answers()[0]


async def lineage(harness: BotHarness, picture: str, person: Person | None = None) -> Message:
    """The response to /lineage."""
    return await answer(harness, await (person or harness.ada).slash("lineage", picture=picture))


async def vary(harness: BotHarness, grid: Message, label: str) -> Message:
    """The result of a V button."""
    return await harness.result(await harness.ada.click(grid, label))


def picture_ids(harness: BotHarness) -> list[str]:
    """All pictures, oldest first."""
    return [row["id"] for row in harness.query("SELECT id FROM pictures ORDER BY rowid")]


def tree(message: Message) -> Image.Image:
    """The drawing in a response."""
    [file] = message.attachments
    return Image.open(BytesIO(file.data)).convert("RGB")


async def test_the_family_of_a_picture_is_drawn(harness: BotHarness) -> None:
    """By its id and by the button below it; a variation of a variation is in it too."""
    first = await vary(harness, await harness.imagine(), "V2")
    await vary(harness, first, "V1")
    ids = picture_ids(harness)
    response = await lineage(harness, ids[1])
    assert response.content == "🌳 **a red house** · 9 pictures"
    assert response.flags & 64  # ephemeral
    image = tree(response)
    assert image.width > 500 and image.height > 500
    full_size = await harness.result(await harness.ada.click(first, "U1"))
    pressed = await answer(harness, await harness.ada.click(full_size, FAMILY))
    assert pressed.content == response.content
    assert tree(pressed).size == image.size
    assert tree(pressed).tobytes() != image.tobytes()  # another picture is framed


async def test_a_message_link_is_its_first_picture(harness: BotHarness) -> None:
    """Or the only one that it shows."""
    grid = await harness.imagine()
    await vary(harness, grid, "V1")
    link = f"https://discord.com/channels/1/{grid.channel.id}/{grid.id}"
    assert "5 pictures" in (await lineage(harness, link)).content


async def test_the_latest_pictures_are_offered(harness: BotHarness) -> None:
    """Those of the person alone, by the words of the prompt."""
    await harness.imagine(prompt="a blue boat", count=1)
    await harness.imagine(prompt="a red house", count=1)
    boat, house = picture_ids(harness)
    assert await offered(harness, harness.ada) == [
        ("a red house · picture 1 · seed 7", house),
        ("a blue boat · picture 1 · seed 7", boat),
    ]
    assert await offered(harness, harness.ada, "BOAT") == [
        ("a blue boat · picture 1 · seed 7", boat)
    ]
    assert await offered(harness, harness.discord.person("Ben")) == []


async def offered(harness: BotHarness, person: Person, typed: str = "") -> list[tuple[str, str]]:
    """The names and values of the choices for the option."""
    interaction = await person.complete("lineage", "picture", typed)
    await harness.discord.until(lambda: interaction.choices is not None, why="choices")
    return [(choice["name"], choice["value"]) for choice in interaction.choices or ()]


async def test_a_picture_without_relatives_says_so(harness: BotHarness) -> None:
    """There is nothing to draw."""
    await harness.imagine(count=1)
    response = await lineage(harness, picture_ids(harness)[0])
    assert "has no relatives" in response.content and response.attachments == []


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        ("nonsense", "That is no picture of mine."),
        ("https://discord.com/channels/1/2/3", "That is no picture of mine."),
        (f"https://discord.com/channels/1/2/{'9' * 20}", "That is no picture of mine."),
        (f"https://discord.com/channels/1/2/{2**63}", "That is no picture of mine."),
        ("0123456789abcdef-1", "That picture no longer exists."),
    ],
)
async def test_what_is_no_picture_is_refused(
    harness: BotHarness, picture: str, sentence: str
) -> None:
    """With one sentence."""
    interaction = await harness.ada.slash("lineage", picture=picture)
    assert sentence in await harness.refusal(interaction)


async def test_removed_and_deleted_relatives_are_blank(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The tree keeps its shape; a removed picture itself has no tree."""
    grid = await harness.imagine(count=1)
    await vary(harness, grid, "V1")
    parent, child = picture_ids(harness)[:2]
    whole = tree(await lineage(harness, child))
    await harness.execute("UPDATE pictures SET removed_at = 1 WHERE id = ?", parent)
    removed = tree(await lineage(harness, child))
    assert removed.size[0] == whole.size[0] and removed.tobytes() != whole.tobytes()
    interaction = await harness.ada.slash("lineage", picture=parent)
    assert "Moderators removed this" in await harness.refusal(interaction)
    await harness.execute("DELETE FROM pictures WHERE id = ?", parent)
    assert "5 pictures" in (await lineage(harness, child)).content


async def test_pictures_of_channels_that_a_person_cannot_open_are_not_shown(
    harness: BotHarness,
) -> None:
    """Their ids are of no use there, and relatives from there are left out."""
    private = harness.discord.person("Ada").dm
    interaction = await harness.ada.slash("imagine", prompt="a secret", count=1, where=private)
    await harness.result(interaction)
    [secret] = picture_ids(harness)
    ben = harness.discord.person("Ben")
    refused = await ben.slash("lineage", picture=secret)
    assert "no longer exists" in await harness.refusal(refused)
    assert "has no relatives" in (await lineage(harness, secret)).content


@pytest.mark.parametrize("is_private", [True, False])
async def test_what_only_another_person_can_see_is_left_out(
    harness: BotHarness, engine: FakeEngine, is_private: bool
) -> None:
    """An uploaded picture is known by its pixels, but its family stays private, and its size."""
    await harness.stop()
    engine.models = (PAINTER, EDITOR)
    await harness.start()
    where = None if is_private else harness.ada.dm
    options: dict[str, bool] = {"private": True} if is_private else {}
    secret = await harness.result(
        await harness.ada.slash("imagine", prompt="a secret", count=2, where=where, **options)
    )
    picture = await harness.result(await harness.ada.click(secret, "U1"))
    upload = Upload("a.png", picture.attachments[0].data, "image/png")
    edited = await harness.result(
        await harness.ada.slash("edit", picture=upload, instruction="at night", count=2)
    )
    await harness.result(await harness.ada.click(edited, "V1"))
    _, _, first, second, *_ = picture_ids(harness)
    assert harness.query("SELECT 1 FROM lineage WHERE relation = 'edit'")
    assert (await lineage(harness, first)).content == "🌳 **at night** · 7 pictures"
    ben = harness.discord.person("Ben")
    response = await lineage(harness, first, ben)
    assert response.content == "🌳 **at night** · 5 pictures"
    assert "has no relatives" in (await lineage(harness, second, ben)).content


async def test_the_button_works_wherever_the_picture_is_shown(harness: BotHarness) -> None:
    """Relatives that the person cannot open are blank, the picture itself is not."""
    await vary(harness, await harness.imagine(count=1), "V1")
    parent = picture_ids(harness)[0]
    guild = harness.discord.add_guild("Elsewhere")
    mia = harness.discord.person("Mia")
    for person in (harness.ada, mia):
        person.join(guild)
    interaction = await harness.ada.slash("show", job=parent, where=guild.channel)
    shown = await harness.result(interaction)
    response = await answer(harness, await mia.click(shown, FAMILY))
    assert response.content == "🌳 **a red house** · 5 pictures"
    with Image.open(BytesIO(shown.attachments[0].data)) as picture:
        colour = picture.convert("RGB").getpixel((5, 5))
    assert colour in {value for _, value in tree(response).getcolors(2**24) or ()}
    refused = await mia.slash("lineage", picture=parent, where=guild.channel)
    assert "no longer exists" in await harness.refusal(refused)
