"""The drawing pad of the playground's page, in a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image, ImageChops
from playwright.async_api import Browser, Locator, Page, expect

from bot.playground import Playground
from tests.browser import chromium, needs_browser, open_page
from tests.playground_bot import PlaygroundBot, channel_of, file, start_bot
from tests.playground_pad import (
    Received,
    alpha_at,
    as_image,
    as_png,
    attach,
    noise,
    open_pad,
    pad_commands,
    stroke,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_browser]
ACROSS = ((0.2, 0.5), (0.8, 0.5))
WHITE = (255, 255, 255)
RED = (224, 49, 49)


@pytest_asyncio.fixture(loop_scope="module")
async def playground() -> AsyncIterator[Playground]:
    """A local Discord on a free port."""
    async with Playground(port=0) as server:
        yield server


@pytest.fixture
def received() -> Received:
    """The files that the bot got."""
    return {}


@pytest_asyncio.fixture(loop_scope="module")
async def bot(playground: Playground, received: Received) -> AsyncIterator[PlaygroundBot]:
    """A bot with commands that take files."""
    async with start_bot(playground, *pad_commands(received)) as online:
        online.silent = True
        yield online


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(playground: Playground, bot: PlaygroundBot, browser: Browser) -> AsyncIterator[Page]:
    """The page; errors in the browser's console fail the test."""
    async with open_page(browser, playground) as page:
        await expect(page.locator("#status")).to_have_text("Imagine is online")
        yield page


async def send(page: Page, text: str) -> Locator:
    """Send a message or a command, and return the newest message once there is one more."""
    count = await page.locator(".message").count()
    await page.locator("#text").fill(text)
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_have_count(count + 1)
    return page.locator(".message").last


async def open_on_picture(
    page: Page, playground: Playground, bot: PlaygroundBot, data: bytes
) -> None:
    """Show a picture in the channel, and open the pad on it."""
    await channel_of(bot, playground).send(file=file("picture.png", data))
    await page.locator(".picture").last.click()
    await open_pad(page, page.get_by_role("button", name="Draw on it"))
    await expect(page.locator("#viewer")).to_be_hidden()


async def choose(page: Page, name: str) -> None:
    """Choose a mode or a tool by its visible name."""
    await page.locator("#pad .segments").get_by_text(name, exact=True).click()


def same_pixels(first: Image.Image, second: Image.Image) -> bool:
    """Whether two pictures are equal in size, mode and each byte."""
    sizes = (first.size, first.mode) == (second.size, second.mode)
    return sizes and first.tobytes() == second.tobytes()


async def test_a_sketch_is_drawn_and_posted_into_an_option(page: Page, received: Received) -> None:
    """Brush, eraser and colours make a flat PNG, which the chosen option takes."""
    await page.locator("#text").fill("/repaint a boat")
    await open_pad(page, page.get_by_role("button", name="Draw picture"))
    await page.get_by_role("radio", name="Red").check()
    await stroke(page, *ACROSS)
    await choose(page, "Eraser")
    await stroke(page, (0.5, 0.3), (0.5, 0.7))
    await page.get_by_role("radio", name="Black").check()  # the colour brings the brush back
    await stroke(page, (0.1, 0.1))
    await attach(page)
    await expect(page.locator(".upload")).to_contain_text("sketch.png")
    await expect(page.locator(".upload select")).to_have_value("picture")
    await send(page, "/repaint a boat")
    sketch = as_image(received.pop("picture"))
    assert (sketch.mode, sketch.size, received) == ("RGB", (512, 512), {})
    spots = {
        (0.3, 0.5): RED,
        (0.5, 0.5): WHITE,
        (0.7, 0.5): RED,
        (0.1, 0.1): (0, 0, 0),
        (0.9, 0.9): WHITE,
    }
    for (x, y), colour in spots.items():
        assert sketch.getpixel((int(512 * x), int(512 * y))) == colour
    await expect(page.locator(".upload")).to_have_count(0)


async def test_a_file_suggests_the_command_with_most_options(page: Page) -> None:
    """Of those that need no file: for /blend, which comes first, one may not be enough."""
    await open_pad(page, page.get_by_role("button", name="Draw a picture"))
    await stroke(page, *ACROSS)
    await attach(page)
    await expect(page.locator("#text")).to_have_value("/imagine ")
    await expect(page.locator(".upload")).to_contain_text("sketch.png")


