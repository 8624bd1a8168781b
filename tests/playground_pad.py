"""A bot with commands that take files, and strokes on the drawing pad, for the tests of the pad."""

import io
from typing import Any

import discord
from discord import app_commands, ui
from PIL import Image
from playwright.async_api import Locator, Page, expect

from tests.playground_bot import Command, file

Point = tuple[float, float]
"""Horizontal and vertical position on the sheet, from 0 to 1."""
Received = dict[str, bytes]
"""The file that the bot got for each option or field."""


def as_image(data: bytes) -> Image.Image:
    """The decoded picture."""
    return Image.open(io.BytesIO(data))


def as_png(image: Image.Image) -> bytes:
    """The picture as a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class Region(ui.Modal, title="Vary region"):
    """A modal with a file upload."""

    mask: Any = ui.Label(text="Mask", component=ui.FileUpload(custom_id="area"))

    def __init__(self, received: Received) -> None:
        super().__init__()
        self.received = received

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Keep the file."""
        [upload] = self.mask.component.values
        self.received["modal"] = await upload.read()
        await interaction.response.send_message(f"got {upload.filename}")


class RegionButton(ui.View):
    """A button that shows the modal."""

    def __init__(self, received: Received) -> None:
        super().__init__(timeout=None)
        self.received = received

    @ui.button(label="Vary region", custom_id="region")
    async def vary(
        self, interaction: discord.Interaction, button: ui.Button["RegionButton"]
    ) -> None:
        """Show the modal."""
        await interaction.response.send_modal(Region(self.received))


def pad_commands(received: Received) -> tuple[Command, ...]:
    """`/blend`, which needs a picture, `/repaint`, which takes a picture and a mask, and `/single`,
    which shows a picture."""

    @app_commands.command(name="blend", description="Blend pictures")
    async def blend(interaction: discord.Interaction, picture: discord.Attachment) -> None:
        await interaction.response.send_message(f"blended {picture.filename}")

    @app_commands.command(name="repaint", description="Repaint a part of a picture")
    async def repaint(
        interaction: discord.Interaction,
        prompt: str,
        picture: discord.Attachment | None = None,
        mask: discord.Attachment | None = None,
    ) -> None:
        for name, attachment in (("picture", picture), ("mask", mask)):
            if attachment:
                received[name] = await attachment.read()
        await interaction.response.send_message(f"repainted {prompt}, {', '.join(received)}")

    @app_commands.command(name="single", description="Show a picture")
    async def single(interaction: discord.Interaction) -> None:
        picture = file("single.png", as_png(noise()))
        await interaction.response.send_message(file=picture, view=RegionButton(received))

    return blend, repaint, single


def noise(size: tuple[int, int] = (96, 64), mode: str = "RGB") -> Image.Image:
    """A picture in which each pixel has another value."""
    bands = [Image.effect_noise(size, 90 + 10 * band) for band in range(len(mode))]
    return Image.merge(mode, bands)


async def open_pad(page: Page, button: Locator) -> Locator:
    """Press the button, and wait for the sheet of the pad."""
    await button.click()
    await expect(page.locator("#pad .attach")).to_be_enabled()
    return page.locator("#pad .layer")


async def stroke(page: Page, *points: Point) -> None:
    """Draw a line through points with the mouse."""
    box = await page.locator("#pad .layer").bounding_box()
    assert box is not None
    positions = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    await page.mouse.move(*positions[0])
    await page.mouse.down()
    for position in positions[1:]:
        await page.mouse.move(*position, steps=8)
    await page.mouse.up()


async def alpha_at(page: Page, x: float, y: float) -> int:
    """The opacity of what is drawn at a point of the sheet, from 0 to 255."""
    alpha: int = await page.locator("#pad .layer").evaluate(
        """(layer, [x, y]) => {
            const context = new OffscreenCanvas(1, 1).getContext("2d");
            context.drawImage(layer, -Math.floor(x * layer.width), -Math.floor(y * layer.height));
            return context.getImageData(0, 0, 1, 1).data[3];
        }""",
        [x, y],
    )
    return alpha


async def attach(page: Page) -> None:
    """Close the pad with the drawing."""
    await page.locator("#pad .attach").click()
    await expect(page.locator("#pad")).to_be_hidden()
