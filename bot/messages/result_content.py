"""What the message of an ended job shows: the grid, film or matrix, as the channel may see it."""

import asyncio
from collections.abc import Sequence

from bot.db.jobs import JobStore
from bot.domain import restoration, rules
from bot.domain.delivery import Delivery
from bot.domain.job import Job, ResponseTarget, Status
from bot.domain.picture import Picture
from bot.engine_client.base import EngineClient
from bot.errors import Refused
from bot.i18n import _, from_english
from bot.messages import alt_texts, captions, picture_files
from bot.messages.action_views import ActionViews
from bot.messages.captured import CapturedFiles, role_of
from bot.messages.channels import ChannelResolver
from bot.messages.message_content import MessageContent, OutgoingFile
from bot.messages.replayed import ReplayNotes
from bot.messages.upload_limits import UploadLimits
from bot.services.display_versions import DisplayVersions
from bot.services.input_files import InputFiles
from bot.storage import FileMissing, FileStorage


class ResultContent:
    """The content of results, wherever they are shown."""

    def __init__(
        self,
        storage: FileStorage,
        captured: CapturedFiles,
        replay_notes: ReplayNotes,
        channels: ChannelResolver,
        views: ActionViews,
        upload_limits: UploadLimits,
        engine: EngineClient | None = None,
    ) -> None:
        self._storage = storage
        self._captured = captured
        self._replay_notes = replay_notes
        self._channels = channels
        self._views = views
        self._upload_limits = upload_limits
        self._engine = engine

    async def build(
        self,
        job: Job,
        pictures: Sequence[Picture],
        target: ResponseTarget,
        notes: Sequence[str] = (),
    ) -> MessageContent:
        """The content for a message at this target, with these notes; its channel is fetched again.

        Raises DeliveryFailed if Discord cannot be asked about the channel.
        """
        pictures = await self._captured.with_flags(job, pictures)
        visible = await self._channels.visible_in(pictures, target.channel_id)
        models = self._engine.models if self._engine else ()
        content = captions.ending(job, visible.pictures, models=models)
        without_prompt = captions.ending(job, visible.pictures, has_prompt=False, models=models)
        if job.status is not Status.DONE:
            return MessageContent(content=content, without_prompt=without_prompt)
        view = self._views.result_view(job, visible.pictures)
        limit = self._upload_limits.limit(target)
        captured = await self._captured.find(job, visible, limit)
        files = [captured.file] if captured.file else []
        notes = [*captured.notes, *notes]
        notes += await self._replay_notes.of(job, visible.pictures)
        if captured.file is None:
            try:
                fitted = await asyncio.to_thread(
                    picture_files.grid_file, self._storage, visible, limit, job.plan.layout
                )
            except (FileMissing, Refused) as error:
                notes.append(from_english(str(error)))
            else:
                notes += [fitted.note] if fitted.note else []
                alt_text = alt_texts.of_pictures(visible.pictures)
                name = f"{job.id}.{fitted.suffix}"
                files.append(OutgoingFile(name, fitted.data, alt_text, visible.needs_spoiler))
        return MessageContent(
            content="\n".join([content, *notes]),
            without_prompt="\n".join([without_prompt, *notes]),
            view=view,
            files=files,
        )


class ShownResult:
    """The content of responses that show a result once more."""

    def __init__(
        self,
        jobs: JobStore,
        results: ResultContent,
        files: InputFiles,
        display_versions: DisplayVersions,
        channels: ChannelResolver,
    ) -> None:
        self._jobs = jobs
        self._files = files
        self._results = results
        self._channels = channels
        self._display_versions = display_versions

    async def build(self, delivery: Delivery, target: ResponseTarget) -> MessageContent:
        """The result as visible in the channel of the response.

        Raises Refused if it is gone, FileMissing if there is no file of it.
        """
        job = await self._jobs.job(delivery.job_id)
        if job is None:
            raise Refused(_(rules.UNKNOWN_PICTURE))
        rules.check_not_deleted(job)
        pictures = await self._jobs.pictures(job.id)
        notes = await self._restored(job, pictures, delivery, target)
        await self._display_versions.make(job)
        return await self._results.build(job, pictures, target, notes)

    async def _restored(
        self, job: Job, pictures: Sequence[Picture], delivery: Delivery, target: ResponseTarget
    ) -> list[str]:
        """Paint what the channel may see and has no file again; returns why some is not painted."""
        if role_of(job) is not None:
            return []  # its film or strip is shown
        visible = await self._channels.visible_in(pictures, target.channel_id)
        requester = restoration.of_delivery(delivery)
        reasons = await self._files.restore(visible.pictures, requester)
        if reasons and not await self._files.has_any(visible.pictures):
            raise FileMissing(reasons[0])
        return reasons

    async def check_not_removed(self, delivery: Delivery) -> None:
        """Raise Refused if moderators have removed a picture of the result."""
        rules.check_not_removed(await self._jobs.pictures(delivery.job_id))