async def test_strokes_are_undone_redone_and_cleared(page: Page) -> None:
    """By keys and buttons; clearing can be undone, and a new stroke ends what can be redone."""
    await open_pad(page, page.get_by_role("button", name="Draw a picture"))
    undo, redo, clear = (page.get_by_role("button", name=n) for n in ("Undo", "Redo", "Clear"))
    await expect(undo).to_be_disabled()
    await stroke(page, *ACROSS)
    await stroke(page, (0.2, 0.2), (0.8, 0.2))
    await page.keyboard.press("Control+z")
    assert (await alpha_at(page, 0.5, 0.5), await alpha_at(page, 0.5, 0.2)) == (255, 0)
    await page.keyboard.press("Control+Shift+z")
    assert await alpha_at(page, 0.5, 0.2) == 255
    await clear.click()
    assert await alpha_at(page, 0.5, 0.5) == 0
    await expect(clear).to_be_disabled()
    await undo.click()
    assert await alpha_at(page, 0.5, 0.5) == 255
    await undo.click()
    await expect(redo).to_be_enabled()
    await stroke(page, (0.1, 0.9))
    await expect(redo).to_be_disabled()
    await page.keyboard.press("Control+y")
    assert (await alpha_at(page, 0.5, 0.2), await alpha_at(page, 0.1, 0.9)) == (0, 255)


async def test_a_mask_is_a_hole_and_keeps_every_colour(
    page: Page, playground: Playground, bot: PlaygroundBot
) -> None:
    """The painted part has alpha 0; elsewhere and below it the pixels are those of the picture."""
    picture = noise((120, 80))
    await open_on_picture(page, playground, bot, as_png(picture))
    await choose(page, "Mask")
    await page.locator("#pad .attach").click()
    await expect(page.locator("#pad .notice")).to_contain_text("Paint over what is to be repainted")
    await stroke(page, *ACROSS)
    await attach(page)
    await page.locator("#text").fill("")
    await send(page, "look")
    [attachment] = playground.messages()[-1].attachments
    result = as_image(attachment.data)
    assert (result.mode, attachment.content_type) == ("RGBA", "image/png")
    assert same_pixels(result.convert("RGB"), picture)
    alpha = result.getchannel("A")
    assert {value for _, value in alpha.getcolors() or []} == {0, 255}
    hole = ImageChops.invert(alpha).getbbox()
    assert hole is not None
    assert (hole[0] < 24, hole[2] > 96, 28 < hole[1] < 40 < hole[3] < 52) == (True, True, True)
    assert (alpha.getpixel((60, 40)), alpha.getpixel((60, 10))) == (0, 255)


async def test_partly_transparent_pixels_are_kept(
    page: Page, playground: Playground, bot: PlaygroundBot
) -> None:
    """A canvas would change them: their colours and alpha stay, and holes remain holes."""
    picture = noise((90, 60), "RGBA")
    picture.putpixel((0, 0), (10, 20, 30, 0))
    await open_on_picture(page, playground, bot, as_png(picture))
    await choose(page, "Mask")
    await stroke(page, (0.5, 0.5))
    await attach(page)
    await page.locator("#text").fill("")
    await send(page, "look")
    result = as_image(playground.messages()[-1].attachments[0].data)
    assert same_pixels(result.convert("RGB"), picture.convert("RGB"))
    changed = ImageChops.difference(result.getchannel("A"), picture.getchannel("A")).getbbox()
    assert changed is not None
    assert changed[0] > 38 and changed[2] < 52 and changed[1] > 23 and changed[3] < 37
    assert result.getpixel((45, 30))[3] == 0  # type: ignore[index]


