"""/lineage and 🌳 Family: the family tree of a picture, privately."""

import io
from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.picture import picture_id
from bot.errors import Refused
from bot.features import picture_option
from bot.features.exports import Action, Exports
from bot.features.picture_option import can_view
from bot.features.places import everywhere
from bot.features.responses import check_not_blocked, defer_privately
from bot.i18n import N_, NP_, _
from bot.messages import alt_texts, captions, channels
from bot.messages.action_views import ActionScope
from bot.messages.family_trees import FamilyPictures

_ALONE: Final = N_("This picture has no relatives: it was made from no other, and none from it.")


@app_commands.command(
    name="lineage", description="Show what a picture was made from, and what from it"
)
@app_commands.describe(
    picture="One of your latest pictures, a picture's id, or the link of a message"
)
@app_commands.autocomplete(picture=picture_option.complete)
@everywhere
async def command(interaction: Interaction, picture: str) -> None:
    """The response is private."""
    result = await picture_option.find(interaction, picture)
    await _show(interaction, picture_id(result.job.id, result.nth or 1))


async def show_family(interaction: Interaction, job: Job, nth: int) -> None:
    """🌳 Family below a picture, which its user sees."""
    await _show(interaction, picture_id(job.id, nth), is_shown=True)


async def _show(interaction: Interaction, picture_id: str, *, is_shown: bool = False) -> None:
    await check_not_blocked(interaction)
    member = await services(interaction).family_trees.member(picture_id)
    if member.job is None or member.picture is None:
        raise Refused(rules.UNKNOWN_PICTURE)
    if not is_shown and not can_view(interaction, member.job):
        raise Refused(rules.UNKNOWN_PICTURE)
    rules.check_not_removed([member.picture])
    await defer_privately(interaction)
    family = await services(interaction).family_trees.find(
        picture_id, viewer_id=interaction.user.id
    )
    if len(family.members) == 1:
        await interaction.edit_original_response(content=_(_ALONE))
        return
    await interaction.edit_original_response(
        content=_caption(family), attachments=[await _file(interaction, family)]
    )


def _caption(family: FamilyPictures) -> str:
    picture = family.members[family.picture_id].picture
    words = "" if picture is None else captions.words(picture.recipe)
    more = (
        _(" · {left_out} more not shown").format(left_out=family.left_out)
        if family.left_out
        else ""
    )
    return _("🌳 {words} · {count} pictures{more}").format(
        words=words, count=len(family.members), more=more
    )


async def _file(interaction: Interaction, family: FamilyPictures) -> discord.File:
    viewable = family.pictures(lambda job: can_view(interaction, job))
    channel = channels.from_interaction(interaction)
    visible = await services(interaction).planner.visible(channel, viewable)
    tree = await services(interaction).family_trees.draw(
        family, {picture.id: picture for picture in visible.pictures}, interaction.filesize_limit
    )
    return discord.File(
        io.BytesIO(tree.data),
        f"family-{family.picture_id}.{tree.suffix}",
        spoiler=visible.needs_spoiler,
        description=alt_texts.of_family(
            family.members[family.picture_id].picture, len(family.members)
        ),
    )


exports: Final = Exports(
    commands=(command,),
    actions=(
        Action(
            name="family",
            label=NP_("button", "🌳 Family"),
            summary=N_("What it was made from, and what was made from it"),
            scope=ActionScope.PICTURE,
            order=42,
            is_in_menu=True,
            is_on_picture=lambda _: True,
            handler=show_family,
        ),
    ),
)
