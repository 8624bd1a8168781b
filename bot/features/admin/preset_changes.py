"""What the commands that change styles and wildcards have in common."""

from bot.context import Interaction, services
from bot.domain import presets
from bot.domain.presets import Change, PresetKey
from bot.features.responses import respond_ephemeral
from bot.messages import preset_texts


async def make(interaction: Interaction, guild_id: int, key: PresetKey, change: Change) -> None:
    """Make a change of a preset and respond with it. Raises Refused as the change does."""
    after = await services(interaction).presets.change(
        guild_id, change, actor_id=interaction.user.id
    )
    preset = presets.with_chosen(after.own, key)
    await respond_ephemeral(interaction, preset_texts.preset(key, preset))
