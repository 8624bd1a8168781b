"""/loras: the LoRAs of the models here, privately."""

from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.features import model_option
from bot.features.exports import Exports
from bot.features.places import everywhere
from bot.features.preferences import preferences_of
from bot.features.responses import respond_ephemeral
from bot.messages import lora_texts

Page = app_commands.Range[int, 1, 1000]


@app_commands.command(
    name="loras", description="The LoRAs of the models here, with their trigger words"
)
@app_commands.describe(
    model="Only those of this model",
    page="The list may have several pages",
)
@app_commands.autocomplete(model=model_option.autocomplete)
@everywhere
async def command(interaction: Interaction, model: str | None = None, page: Page = 1) -> None:
    """The response is private."""
    models = services(interaction).planner.models_for(preferences_of(interaction))
    await respond_ephemeral(interaction, lora_texts.listing(models, model, page))


exports: Final = Exports(commands=(command,))
