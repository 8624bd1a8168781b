"""A small real discord.py bot for the tests of the local Discord."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import discord
from discord import app_commands
from PIL import Image
from yarl import URL

from bot.playground import Playground

INTENTS = discord.Intents.none()
INTENTS.guilds = True
INTENTS.guild_reactions = True
INTENTS.dm_reactions = True

Command = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu


def png(colour: str = "tomato", size: int = 64) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, "PNG")
    return buffer.getvalue()


def file(name: str = "a.png", data: bytes | None = None) -> discord.File:
    """A file to send."""
    return discord.File(io.BytesIO(png() if data is None else data), name)


class Buttons(discord.ui.View):
    """Two buttons of the first row and a disabled one."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.add_item(discord.ui.Button(label="U1", custom_id="u1"))
        self.add_item(discord.ui.Button(emoji="🔄", custom_id="again"))
        self.add_item(discord.ui.Button(label="V1", custom_id="v1", disabled=True))


class Easel(discord.Client):
    """Paints flat colours; remembers what it was told."""

    def __init__(
        self, intents: discord.Intents = INTENTS, *, heartbeat_timeout: float = 60.0
    ) -> None:
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            heartbeat_timeout=heartbeat_timeout,
        )
        self.tree = app_commands.CommandTree(self)
        self.reactions: list[discord.RawReactionActionEvent] = []
        self.asked: list[discord.Interaction] = []
        self.resumed = asyncio.Event()
        self.silent = False
        self.tree.add_command(imagine)
        self.tree.add_command(describe)
        self.tree.add_command(form)
        self.tree.add_command(recipe)

    async def setup_hook(self) -> None:
        """Register the commands."""
        await self.tree.sync()

    async def on_resumed(self) -> None:
        """Remember that the session went on."""
        self.resumed.set()

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """Remember a reaction."""
        self.reactions.append(event)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Remember it; answer buttons privately."""
        self.asked.append(interaction)
        if interaction.type is discord.InteractionType.component and not self.silent:
            pressed = interaction.custom_id
            await interaction.response.send_message(f"pressed {pressed}", ephemeral=True)

    def option_values(self, nth: int) -> dict[str, object]:
        """The options of the command that was used as the nth, as they arrived."""
        data = cast("dict[str, Any]", self.asked[nth].data)
        return {option["name"]: option["value"] for option in data["options"]}


@app_commands.command(name="imagine", description="Paint a picture")
@app_commands.describe(prompt="What to paint", aspect="The shape", sketch="A picture to begin with")
@app_commands.choices(
    aspect=[
        app_commands.Choice(name="square", value="1:1"),
        app_commands.Choice(name="wide", value="3:2"),
    ]
)
async def imagine(
    interaction: discord.Interaction[Easel],
    prompt: app_commands.Range[str, 1, 1000],
    seed: app_commands.Range[int, 0, 4294967295] = 0,
    guidance: app_commands.Range[float, 1.0, 20.0] = 5.0,
    aspect: str = "1:1",
    sketch: discord.Attachment | None = None,
) -> None:
    """Defer, show progress, then the picture with its buttons."""
    if interaction.client.silent:
        return
    await interaction.response.defer()
    begun = len(await sketch.read()) if sketch else 0
    prompt = prompt[:100]
    await interaction.edit_original_response(
        content=f"**{prompt}** 50%", attachments=[file("half.png")]
    )
    await interaction.edit_original_response(
        content=f"**{prompt}** – {interaction.user.mention}\nseed {seed}, {aspect}, {begun} bytes",
        attachments=[file("grid.png", png("steelblue", 256))],
        view=Buttons(),
    )


def point_at(discord_server: Playground) -> None:
    """Let discord.py talk to a local Discord instead of the real one."""
    discord.http.Route.BASE = discord_server.api
    gateway = URL(discord_server.url).with_scheme("ws").with_path("/gateway")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway


@app_commands.command(name="describe", description="Tell about a model")
async def describe(interaction: discord.Interaction[Easel], model: str) -> None:
    """Offer a menu of sizes."""
    view = discord.ui.View(timeout=None)
    options = [discord.SelectOption(label=size) for size in ("small", "large")]
    view.add_item(discord.ui.Select(custom_id="size", options=options))
    await interaction.response.send_message(f"{model}: which size?", view=view)


@describe.autocomplete("model")
async def complete_model(
    interaction: discord.Interaction[Easel], current: str
) -> list[app_commands.Choice[str]]:
    """The models that begin with what was typed."""
    names = [name for name in ("starter", "stable") if name.startswith(current)]
    return [app_commands.Choice(name=name.title(), value=name) for name in names]


class Form(discord.ui.Modal, title="Edit"):
    """Asks for a new prompt."""

    prompt: discord.ui.TextInput["Form"] = discord.ui.TextInput(label="Prompt", custom_id="prompt")

    async def on_submit(self, interaction: discord.Interaction[Easel]) -> None:  # type: ignore[override]
        """Say what was typed."""
        await interaction.response.send_message(f"now: {self.prompt.value}")


@app_commands.command(name="form", description="Ask for a prompt")
async def form(interaction: discord.Interaction[Easel]) -> None:
    """Open the form."""
    await interaction.response.send_modal(Form(custom_id="edit"))


@app_commands.context_menu(name="Show recipe")
async def recipe(interaction: discord.Interaction[Easel], message: discord.Message) -> None:
    """Say privately what stands in a message."""
    await interaction.response.send_message(f"of: {message.content}", ephemeral=True)


@asynccontextmanager
async def easel(
    discord_server: Playground, *more: Command, heartbeat_timeout: float = 60.0
) -> AsyncIterator[Easel]:
    """The bot, with more commands, connected to a local Discord and ready."""
    point_at(discord_server)
    bot = Easel(heartbeat_timeout=heartbeat_timeout)
    for command in more:
        bot.tree.add_command(command)
    bot._connection.guild_ready_timeout = 0.1
    running = asyncio.create_task(bot.start(discord_server.token))
    try:
        await discord_server.ready()
        await asyncio.wait_for(bot.wait_until_ready(), 10)
        yield bot
    finally:
        await bot.close()
        await asyncio.gather(running, return_exceptions=True)


def channel_of(bot: Easel, here: Playground) -> discord.TextChannel:
    """The default channel as the bot knows it."""
    channel = bot.get_channel(here.channel.id)
    assert isinstance(channel, discord.TextChannel)
    return channel
