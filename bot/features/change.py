"""Change it…: one line of words about a picture, from the Apps menu or in a reply to the picture.

The words become an edit if a model edits pictures, or else a remix whose prompt they extend.
"""

import logging
import re
from typing import Final

import discord
from discord import app_commands

from bot.context import BotClient, Interaction, Services, services
from bot.domain import rules
from bot.domain.job import Job, RequestContext, ResponseTarget, ShownJob
from bot.domain.kinds import edit, remix
from bot.domain.picture import Picture
from bot.domain.plan import JobKind, Plan
from bot.domain.preferred_plan import preferred_plan
from bot.domain.remarks import asks_for_nothing
from bot.errors import Refused
from bot.features import message_result
from bot.features.changing import check_form, start
from bot.features.exports import Component, Exports
from bot.features.permissions import check_can_reply_in
from bot.features.places import everywhere
from bot.features.public_replies import ReplyAddress, handle_errors
from bot.features.responses import request_context, role_ids
from bot.features.restrictions import check_channel
from bot.i18n import N_, _, pgettext
from bot.messages import captions, channels, components
from bot.messages.discord_errors import DISCORD_ERRORS, describe
from engine.contract import MAX_PROMPT_CHARS

_MODAL: Final = "changeit"
_WORDS, _WHICH = "words", "which"
_MAX_PICTURES: Final = 25
"""Options of a menu."""
_NO_PICTURE: Final = N_(
    "There is no picture of mine in this message; Edit… takes pictures of others too."
)
_WHICH_PICTURE: Final = N_(
    "Which picture? Begin with its number, as in: #2 make it night. Or reply to a single picture."
)
_READ: Final = "👍"
_NUMBER: Final = re.compile(r"(?:#\s*(\d{1,3})\b[\s:,.]*|(\d{1,3})\s*:\s*)(?=\S)")
"""The number of a picture before the words about it."""
log = logging.getLogger(__name__)


# The Apps menu


@app_commands.context_menu(name="Change it…")
@everywhere
async def menu_command(interaction: Interaction, message: discord.Message) -> None:
    """Respond with a modal: what to change."""
    result = await message_result.find(interaction, message)
    if result is None:
        raise Refused(_(_NO_PICTURE))
    await check_form(interaction)
    pictures = await _pictures(services(interaction), result)
    models = services(interaction).planner.models
    needs_number = len(pictures) > 1 and any(card.is_editor for card in models)
    await interaction.response.send_modal(modal(result, pictures, needs_number=needs_number))


def modal(
    result: ShownJob, pictures: list[Picture], *, needs_number: bool = False
) -> discord.ui.Modal:
    """Asks what to change, and which of several pictures. Its custom id is its only state, so it
    also works after a restart."""
    custom_id = components.custom_id(_MODAL, result.job.id, result.nth or 0)
    form = discord.ui.Modal(title=pgettext("title", "Change it"), custom_id=custom_id)
    words = discord.ui.TextInput[discord.ui.Modal](
        custom_id=_WORDS,
        placeholder=pgettext("label description", "make it night"),
        max_length=MAX_PROMPT_CHARS,
    )
    form.add_item(discord.ui.Label(text=pgettext("label", "What to change"), component=words))
    if len(pictures) > 1:
        which = discord.ui.Select[discord.ui.Modal](
            custom_id=_WHICH,
            placeholder=_("One of them") if needs_number else _("All of them"),
            required=needs_number,
            min_values=int(needs_number),
            options=[
                discord.SelectOption(
                    label=pgettext("option", "Picture {number}").format(number=picture.nth),
                    value=str(picture.nth),
                )
                for picture in pictures[:_MAX_PICTURES]
            ],
        )
        form.add_item(discord.ui.Label(text=pgettext("label", "Which picture"), component=which))
    form.stop()
    return form


async def on_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """Start a job of the words; a refusal repeats them."""
    words = components.submitted_text(interaction, _WORDS)
    which = next(iter(components.submitted_values(interaction, _WHICH)), match["nth"])
    try:
        job = await services(interaction).job_finder.by_button(match["job"])
        nth = int(which) if re.fullmatch("[0-9]{1,3}", which) else 0
        kind, plan = await _plan(
            services(interaction), request_context(interaction), job, nth, words
        )
        await start(interaction, kind, plan)
    except Refused as error:
        if interaction.response.is_done():
            raise
        typed = captions.escape(words, MAX_PROMPT_CHARS)
        raise Refused(
            _("{error}\nYou wrote: {typed}").format(error=error, typed=typed)
            if typed
            else str(error)
        ) from error


