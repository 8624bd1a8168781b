"""Write and delete the posts of galleries."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, NamedTuple

import discord

from bot.db.connection import retry_until_written
from bot.db.deliveries import DeliveryStore
from bot.db.jobs import JobStore
from bot.domain import gallery, restoration, rules
from bot.domain.delivery import Delivery
from bot.domain.job import Job, ResponseTarget
from bot.domain.picture import Picture, picture_id
from bot.domain.visibility import VisiblePictures
from bot.errors import Refused
from bot.i18n import N_, _
from bot.messages import alt_texts, gallery_access, gallery_text, picture_files
from bot.messages.channels import ChannelResolver
from bot.messages.discord_errors import (
    DISCORD_ERRORS,
    ContentRejected,
    Meaning,
    MessageGone,
    TokenExpired,
    is_text_blocked,
    meaning,
    translated_errors,
)
from bot.messages.message_client import MessageClient
from bot.messages.message_content import MessageContent, OutgoingFile
from bot.services.display_versions import DisplayVersions
from bot.services.input_files import InputFiles
from bot.storage import FileStorage
from engine.contract import sha256
from engine.contract.infotext import public_model_name

_PRIVATE: Final = N_("This result is private, so it is not posted to the gallery.")
_MAX_NONCE: Final = 25
_CLOCK_DIFFERENCE: Final = 60.0
"""Seconds between this machine's clock and Discord's, at most."""
log = logging.getLogger(__name__)


class _Result(NamedTuple):
    """What a post shows."""

    job: Job
    pictures: list[Picture]


class _Message(NamedTuple):
    """The ids of a message and its channel."""

    channel_id: int
    message_id: int


class GalleryPosts:
    """A sender of posts: messages in a text channel, or posts of a forum."""

    def __init__(
        self,
        client: discord.Client,
        messages: MessageClient,
        jobs: JobStore,
        deliveries: DeliveryStore,
        storage: FileStorage,
        displays: DisplayVersions,
        input_files: InputFiles,
        channels: ChannelResolver,
    ) -> None:
        self._client = client
        self._messages = messages
        self._jobs = jobs
        self._deliveries = deliveries
        self._storage = storage
        self._displays = displays
        self._input_files = input_files
        self._channels = channels

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:
        """As a Sender does. A repeated attempt writes no second post.

        Raises Refused if the picture may not be shown there, or Discord accepts no post.
        """
        if delivery.target.message_id is not None:
            return True  # the last process wrote it
        result = await self._result(delivery)
        try:
            if not is_first:
                await self._check_access(delivery, result.job)
            content = await self._content(delivery, result)
            post = await self._write(delivery, content, result, is_first=is_first)
        except (MessageGone, ContentRejected, TokenExpired) as error:
            reason = _("I could not post the picture in <#{channel_id}>. ({error})").format(
                channel_id=delivery.target.channel_id, error=error
            )
            raise Refused(reason) from error
        if not await retry_until_written(lambda: self._deliveries.set_post(delivery, *post)):
            await self._messages.delete(*post)  # its user has deleted the picture meanwhile
            return False
        try:
            await self._result(delivery)
        except Refused:  # moderators have removed it meanwhile
            await self._messages.delete(*post)
            raise
        return True

    async def explain(self, delivery: Delivery, reason: str) -> bool:  # a Sender's
        """Tell the user who asked for it. False: nobody sees a post."""
        if delivery.recipient_id is not None:
            await self._messages.notify(delivery.recipient_id, reason)
        return False

    async def _result(self, delivery: Delivery) -> _Result:
        """Raises Refused if there is nothing to show any more."""
        job = await self._jobs.job(delivery.job_id)
        if job is None:
            raise Refused(_(rules.UNKNOWN_PICTURE))
        rules.check_not_deleted(job)
        if not job.has_ended:
            raise Refused(_("This is not finished yet."))
        if job.plan.is_private:
            raise Refused(_(_PRIVATE))
        pictures = await self._jobs.pictures(job.id)
        pictures = [picture for picture in pictures if delivery.nth in (None, picture.nth)]
        rules.check_any_finished(job, pictures)
        rules.check_not_removed(pictures)
        return _Result(job, pictures)

    async def _content(self, delivery: Delivery, result: _Result) -> MessageContent:
        """The pictures as visible in the gallery, whose settings are fetched again."""
        job, pictures = result
        guild_id = delivery.target.guild_id or 0
        visible = await self._channels.visible_in(pictures, delivery.target.channel_id)
        if all(picture.unavailable_reason is not None for picture in visible.pictures):
            rules.check_viewable(visible.pictures[0])
        await self._input_files.require(visible.pictures, restoration.of_delivery(delivery))
        await self._displays.make(job, delivery.nth)
        file, note = await self._file(delivery, job, visible)
        end = f"\n{note}" if note else ""
        return MessageContent(
            content=gallery_text.post(job, pictures, guild_id) + end,
            without_prompt=gallery_text.post(job, pictures, guild_id, has_prompt=False) + end,
            files=[file],
        )

    async def _file(
        self, delivery: Delivery, job: Job, visible: VisiblePictures
    ) -> tuple[OutgoingFile, str]:
        """With what the message says of its format."""
        limit = self._messages.upload_limits.limit(delivery.target)
        alt_text = alt_texts.of_pictures(visible.pictures)
        if len(visible.pictures) == 1:
            fitted = await asyncio.to_thread(
                picture_files.picture_file, self._storage, visible, limit=limit
            )
            name = f"{visible.pictures[0].id}.{fitted.suffix}"
        else:
            fitted = await asyncio.to_thread(
                picture_files.grid_file, self._storage, visible, limit, job.plan.layout
            )
            name = f"{job.id}.{fitted.suffix}"
        return OutgoingFile(name, fitted.data, alt_text, visible.needs_spoiler), fitted.note

    async def _check_access(self, delivery: Delivery, job: Job) -> None:
        """Raise Refused if the settings of a channel have changed since the reaction, so that the
        gallery may not show the picture any more."""
        source = await self._deliveries.find(delivery.target.reply_to_id or 0)
        place_id = job.target.channel_id if source is None else source.channel_id or 0
        place = await self._channel(place_id)
        gallery_channel = await self._channel(delivery.target.channel_id)
        gallery_access.check_age_restriction(place, gallery_channel)
        if delivery.recipient_id != job.user_id and isinstance(
            gallery_channel, discord.abc.GuildChannel
        ):
            gallery_access.check_audience(place, gallery_channel)

    async def _channel(self, channel_id: int) -> object:
        with translated_errors(by_token=False):
            return self._client.get_channel(channel_id) or await self._client.fetch_channel(
                channel_id
            )

    async def _write(
        self, delivery: Delivery, content: MessageContent, result: _Result, *, is_first: bool
    ) -> _Message:
        channel = await self._channel(delivery.target.channel_id)
        if not isinstance(channel, discord.ForumChannel):
            return await self._message(delivery, content)
        earlier = None if is_first else await self._earlier_post(channel, delivery)
        return earlier or await self._post(channel, content, result)

    async def _message(self, delivery: Delivery, content: MessageContent) -> _Message:
        """A message in a text channel."""
        target = ResponseTarget(
            channel_id=delivery.target.channel_id, guild_id=delivery.target.guild_id
        )
        nonce = sha256(f"gallery:{delivery.request}".encode())[:_MAX_NONCE]
        return _Message(
            target.channel_id, await self._messages.upsert(target, content, nonce=nonce)
        )

    async def _post(
        self, channel: discord.ForumChannel, content: MessageContent, result: _Result
    ) -> _Message:
        """A post of a forum."""
        title, tags = gallery.title(result.job.words), _tags(channel, result)
        with translated_errors(by_token=False):
            try:
                return await _create(channel, title, content, tags)
            except discord.HTTPException as error:
                if not is_text_blocked(error) or content.without_prompt is None:
                    raise
            hidden = content.with_prompt_hidden(content.without_prompt)
            return await _create(channel, _(gallery.UNTITLED), hidden, tags)

    async def _earlier_post(
        self, channel: discord.ForumChannel, delivery: Delivery
    ) -> _Message | None:
        """The post of an earlier attempt whose end is unknown."""
        with translated_errors(by_token=False):
            for thread in await channel.guild.active_threads():
                is_ours = thread.parent_id == channel.id and thread.owner_id == channel.guild.me.id
                if is_ours and await _is_post_of(thread, delivery):
                    return _Message(thread.id, thread.id)
        return None


class GalleryWithdrawals:
    """A sender that deletes posts of galleries."""

    def __init__(self, messages: MessageClient) -> None:
        self._messages = messages

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:  # a Sender's
        """False: nobody sees the post any more. What Discord refuses to delete stays."""
        try:
            await self._messages.delete_post(delivery.target)
        except (MessageGone, ContentRejected, TokenExpired) as error:
            extra = {"job": delivery.job_id, "reason": str(error)}
            log.info("a post stays in the gallery", extra=extra)
        return False

    async def explain(self, delivery: Delivery, reason: str) -> bool:  # a Sender's
        """False: there is nobody to tell."""
        return False


async def _create(
    forum: discord.ForumChannel,
    title: str,
    content: MessageContent,
    tags: Sequence[discord.ForumTag],
) -> _Message:
    created = await forum.create_thread(
        name=title,
        content=content.content,
        files=[file.as_file() for file in content.files or ()],
        applied_tags=tags,
    )
    return _Message(created.thread.id, created.message.id)


def _tags(forum: discord.ForumChannel, result: _Result) -> list[discord.ForumTag]:
    """The tags that fit the words, the kind and the model of a job. Raises Refused if the forum
    requires one, and the bot may give none."""
    job = result.job
    may_moderate = forum.permissions_for(forum.guild.me).manage_threads
    allowed = {tag.id: tag for tag in forum.available_tags if may_moderate or not tag.moderated}
    models = {public_model_name(picture.recipe.model) for picture in result.pictures}
    fitting = gallery.matching_tags(
        [gallery.Tag(tag.id, tag.name) for tag in allowed.values()],
        [job.words, job.recipes[0].prompt, job.kind.name, *models],
        is_required=forum.flags.require_tag,
    )
    return [allowed[tag.id] for tag in fitting]


async def _is_post_of(thread: discord.Thread, delivery: Delivery) -> bool:
    """Whether this post of ours was made for the delivery; its files are named by the pictures.

    It was not if its first message is gone.
    """
    made_at = discord.utils.snowflake_time(thread.id).timestamp()
    if made_at < delivery.created_at - _CLOCK_DIFFERENCE:
        return False
    try:
        message = await thread.fetch_message(thread.id)
    except DISCORD_ERRORS as error:
        if meaning(error) not in (Meaning.GONE, Meaning.NO_ACCESS):
            raise
        return False
    name = delivery.job_id if delivery.nth is None else picture_id(delivery.job_id, delivery.nth)
    return any(
        name == file.filename.removeprefix("SPOILER_").split(".")[0] for file in message.attachments
    )