async def test_a_sketch_on_a_picture_changes_what_is_painted(
    page: Page, playground: Playground, bot: PlaygroundBot
) -> None:
    """The other pixels of the picture stay as they are."""
    picture = noise((100, 100))
    await open_on_picture(page, playground, bot, as_png(picture))
    await page.get_by_role("radio", name="Red").check()
    await page.get_by_role("slider", name="Width").fill("40")
    await stroke(page, (0.5, 0.5))
    await attach(page)
    await page.locator("#text").fill("")
    await send(page, "look")
    result = as_image(playground.messages()[-1].attachments[0].data)
    changed = ImageChops.difference(result, picture).getbbox()
    assert changed is not None
    assert changed[0] > 45 and changed[2] < 56 and changed[1] > 45 and changed[3] < 56
    assert result.getpixel((50, 50)) == RED


async def test_two_files_go_to_two_options(
    page: Page, playground: Playground, bot: PlaygroundBot, received: Received
) -> None:
    """A mask is painted over the other file, in black and white; a menu exchanges the options."""
    picture = noise()
    await page.locator("#text").fill("/repaint a boat")
    await page.locator("#picker").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": as_png(picture)}
    )
    await open_pad(page, page.get_by_role("button", name="Draw mask"))
    await expect(page.get_by_role("radio", name="Mask")).to_be_checked()
    await stroke(page, *ACROSS)
    await attach(page)
    menus = page.locator(".upload select")
    assert [await menu.input_value() for menu in await menus.all()] == ["picture", "mask"]
    for option, other in (("mask", "picture"), ("picture", "mask")):
        await menus.first.select_option(option)
        await expect(menus.nth(1)).to_have_value(other)
    await send(page, "/repaint a boat")
    assert same_pixels(as_image(received["picture"]), picture)
    mask = as_image(received["mask"])
    assert (mask.mode, mask.size) == ("L", picture.size)
    assert {value for _, value in mask.getcolors() or []} == {0, 255}
    assert (mask.getpixel((48, 32)), mask.getpixel((48, 5))) == (255, 0)


async def test_a_mask_goes_into_a_modal(page: Page, received: Received) -> None:
    """The pad shows the picture of the message whose button opened the modal."""
    message = await send(page, "/single")
    await message.get_by_role("button", name="Vary region").click()
    field = page.get_by_role("group", name="Mask")
    await open_pad(page, field.get_by_role("button", name="Draw"))
    await expect(page.get_by_role("radio", name="single.png")).to_be_checked()
    await page.locator("#pad select").select_option("picture with a transparent hole")
    await stroke(page, *ACROSS)
    await attach(page)
    assert await field.locator("input").evaluate("input => input.files[0].name") == "picture.png"
    await page.get_by_role("button", name="Submit").click()
    await expect(page.locator(".message").last).to_contain_text("got picture.png")
    hole = as_image(received["modal"])
    assert (hole.mode, hole.size) == ("RGBA", (96, 64))
    assert hole.getpixel((48, 32))[3] == 0  # type: ignore[index]


async def check_controls(page: Page) -> None:
    """Fail if a control of the pad is not fully in view, or the page is wider than the window."""
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for control in await page.locator("#pad :is(button, .layer, .width, .colors, .segments)").all():
        if await control.is_visible():
            await expect(control).to_be_in_viewport(ratio=0.99)


async def test_a_finger_draws_at_phone_width(page: Page) -> None:
    """A second finger and an interrupted touch draw nothing, and every control is in view."""
    await page.set_viewport_size({"width": 360, "height": 640})
    layer = await open_pad(page, page.get_by_role("button", name="Draw a picture"))
    box = await layer.bounding_box()
    assert box is not None
    session = await page.context.new_cdp_session(page)

    async def touch(kind: str, *points: tuple[float, float]) -> None:
        positions = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": id}
            for id, (x, y) in enumerate(points)
        ]
        await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": positions})

    await touch("touchStart", (0.2, 0.5))
    await touch("touchStart", (0.2, 0.5), (0.2, 0.9))
    await touch("touchMove", (0.8, 0.5), (0.8, 0.9))
    await touch("touchEnd")
    await touch("touchStart", (0.2, 0.2))
    await touch("touchMove", (0.8, 0.2))
    await touch("touchCancel")
    spots = [await alpha_at(page, 0.5, y) for y in (0.5, 0.9, 0.2)]
    assert spots == [255, 0, 0]
    await check_controls(page)
    await page.set_viewport_size({"width": 640, "height": 360})
    await check_controls(page)


