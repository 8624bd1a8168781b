"""What the kinds of jobs need to plan a request; reads only."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Final

import msgspec
from PIL import Image

from bot.db.guild_settings import GuildSettingsStore
from bot.db.jobs import JobStore
from bot.db.lineage import LineageStore
from bot.domain import nsfw, rules
from bot.domain.job import Job, RequestContext
from bot.domain.kinds import replay, reroll
from bot.domain.limits import Limits
from bot.domain.model_names import with_default
from bot.domain.picture import Picture, job_id_of
from bot.domain.plan import REPAINTED, Edge, JobKind, Plan, PlanContext, PlannedJob, Relation
from bot.domain.preferences import NO_PREFERENCES, Preferences
from bot.domain.presets import BUILT_IN, Presets
from bot.domain.visibility import VisiblePictures, visible_in
from bot.engine_client.base import EngineClient
from bot.errors import Refused
from bot.i18n import _
from bot.services.input_files import ENLARGING, InputFiles
from bot.services.preferences import PreferenceService
from bot.services.presets import PresetService
from bot.services.uploaded_recipes import UploadedRecipes
from engine.contract import MAX_PROMPT_CHARS, SEED_LIMIT, Edit, ModelCard, pixels_sha256

_MAX_INSTRUCTIONS: Final = 20


class Planner:
    """The Refused that methods raise is a sentence for the user."""

    def __init__(
        self,
        jobs: JobStore,
        lineage: LineageStore,
        guild_settings: GuildSettingsStore,
        preferences: PreferenceService,
        presets: PresetService,
        engine: EngineClient,
        input_files: InputFiles,
        uploaded_recipes: UploadedRecipes,
        limits: Limits,
    ) -> None:
        self._jobs = jobs
        self._lineage = lineage
        self._guild_settings = guild_settings
        self._preferences = preferences
        self._presets = presets
        self._engine = engine
        self._input_files = input_files
        self.uploaded_recipes = uploaded_recipes
        """What a request may be planned from, besides stored pictures."""
        self._limits = limits

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """The loaded models; the first is the default."""
        return self._engine.models

    def models_for(self, preferences: Preferences) -> tuple[ModelCard, ...]:
        """The loaded models; the first is the default of these preferences."""
        return with_default(self._engine.models, preferences.default_model)

    async def context(
        self, request: RequestContext, pictures: Sequence[Picture] = ()
    ) -> PlanContext:
        """The context of a request that starts from those of these pictures that its user may see.

        Raises Refused if moderators removed one of them, or the only one cannot be seen.
        """
        rules.check_not_removed(pictures)
        settings = await self._guild_settings.get(request.channel.guild_id)
        policy = nsfw.nsfw_policy(request.channel, settings.nsfw)
        visible = visible_in(pictures, policy).pictures
        if len(visible) == 1:
            rules.check_viewable(visible[0])
        parents = [picture for picture in visible if picture.unavailable_reason is None]
        presets = await self._presets.of(request.channel.guild_id)
        return self._context(parents, self._preferences.of_request(request), presets)

    async def visible(
        self, channel: nsfw.ChannelContext, pictures: Sequence[Picture]
    ) -> VisiblePictures:
        """The pictures as visible in this channel."""
        settings = await self._guild_settings.get(channel.guild_id)
        return visible_in(pictures, nsfw.nsfw_policy(channel, settings.nsfw))

    async def enlarging_context(self, request: RequestContext, picture: Picture) -> PlanContext:
        """The context of a request that enlarges one picture.

        The digest of the pixels is that of the file if a version without such digests stored it.
        """
        context = await self.context(request, [picture])
        parents = []
        for parent in context.parents:
            if parent.sha256 is None:
                data = await self._input_files.picture_file(parent)
                pixels = await asyncio.to_thread(_pixels, data)
                parent = msgspec.structs.replace(parent, sha256=pixels)
            parents.append(parent)
        return msgspec.structs.replace(context, parents=tuple(parents))

    async def changing_context(self, request: RequestContext, picture: Picture) -> PlanContext:
        """The context of a request that has one picture as an input image.

        Raises Refused, with a sentence for the user, if it must not be one.
        """
        context = await self.context(request, [picture])
        for parent in context.parents:
            rules.check_changeable(parent)
        return msgspec.structs.replace(context, words=await self._words(picture))

    async def _words(self, picture: Picture) -> str:
        """The instructions by which a picture was made, behind the prompt of what was edited;
        empty if it was not edited."""
        prompts, current = list[str](), picture
        while isinstance(current.recipe.recipe.source, Edit) and len(prompts) < _MAX_INSTRUCTIONS:
            prompts.append(current.recipe.prompt)
            parents = await self._lineage.parents(current.id)
            origin = await self._jobs.picture(parents[0].parent) if parents else None
            if origin is None:
                break
            current = origin
        else:
            prompts.append(current.recipe.prompt)
        words = ", ".join(dict.fromkeys(prompt for prompt in reversed(prompts) if prompt))
        return words[:MAX_PROMPT_CHARS] if current is not picture else ""

    async def replan(
        self, job: Job, request: RequestContext, nth: int | None = None
    ) -> tuple[JobKind, Plan]:
        """The plan of the job, or of its nth picture alone, with other seeds, and its kind."""
        edges = await self._lineage.edges(job.id)
        pictures = await self._jobs.pictures(job.id)
        rules.check_not_removed(pictures)
        if nth is not None:
            rules.nth_picture(job, pictures, nth)
        planned = PlannedJob(
            recipes=job.recipes,
            details=job.plan,
            edges=edges,
            pictures=tuple(pictures),
            nth=nth,
        )
        is_whole = nth is None or bool(job.plan.full_recipes)  # a draft stays one
        if is_whole and job.kind.replan is not None:
            parent_ids = dict.fromkeys(
                edge.parent for edge in edges if edge.relation is not Relation.REROLL
            )
            parents = [await self._parent(picture_id) for picture_id in parent_ids]
            context = await self.context(request, [parent for parent in parents if parent])
            return job.kind, job.kind.replan(planned, context)
        return reroll.KIND, reroll.plan(planned, self._context())

    async def edges(self, job: Job) -> tuple[Edge, ...]:
        """What the pictures of the job were made from."""
        return await self._lineage.edges(job.id)

    async def original(self, job: Job) -> Picture | None:
        """The picture that this job paints again; None if there is none, or it was deleted."""
        for edge in await self._lineage.edges(job.id):
            if edge.relation in REPAINTED:
                return await self._jobs.picture(edge.parent)
        return None

    async def replay_request(self, picture: Picture) -> replay.ReplayRequest:
        """What a replay of this picture needs beside it: that which it enlarges."""
        edges = [
            edge
            for edge in await self._lineage.edges(picture.job_id)
            if edge.child == picture.nth and edge.relation in ENLARGING
        ]
        return replay.ReplayRequest(
            origins=tuple(edge.parent for edge in edges),
            relation=edges[0].relation if edges else None,
        )

    async def finished_drafts(self, pictures: Sequence[Picture]) -> Mapping[str, bool]:
        """Those of these pictures that were finished (True), or are being finished (False)."""
        return await self._lineage.finished_drafts([picture.id for picture in pictures])

    async def _parent(self, picture_id: str) -> Picture | None:
        parent = await self._jobs.job(job_id_of(picture_id))
        if parent is not None and parent.deletion_reason is not None:
            raise Refused(
                _("These are variations of another picture. {message}").format(
                    message=parent.deletion_reason.message
                )
            )
        return await self._jobs.picture(picture_id)

    def _context(
        self,
        parents: Sequence[Picture] = (),
        preferences: Preferences = NO_PREFERENCES,
        presets: Presets = BUILT_IN,
    ) -> PlanContext:
        return PlanContext(
            models=self.models_for(preferences),
            preferences=preferences,
            upscalers=self._engine.upscalers,
            can_film=self._engine.can_film,
            seed=secrets.randbelow(SEED_LIMIT),
            parents=tuple(parents),
            limits=self._limits,
            presets=presets,
        )


def _pixels(png: bytes) -> str:
    """The digest of a file's pixels. Raises Refused if it is damaged."""
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as image:
            return pixels_sha256(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise Refused(_("The picture's file in the data folder is damaged.")) from error
