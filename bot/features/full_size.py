"""The U buttons: show one stored picture at full size. Nothing is generated or scaled."""

from typing import Final

from bot.context import BotClient, Interaction, services
from bot.domain import rules
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import Job
from bot.domain.nsfw import ChannelKind, NsfwPolicy
from bot.domain.picture import Picture
from bot.domain.visibility import visible_in
from bot.features.exports import Exports
from bot.features.responses import check_not_blocked, respond_with_file, response_target
from bot.messages import channels


async def show_full_size(interaction: Interaction, job: Job, nth: int) -> None:
    """Respond with the stored picture at full size."""
    picture = await services(interaction).job_finder.picture(job, nth)
    _check_viewable(interaction, picture)
    await check_not_blocked(interaction)
    services(interaction).message_client.upload_limits.remember(interaction)
    await respond_with_file(interaction, _delivery(interaction, picture))


def _check_viewable(interaction: Interaction, picture: Picture) -> None:
    """Raise Refused if nobody may see the picture, or nobody outside of a guild.

    The settings of a guild's channel are fetched again when the picture is delivered.
    """
    is_in_guild = channels.from_interaction(interaction).kind is ChannelKind.GUILD
    visible = [picture] if is_in_guild else visible_in([picture], NsfwPolicy.BLOCK).pictures
    rules.check_viewable(visible[0])


def _delivery(interaction: Interaction, picture: Picture) -> Delivery:
    return Delivery(
        kind=DeliveryKind.PICTURE,
        job_id=picture.job_id,
        nth=picture.nth,
        request=f"{interaction.id}",
        target=response_target(interaction),
        created_at=interaction.created_at.timestamp(),
    )


async def deliver_undelivered(client: BotClient) -> None:
    """When Discord can be reached again."""
    client.services.outbox.wake()


exports: Final = Exports(on_ready=(deliver_undelivered,))
