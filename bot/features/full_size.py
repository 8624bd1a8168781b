"""The U buttons: show one stored picture at full size. Nothing is generated or scaled."""

from functools import partial
from typing import Final

from bot.context import BotClient, Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.nsfw import ChannelKind, NsfwPolicy
from bot.domain.pending_interaction import PendingInteraction
from bot.domain.picture import Picture
from bot.domain.visibility import visible_in
from bot.features.exports import Exports
from bot.features.responses import defer, respond_ephemeral
from bot.messages import channels


async def show_full_size(interaction: Interaction, job: Job, nth: int) -> None:
    """Respond with the stored picture at full size."""
    picture = await services(interaction).job_finder.picture(job, nth)
    _check_viewable(interaction, picture)
    await services(interaction).moderation.check_not_blocked(
        interaction.guild_id, interaction.user.id
    )
    pending = _pending(interaction, picture)
    services(interaction).message_client.upload_limits.remember(interaction)
    pictures = services(interaction).picture_delivery
    async with pictures.adding(pending):
        message_id = await defer(interaction)
        if message_id is not None:
            await pictures.deliver(pending, message_id, partial(respond_ephemeral, interaction))


def _check_viewable(interaction: Interaction, picture: Picture) -> None:
    """Raise Refused if nobody may see the picture, or nobody outside of a guild.

    The settings of a guild's channel are fetched again when the picture is delivered.
    """
    is_in_guild = channels.from_interaction(interaction).kind is ChannelKind.GUILD
    visible = [picture] if is_in_guild else visible_in([picture], NsfwPolicy.BLOCK).pictures
    rules.check_viewable(visible[0])


def _pending(interaction: Interaction, picture: Picture) -> PendingInteraction:
    return PendingInteraction(
        interaction_id=interaction.id,
        application_id=interaction.application_id,
        token=interaction.token,
        channel_id=interaction.channel_id or 0,
        job_id=picture.job_id,
        nth=picture.nth,
        created_at=interaction.created_at.timestamp(),
    )


async def deliver_pending(client: BotClient) -> None:
    """After a crash, or when Discord could not be reached."""
    await client.services.picture_delivery.deliver_pending()


exports: Final = Exports(on_ready=(deliver_pending,))
