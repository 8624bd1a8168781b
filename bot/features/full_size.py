"""The U buttons: show one stored picture at full size. Nothing is generated or scaled."""

from functools import partial
from typing import Final

from bot.context import BotClient, Interaction, services
from bot.domain import rules
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import Job
from bot.domain.nsfw import ChannelKind, NsfwPolicy
from bot.domain.picture import Picture
from bot.domain.visibility import visible_in
from bot.features.exports import Action, Exports
from bot.features.responses import check_not_blocked, respond_with_file, response_target
from bot.i18n import NP_, _, pgettext
from bot.messages import channels, components
from bot.messages.action_views import ActionScope
from bot.messages.message_links import message_url

_AGAIN: Final = "showagain"


async def show_full_size(interaction: Interaction, job: Job, nth: int) -> None:
    """Respond with the stored picture at full size; if it is shown in the channel already, with a
    private link to the message."""
    picture = await _viewable(interaction, job, nth)
    await respond_with_file(
        interaction, _delivery(interaction, picture), partial(_link, interaction)
    )


async def show_again(interaction: Interaction, job: Job, nth: int) -> None:
    """Respond with the stored picture at full size, also if it is shown already."""
    picture = await _viewable(interaction, job, nth)
    await respond_with_file(interaction, _delivery(interaction, picture))


async def _viewable(interaction: Interaction, job: Job, nth: int) -> Picture:
    """The picture. Raises Refused if the user may not see it."""
    picture = await services(interaction).job_finder.picture(job, nth)
    _check_viewable(interaction, picture)
    await check_not_blocked(interaction)
    services(interaction).message_client.upload_limits.remember(interaction)
    return picture


async def _link(interaction: Interaction, earlier: Delivery) -> bool:
    """Respond with where the picture is shown; False if its message was deleted."""
    message_id, channel_id = earlier.target.message_id, earlier.target.channel_id
    if message_id is None:
        where = _("on its way")
    else:
        is_token_only = channels.is_reached_by_token_only(interaction)
        messages = services(interaction).message_client
        if not is_token_only and not await messages.exists(channel_id, message_id):
            return False
        where = _("here already: {message_url}").format(message_url=message_url(earlier.target))
    again = components.custom_id(_AGAIN, earlier.job_id, earlier.nth or 0)
    await interaction.response.send_message(
        _("Picture {nth} is {where}").format(nth=earlier.nth, where=where),
        view=components.stateless_view(
            [components.button(pgettext("button", "Show it again"), again)]
        ),
        ephemeral=True,
    )
    return True


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
        recipient_id=interaction.user.id,
        target=response_target(interaction),
        created_at=interaction.created_at.timestamp(),
    )


async def deliver_undelivered(client: BotClient) -> None:
    """When Discord can be reached again."""
    client.services.outbox.wake()


exports: Final = Exports(
    actions=(
        Action(
            name=_AGAIN,
            label=NP_("button", "Show it again"),
            scope=ActionScope.PICTURE,
            handler=show_again,
        ),
    ),
    on_ready=(deliver_undelivered,),
)
