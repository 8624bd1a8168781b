"""A small discord.py bot for the tests of the playground."""

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
    """A PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, "PNG")
    return buffer.getvalue()


def file(name: str = "a.png", data: bytes | None = None) -> discord.File:
    """A file for discord.py to send."""
    return discord.File(io.BytesIO(png() if data is None else data), name)


class Buttons(discord.ui.View):
    """Two enabled buttons and a disabled one."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.add_item(discord.ui.Button(label="U1", custom_id="u1"))
        self.add_item(discord.ui.Button(emoji="🔄", custom_id="again"))
        self.add_item(discord.ui.Button(label="V1", custom_id="v1", disabled=True))


class PlaygroundBot(discord.Client):
    """Responds to a few commands, and records interactions and reactions."""

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
        self.interactions: list[discord.Interaction] = []
        self.resumed = asyncio.Event()
        self.silent = False
        self.tree.add_command(imagine)
        self.tree.add_command(describe)
        self.tree.add_command(form)
        self.tree.add_command(recipe)

    async def setup_hook(self) -> None:
        """Sync the commands."""
        await self.tree.sync()

    async def on_resumed(self) -> None:
        """Set `resumed`."""
        self.resumed.set()

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """Record the reaction."""
        self.reactions.append(event)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Record the interaction; respond to components with an ephemeral message."""
        self.interactions.append(interaction)
        if interaction.type is discord.InteractionType.component and not self.silent:
            text = f"pressed {interaction.custom_id}"
            await interaction.response.send_message(text, ephemeral=True)

    def option_values(self, index: int) -> dict[str, object]:
        """The option values of the interaction with this index."""
        data = cast("dict[str, Any]", self.interactions[index].data)
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
    interaction: discord.Interaction[PlaygroundBot],
    prompt: app_commands.Range[str, 1, 1000],
    seed: app_commands.Range[int, 0, 4294967295] = 0,
    guidance: app_commands.Range[float, 1.0, 20.0] = 5.0,
    aspect: str = "1:1",
    sketch: discord.Attachment | None = None,
) -> None:
    """Defer, show a preview, then a picture with buttons."""
    if interaction.client.silent:
        return
    await interaction.response.defer()
    sketch_size = len(await sketch.read()) if sketch else 0
    prompt = prompt[:100]
    await interaction.edit_original_response(
        content=f"**{prompt}** 50%", attachments=[file("half.png")]
    )
    await interaction.edit_original_response(
        content=f"**{prompt}** – {interaction.user.mention}\n"
        f"seed {seed}, {aspect}, {sketch_size} bytes",
        attachments=[file("grid.png", png("steelblue", 256))],
        view=Buttons(),
    )


def use_local_discord(playground: Playground) -> None:
    """Make discord.py connect to the local Discord."""
    discord.http.Route.BASE = playground.api
    gateway = URL(playground.url).with_scheme("ws").with_path("/gateway")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway


@app_commands.command(name="describe", description="Describe a model")
async def describe(interaction: discord.Interaction[PlaygroundBot], model: str) -> None:
    """Respond with a select menu of sizes."""
    view = discord.ui.View(timeout=None)
    options = [discord.SelectOption(label=size) for size in ("small", "large")]
    view.add_item(discord.ui.Select(custom_id="size", options=options))
    await interaction.response.send_message(f"{model}: which size?", view=view)


@describe.autocomplete("model")
async def complete_model(
    interaction: discord.Interaction[PlaygroundBot], current: str
) -> list[app_commands.Choice[str]]:
    """Models whose name starts with the typed text."""
    names = [name for name in ("starter", "stable") if name.startswith(current)]
    return [app_commands.Choice(name=name.title(), value=name) for name in names]


class Form(discord.ui.Modal, title="Edit"):
    """A modal with one text input."""

    prompt: discord.ui.TextInput["Form"] = discord.ui.TextInput(label="Prompt", custom_id="prompt")

    async def on_submit(self, interaction: discord.Interaction[PlaygroundBot]) -> None:  # type: ignore[override]
        """Respond with the submitted text."""
        await interaction.response.send_message(f"now: {self.prompt.value}")


@app_commands.command(name="form", description="Ask for a prompt")
async def form(interaction: discord.Interaction[PlaygroundBot]) -> None:
    """Respond with the modal."""
    await interaction.response.send_modal(Form(custom_id="edit"))


@app_commands.context_menu(name="Show recipe")
async def recipe(interaction: discord.Interaction[PlaygroundBot], message: discord.Message) -> None:
    """Respond with the content of the message."""
    await interaction.response.send_message(f"of: {message.content}", ephemeral=True)


@asynccontextmanager
async def start_bot(
    playground: Playground,
    *commands: Command,
    heartbeat_timeout: float = 60.0,
    intents: discord.Intents = INTENTS,
) -> AsyncIterator[PlaygroundBot]:
    """Run the bot, with additional commands, connected to a local Discord."""
    use_local_discord(playground)
    bot = PlaygroundBot(intents, heartbeat_timeout=heartbeat_timeout)
    for command in commands:
        bot.tree.add_command(command)
    bot._connection.guild_ready_timeout = 0.1
    task = asyncio.create_task(bot.start(playground.token))
    try:
        await playground.ready()
        await asyncio.wait_for(bot.wait_until_ready(), 10)
        yield bot
    finally:
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)


def channel_of(bot: PlaygroundBot, playground: Playground) -> discord.TextChannel:
    """The default channel in the bot's cache."""
    channel = bot.get_channel(playground.channel.id)
    assert isinstance(channel, discord.TextChannel)
    return channel
