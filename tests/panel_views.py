"""The views of private panels and previews, with the longest custom ids that they may have."""

import discord

from bot.domain.job import Progress
from bot.domain.preference_settings import SETTINGS
from bot.domain.preferences import NO_PREFERENCES, Layer
from bot.domain.setting_values import Offer
from bot.features import about, describe, sketch
from bot.messages import (
    descriptions,
    expansion_previews,
    help_pages,
    poll_messages,
    queue_panel,
    settings_panel,
    sketch_forms,
)
from bot.messages.descriptions import Buttons
from bot.messages.expansion_previews import ExpansionPreview
from bot.messages.help_pages import Contents
from bot.messages.queue_panel import Scope
from bot.messages.sketch_forms import SketchPreview, SketchSettings
from bot.services.queue_view import Queue, QueuedJob
from tests.samples import job


def panel_views(job_id: str) -> list[discord.ui.View | discord.ui.LayoutView]:
    """Those of /queue, /help, sketches and prompts."""
    jobs = tuple(QueuedJob(job(job_id), Progress()) for _ in range(20))
    queue = Queue(jobs=jobs, total=40)
    contents = Contents(commands={"about": about.command}, menus=(), actions=(), reactions={})
    preview = SketchPreview(
        prompt="a house",
        settings=SketchSettings("balanced", "contain", "landscape"),
        size=(64, 64),
        picture=(job_id, 100),
    )
    return [
        queue_panel.panel(queue, Scope.SERVER, 1, is_moderator=True),
        help_pages.view(contents, f"/{'x' * 64}", 1, 3),
        sketch.offer_view(10),
        sketch_forms.preview_view(preview),
        describe.offer_view(10),
        descriptions.view(Buttons(4, 2047, 2048, 2**64 - 1, is_private=True)),
        *(
            expansion_previews.view(ExpansionPreview("a cat, at noon", own, {}, {}), 2**32)
            for own in ("a cat", "a cat, at noon")
        ),
        poll_messages.end_view(2**63 - 1),
    ]


def sketch_form_ids(job_id: str) -> list[str]:
    """The custom ids of the forms about sketches."""
    address = sketch_forms.address_custom_id(f"https://cdn.discordapp.com/attachments/{'1' * 70}")
    assert address is not None
    return [*sketch.modal_ids(job_id, 100), address]


def settings_views(offer: Offer) -> list[discord.ui.View]:
    """The panels of /settings for a server."""
    layers = [Layer.USER, Layer.CHANNEL, Layer.GUILD]
    overview = settings_panel.overview(
        Layer.CHANNEL, layers, NO_PREFERENCES, offer, is_in_guild=True
    )
    editors = [
        settings_panel.editor(setting, Layer.CHANNEL, {}, offer) for setting in SETTINGS.values()
    ]
    return [overview.view, *(editor.view for editor in editors)]
