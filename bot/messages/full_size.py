"""What the message of a single picture shows: the stored file, as the channel may see it."""

import asyncio

from bot.db.jobs import JobStore
from bot.domain import restoration, rules
from bot.domain.delivery import Delivery
from bot.domain.job import ResponseTarget
from bot.domain.picture import Picture
from bot.engine_client.base import EngineClient
from bot.errors import Refused
from bot.i18n import _
from bot.messages import alt_texts, captions, picture_files
from bot.messages.action_views import ActionViews
from bot.messages.channels import ChannelResolver
from bot.messages.message_content import MessageContent, OutgoingFile
from bot.messages.upload_limits import UploadLimits
from bot.services.display_versions import DisplayVersions
from bot.services.input_files import InputFiles
from bot.storage import FileStorage


class FullSizeContent:
    """The content of responses with one picture at full size."""

    def __init__(
        self,
        jobs: JobStore,
        storage: FileStorage,
        files: InputFiles,
        display_versions: DisplayVersions,
        channels: ChannelResolver,
        upload_limits: UploadLimits,
        views: ActionViews,
        engine: EngineClient,
    ) -> None:
        self._jobs = jobs
        self._storage = storage
        self._files = files
        self._display_versions = display_versions
        self._channels = channels
        self._upload_limits = upload_limits
        self._views = views
        self._engine = engine

    async def build(self, delivery: Delivery, target: ResponseTarget) -> MessageContent:
        """The picture as visible in the channel, whose settings are fetched again.

        Raises Refused or FileMissing if there is no picture to show.
        """
        pictures, job = await self._pictures(delivery), await self._jobs.job(delivery.job_id)
        if not pictures or job is None:
            raise Refused(_(rules.UNKNOWN_PICTURE))
        [picture], models = pictures, self._engine.models
        visible = await self._channels.visible_in([picture], target.channel_id)
        rules.check_viewable(visible.pictures[0])
        await self._files.require([picture], restoration.of_delivery(delivery))
        await self._display_versions.make(job, picture.nth)
        file, note = await self._file(picture, target)
        end = f"\n{note}" if note else ""
        return MessageContent(
            content=captions.full_size(picture, models=models) + end,
            without_prompt=captions.full_size(picture, has_prompt=False, models=models) + end,
            view=self._views.picture_view(picture, job),
            files=[file],
        )

    async def check_not_removed(self, delivery: Delivery) -> None:
        """Raise Refused if moderators have removed the picture."""
        rules.check_not_removed(await self._pictures(delivery))

    async def _file(self, picture: Picture, target: ResponseTarget) -> tuple[OutgoingFile, str]:
        """With what the message says of its format."""
        visible = await self._channels.visible_in([picture], target.channel_id)
        rules.check_viewable(visible.pictures[0])
        limit = self._upload_limits.limit(target)
        fitted = await asyncio.to_thread(
            picture_files.picture_file, self._storage, visible, limit=limit
        )
        name, alt_text = f"{picture.id}.{fitted.suffix}", alt_texts.of_pictures([picture])
        return OutgoingFile(name, fitted.data, alt_text, visible.needs_spoiler), fitted.note

    async def _pictures(self, delivery: Delivery) -> list[Picture]:
        """The requested picture, if it exists."""
        pictures = await self._jobs.pictures(delivery.job_id)
        return [picture for picture in pictures if picture.nth == delivery.nth]
