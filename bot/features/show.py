"""/show: bring a result back as a new message, with working buttons."""

from typing import Final

from discord import app_commands

from bot.context import Interaction
from bot.context import services as services_of
from bot.domain import rules
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import ShownJob
from bot.features import picture_option
from bot.features.exports import Exports
from bot.features.full_size import show_full_size
from bot.features.permissions import check_author_can_post
from bot.features.places import everywhere
from bot.features.responses import (
    make_private,
    request_context,
    respond_with_file,
    response_target,
)
from bot.messages import channels


@app_commands.command(name="show", description="Bring a result back, with working buttons")
@app_commands.describe(
    job="One of your latest results, the id of a job or picture, or the link of a message"
)
@app_commands.autocomplete(job=picture_option.complete_job)
@everywhere
async def command(interaction: Interaction, job: str) -> None:
    """The response is public, unless the result was private."""
    await show_result(interaction, await picture_option.find(interaction, job))


async def show_result(interaction: Interaction, result: ShownJob) -> None:
    """Show the result of a job, or one picture of it, in this channel.

    Raises Refused, with a sentence for the user, if it cannot be shown here.
    """
    services, job = services_of(interaction), result.job
    if not channels.is_guest(interaction):  # Discord shows it to its user alone, if need be
        check_author_can_post(interaction)
    if job.plan.is_private:
        make_private(interaction)
    context = request_context(interaction)
    await services.job_service.check_shown(job, context)
    if result.nth is not None:
        await show_full_size(interaction, job, result.nth)
        return
    pictures = await services.job_finder.pictures(result)
    rules.check_not_removed(pictures)
    rules.check_any_finished(job, pictures)
    delivery = Delivery(
        kind=DeliveryKind.SHOWN,
        job_id=job.id,
        request=f"{interaction.id}",
        recipient_id=interaction.user.id,
        target=response_target(interaction),
        created_at=interaction.created_at.timestamp(),
    )
    await respond_with_file(interaction, delivery)


exports: Final = Exports(commands=(command,))
