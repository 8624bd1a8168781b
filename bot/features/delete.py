"""❌ Delete: remove the message of a result or a picture, for its user and for moderators."""

from typing import Final

from bot.context import BotClient, Interaction
from bot.domain import rules
from bot.domain.job import Job
from bot.errors import Refused
from bot.features.exports import Action, Exports
from bot.features.permissions import is_moderator
from bot.i18n import N_, NP_, _
from bot.messages.action_views import ActionScope

_NOT_YOURS: Final = N_("Only the user who requested this and moderators can delete it.")


async def delete_message(interaction: Interaction, job: Job, nth: int) -> None:
    """Delete the message with the menu; the picture stays in the history of its user."""
    user_id = interaction.user.id
    if not rules.can_cancel(job, user_id=user_id, is_moderator=is_moderator(interaction)):
        raise Refused(_(_NOT_YOURS))
    await interaction.response.defer()
    if interaction.message is not None:
        await withdraw(interaction.client, job, interaction.message.id)
    await interaction.delete_original_response()


async def withdraw(client: BotClient, job: Job, message_id: int) -> None:
    """Before a message is deleted: cancel its job and, if it is that of the job, take its pictures
    out of the gallery."""
    await client.services.job_service.cancel(job)
    if message_id == job.target.message_id:
        await client.services.gallery.withdraw(job.id)


exports: Final = Exports(
    actions=(
        Action(
            name="delete",
            label=NP_("button", "❌ Delete"),
            summary=N_("Delete this message, for the user of the picture and for moderators"),
            scope=ActionScope.PICTURE,
            order=49,
            is_on_picture=lambda _: True,
            is_in_menu=True,
            handler=delete_message,
            is_always_allowed=True,
        ),
    )
)