# Replies


async def on_message(client: BotClient, message: discord.Message) -> None:
    """Start a job of the words of a reply to one of the bot's pictures that mentions the bot.

    In a guild, the user who requested the picture need not write the mention: a reply has it, by
    default. So a reply of small talk is not taken for a request.
    """
    reference, me = message.reference, client.user
    is_reply = message.type is discord.MessageType.reply and reference is not None
    if me is None or message.author.bot or not is_reply or reference is None:
        return
    if message.guild is not None and me not in message.mentions:
        return
    result = await client.services.job_finder.by_message(reference.message_id or 0)
    mention = re.compile(rf"<@!?{me.id}>")
    is_addressed = message.guild is None or mention.search(message.content) is not None
    if result is None or not (is_addressed or message.author.id == result.job.user_id):
        return
    words = mention.sub(" ", message.content)
    if asks_for_nothing(words) and (rules.strip_invisible(words) or not is_addressed):
        if is_addressed:
            await _acknowledge(message)
        return
    address = ReplyAddress(message.channel.id, message.id, message.author.id)
    async with handle_errors(client, address, "The reply"):
        await _start_from_reply(client, message, result, words)


async def _start_from_reply(
    client: BotClient, message: discord.Message, result: ShownJob, words: str
) -> None:
    nth, words = result.nth or 0, " ".join(words.split())
    number = None if nth else _NUMBER.match(words)
    if number is not None:
        nth, words = int(number[1] or number[2]), words[number.end() :]
    guild_id = None if message.guild is None else message.guild.id
    check_channel(client, guild_id, message.channel.id, (menu_command.name,))
    check_can_reply_in(client, guild_id, message.channel.id)
    context = RequestContext(
        idempotency_key=f"message:{message.id}",
        user_id=message.author.id,
        channel=channels.from_channel(message.channel),
        target=ResponseTarget(
            channel_id=message.channel.id, guild_id=guild_id, reply_to_id=message.id
        ),
        role_ids=role_ids(message.author),
    )
    kind, plan = await _plan(client.services, context, result.job, nth, words)
    service = client.services.job_service
    job = await service.submit(kind, plan, context)
    if job is not None:
        service.start(job)


async def _acknowledge(message: discord.Message) -> None:
    """Show that a message to the bot was read. A failure is only logged."""
    try:
        await message.add_reaction(_READ)
    except DISCORD_ERRORS as error:
        log.info("The message %d gets no reaction: %s", message.id, describe(error))


# Both


async def _plan(
    bot: Services, request: RequestContext, job: Job, nth: int, words: str
) -> tuple[JobKind, Plan]:
    """What the words make of this picture, or of all of the job. Raises Refused."""
    words = rules.strip_invisible(words)
    if not words:
        raise Refused(_(edit.NO_INSTRUCTION))
    pictures = await _pictures(bot, ShownJob(job, nth or None))
    if any(card.is_editor for card in bot.planner.models):
        if len(pictures) > 1:
            raise Refused(_(_WHICH_PICTURE))
        context = await bot.planner.changing_context(request, pictures[0])
        edited = edit.EditRequest(options=edit.instruction(words))
        return edit.KIND, preferred_plan(edit.plan, edited, context, edit.with_preference)
    context = await bot.planner.context(request, pictures)
    form = remix.RemixRequest(words=job.plan.prompt, edges=await bot.planner.edges(job))
    return remix.KIND, remix.plan(remix.with_words(words, form, context), context)


async def _pictures(bot: Services, result: ShownJob) -> list[Picture]:
    """The finished pictures that are shown. Raises Refused if there are none."""
    if result.nth is not None:
        return [await bot.job_finder.picture(result.job, result.nth)]
    pictures = await bot.job_finder.pictures(result)
    rules.check_any_finished(result.job, pictures)
    return pictures


exports: Final = Exports(
    commands=(menu_command,),
    modals=(Component(components.job_pattern(_MODAL), on_submit),),
    on_message=(on_message,),
)
