"""The views of private panels and previews, with the longest custom ids that they may have."""

import discord

from bot.domain.job import Progress, ShownJob
from bot.domain.kinds.remix import Noise
from bot.domain.preference_settings import SETTINGS
from bot.domain.preferences import NO_PREFERENCES, Layer
from bot.domain.remix_form import FormTexts
from bot.domain.setting_values import Aspect, Number, Offer, Text
from bot.features import about, change, describe, edit, fork, region, remix, report, sketch
from bot.messages import (
    descriptions,
    expansion_previews,
    help_pages,
    poll_messages,
    queue_panel,
    remix_forms,
    settings_panel,
    sketch_forms,
)
from bot.messages.descriptions import Buttons
from bot.messages.expansion_previews import ExpansionPreview
from bot.messages.help_pages import Contents
from bot.messages.queue_panel import Scope
from bot.messages.sketch_forms import SketchPreview, SketchSettings
from bot.services.queue_view import Queue, QueuedJob
from engine.contract import Phase, Sampler
from tests.samples import job, picture

PHASE = Phase(3, "a red house", "", 5.0, Sampler.EULER)


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


def forms(job_id: str, offer: Offer) -> list[discord.ui.Modal]:
    """The forms of all features, for a job of this id."""
    remixed = remix.form_id(job_id, 100, Noise.SAME)
    models, samplers = ("flat", "other"), tuple(Sampler)
    return [
        report.modal(2**64 - 1),
        fork.modal(job_id, 149, PHASE, samplers),
        edit.modal(edit.custom_id(job_id, 100), 1.5),
        edit.modal(edit.upload_custom_id(9), 1.5),
        change.modal(ShownJob(job(job_id), 100), [picture(job_id, nth) for nth in (1, 2)]),
        remix_forms.modal(remixed, FormTexts(), models=(), samplers=()),
        remix_forms.modal(remixed, FormTexts(), models=models, samplers=samplers),
        region.modal(job_id, 100, "a red house"),
        sketch_forms.modal(sketch.modal_ids(job_id, 100)[0], can_follow_lines=True),
        *(
            settings_panel.modal(setting, layer, "", offer)
            for setting in SETTINGS.values()
            if isinstance(setting.values, Aspect | Number | Text)
            for layer in setting.layers
        ),
    ]