async def test_a_pen_draws_and_its_other_end_erases(page: Page) -> None:
    """The eraser of a pen is another button of it, whatever tool is chosen."""
    layer = await open_pad(page, page.get_by_role("button", name="Draw a picture"))
    box = await layer.bounding_box()
    assert box is not None
    session = await page.context.new_cdp_session(page)
    for kind, x in (("mousePressed", 0.2), ("mouseMoved", 0.8), ("mouseReleased", 0.8)):
        position = {"x": box["x"] + x * box["width"], "y": box["y"] + 0.5 * box["height"]}
        pen = {"pointerType": "pen", "button": "left", "buttons": 1, "clickCount": 1}
        await session.send("Input.dispatchMouseEvent", {"type": kind, **position, **pen})
    assert (await alpha_at(page, 0.3, 0.5), await alpha_at(page, 0.5, 0.5)) == (255, 255)
    await layer.evaluate(
        """(layer, [clientX, clientY]) => {
            const event = { pointerId: 1, pointerType: "pen", button: 5, clientX, clientY };
            for (const name of ["pointerdown", "pointerup"]) {
                layer.dispatchEvent(new PointerEvent(name, event));
            }
        }""",
        [box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"]],
    )
    assert (await alpha_at(page, 0.3, 0.5), await alpha_at(page, 0.5, 0.5)) == (255, 0)


async def test_the_keyboard_is_enough(page: Page) -> None:
    """Arrows and space draw; Escape closes; what was drawn is there when the pad opens again."""
    await page.locator("#draw").press("Enter")
    await page.locator("#pad .layer").focus()
    await page.keyboard.press("Space")
    for _ in range(8):
        await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Space")
    await page.keyboard.press("ArrowDown")
    line = [await alpha_at(page, x, 0.5) for x in (0.45, 0.52, 0.6, 0.7)]
    assert line == [0, 255, 255, 0]
    await page.keyboard.press("Escape")
    await expect(page.locator("#pad")).to_be_hidden()
    await expect(page.locator(".upload")).to_have_count(0)
    await page.locator("#draw").press("Enter")
    await expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    assert await alpha_at(page, 0.6, 0.5) == 255
    for name in ("Mode", "Draw on", "Tool", "Color"):
        await expect(page.get_by_role("radiogroup", name=name)).to_be_visible()


async def test_a_picture_that_cannot_be_drawn_on_is_an_error(page: Page, tmp_path: Path) -> None:
    """A broken or very large one gets a sentence; a file too many stays until it is removed."""
    for name, data, sentence in (
        ("broken.png", b"no picture", "That picture cannot be opened."),
        ("large.png", as_png(Image.new("1", (8200, 4100))), "That picture is too large"),
    ):
        (tmp_path / name).write_bytes(data)
        await page.locator("#picker").set_input_files(tmp_path / name)
        await page.get_by_role("button", name=f"Draw on {name}").click()
        await expect(page.locator("#pad .notice")).to_contain_text(sentence)
        await expect(page.locator("#pad .attach")).to_be_disabled()
        await page.get_by_role("radio", name="White page, wide").check()
        await expect(page.get_by_role("radio", name="Mask")).to_be_disabled()
        await attach(page)
    await expect(page.locator(".upload").last).to_contain_text("no option")
    await page.locator("#text").fill("/imagine a boat")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_have_text("/imagine takes one file.")
    message = await send(page, "look")
    await expect(message.locator(".picture img")).to_have_count(2)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
async def test_png_files_are_written_and_read(page: Page, mode: str) -> None:
    """Pillow reads what the page writes, and the page reads what Pillow writes with alpha."""
    picture = noise((37, 29), mode)
    call = """async ([width, height, values, file]) => {
        const png = await import("/static/png.js");
        const data = Uint8Array.from(values);
        const written = await png.encodePng({ width, height, data });
        const read = await png.decodeRgba(new Blob([Uint8Array.from(file)]));
        return [[...new Uint8Array(await written.arrayBuffer())], read && [...read.data]];
    }"""
    arguments = [*picture.size, list(picture.tobytes()), list(as_png(picture))]
    written, read = await page.evaluate(call, arguments)
    assert same_pixels(as_image(bytes(written)), picture)
    assert read == (list(picture.tobytes()) if mode == "RGBA" else None)
