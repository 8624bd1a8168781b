"""The buttons below a job: U shows one picture, V varies it, 🔄 paints anew, ✖ stops."""

import asyncio
import logging
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import discord

from bot import policy, whereabouts
from bot.errors import BotError, Refused
from bot.features.answers import (
    Interaction,
    acknowledge,
    desk,
    guarded,
    is_moderator,
    origin,
    start,
    whisper,
)
from bot.jobs import Job, Picture, Status
from bot.ledger import Found
from bot.ledger.record import insist
from bot.messages import captions, components, renditions
from bot.messages.mailbox import UNREACHABLE, Upload
from bot.places import Kind, Level
from bot.showing import Showing, showing

if TYPE_CHECKING:
    from bot.client import Client

_CATCH_UP: Final = timedelta(minutes=15)
"""After that the person was told that the application did not respond."""
_FORGOTTEN: Final = "I do not know that picture any more."
log = logging.getLogger(__name__)


async def upscale(interaction: Interaction, job: Job, nth: int) -> None:
    """Post the stored picture at full size; nothing is painted."""
    picture = await _picture(interaction, job, nth)
    policy.check_shown(picture)
    await desk(interaction).gate.admit(interaction.guild_id, interaction.user.id)
    message = await acknowledge(interaction)
    if message is None:
        return
    try:
        await asyncio.gather(
            insist(lambda: desk(interaction).ledger.post(message, job.id, nth)),
            _show(interaction, picture),
        )
    except discord.NotFound:  # moderators may have been quicker, with the message as well
        policy.check_kept(await desk(interaction).ledger.pictures(job.id))
        raise
    policy.check_kept(await desk(interaction).ledger.pictures(job.id))


async def _show(interaction: Interaction, picture: Picture) -> None:
    upload = await _full_size(interaction.client, await _seen(interaction, picture))
    await interaction.edit_original_response(
        content=captions.upscaled(picture), attachments=[upload.as_file()]
    )


async def catch_up(client: "Client") -> None:
    """Show the pictures whose messages are empty, for a bot was killed before it could."""
    since = discord.utils.time_snowflake(discord.utils.utcnow() - _CATCH_UP)
    for message, found in await client.desk.ledger.singles(since):
        try:
            await _fill(client, message, found)
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.warning("Message %d may stay empty: %r", message, error)


async def _fill(client: "Client", name: int, found: Found) -> None:
    channel = found.job.address.channel
    message = await client.get_partial_messageable(channel).fetch_message(name)
    if not message.flags.loading:
        return
    pictures = await client.desk.ledger.pictures(found.job.id)
    one = [picture for picture in pictures if picture.nth == found.nth]
    try:
        upload = await _full_size(client, await client.desk.whereabouts.showing(one, channel))
    except BotError as error:
        await message.edit(content=str(error))
    else:
        await message.edit(content=captions.upscaled(one[0]), attachments=[upload.as_file()])


async def _full_size(client: "Client", seen: Showing) -> Upload:
    """Raises Refused or Missing."""
    [picture] = seen.pictures
    policy.check_shown(picture)
    suffix, data = await asyncio.to_thread(renditions.of_picture, client.desk.archive, seen)
    alt_text = captions.alt_text([picture])
    return Upload(f"{picture.id}.{suffix}", data, alt_text, seen.spoiler)


async def _seen(interaction: Interaction, picture: Picture) -> Showing:
    """The picture as this place may see it: by what the press says, and by what Discord says."""
    if whereabouts.of_interaction(interaction).kind is not Kind.SERVER:
        return showing([picture], Level.BLOCK)
    return await desk(interaction).whereabouts.showing([picture], interaction.channel_id or 0)


async def vary(interaction: Interaction, job: Job, nth: int) -> None:
    """Paint four variations of this picture."""
    picture = await _picture(interaction, job, nth)
    await start(interaction, desk(interaction).studio.vary([picture], origin(interaction)))


async def reroll(interaction: Interaction, job: Job, _: int) -> None:
    """Paint it all again, with another seed."""
    await start(interaction, desk(interaction).studio.reroll(job, origin(interaction)))


async def cancel(interaction: Interaction, job: Job, _: int) -> None:
    """Stop a job: those who asked for it and moderators may."""
    if not policy.may_stop(job, person=interaction.user.id, moderator=is_moderator(interaction)):
        raise Refused("Only the person who asked for this and moderators can cancel it.")
    if not await desk(interaction).studio.cancel(job):
        raise Refused("This is finished already.")
    await whisper(interaction, "Cancelled.")


_ACTIONS: Final = {
    components.UPSCALE: upscale,
    components.VARY: vary,
    components.REROLL: reroll,
    components.CANCEL: cancel,
}


class JobButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=components.PATTERN
):
    """Any button of ours, found by its custom id, so also on messages from before a restart."""

    def __init__(self, action: str, job: str, nth: int) -> None:
        super().__init__(discord.ui.Button(custom_id=components.custom_id(action, job, nth)))
        self._action = action
        self._job = job
        self._nth = nth

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> "JobButton":
        """All state is in the id and in the record."""
        return cls(match["action"], match["job"], int(match["nth"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Somebody pressed it."""
        await guarded(interaction, self._act(interaction))

    async def _act(self, interaction: Interaction) -> None:
        job = await desk(interaction).ledger.job(self._job)
        if job is None:
            raise Refused(_FORGOTTEN)
        policy.check_remembered(job)
        await _ACTIONS[self._action](interaction, job, self._nth)


async def catch_unknown(
    interaction: discord.Interaction[Any], known: Iterable[type[discord.ui.DynamicItem[Any]]]
) -> None:
    """Answer presses that discord.py leaves alone: of buttons that were never ours, or are no more,
    and of ours when the event does not show the message that they are on."""
    if interaction.type is not discord.InteractionType.component:
        return
    for kind in known:
        match = kind.__discord_ui_compiled_template__.fullmatch(interaction.custom_id or "")
        if match is not None:
            if interaction.message is None or not interaction.message.components:
                item = await kind.from_custom_id(interaction, discord.ui.Button(), match)
                await item.callback(interaction)
            return
    await whisper(interaction, "I do not know that button any more. Try /imagine.")


async def _picture(interaction: Interaction, job: Job, nth: int) -> Picture:
    pictures = await desk(interaction).ledger.pictures(job.id)
    found = [picture for picture in pictures if picture.nth == nth]
    if not found:
        unfinished = job.status is not Status.DONE
        raise Refused("This is not painted yet." if unfinished else _FORGOTTEN)
    return found[0]


items: Final = (JobButton,)
