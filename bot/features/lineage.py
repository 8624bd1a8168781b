"""/lineage and 🌳 Family: the family tree of a picture, privately."""

import io
import re
from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.picture import Picture, picture_id
from bot.errors import Refused
from bot.features.exports import Action, Exports
from bot.features.responses import check_not_blocked, defer_privately
from bot.messages import captions, channels
from bot.messages.action_views import ActionScope
from bot.messages.family_trees import FamilyPictures

_LINK: Final = re.compile(
    r"https?://\S{1,100}/channels/(?:@me|[0-9]{1,20})/[0-9]{1,20}/"
    r"(?P<message>[0-9]{1,18}|[1-8][0-9]{18})"  # below 2**63, as ids in the database are
)
_PICTURE_ID: Final = re.compile(r"[0-9a-z]{1,24}-[1-9][0-9]{0,2}")
_MAX_TEXT: Final = 200
_MAX_CHOICES: Final = 25
_MAX_CHOICE_PROMPT: Final = 60
"""Discord shows 100 characters of a choice."""
_NO_PICTURE: Final = (
    "That is no picture of mine. Give a picture's id, or the link of a message that shows one "
    "(Copy Message Link)."
)
_ALONE: Final = "This picture has no relatives: it was made from no other, and none from it."


def _prompt(picture: Picture) -> str:
    return picture.recipe.prompt[:_MAX_CHOICE_PROMPT] or "without words"


async def complete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The latest pictures of the user whose prompts contain what was typed."""
    trees, user_id = services(interaction).family_trees, interaction.user.id
    choices = [
        app_commands.Choice(
            name=f"{_prompt(p)} · picture {p.nth} · seed {p.recipe.seed}", value=p.id
        )
        for p in await trees.latest(user_id, 4 * _MAX_CHOICES)
    ]
    return [c for c in choices if typed.casefold() in c.name.casefold()][:_MAX_CHOICES]


@app_commands.command(
    name="lineage", description="Show what a picture was made from, and what from it"
)
@app_commands.describe(
    picture="One of your latest pictures, a picture's id, or the link of a message"
)
@app_commands.autocomplete(picture=complete)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def command(interaction: Interaction, picture: str) -> None:
    """The response is private."""
    await _show(interaction, await _picture_id(interaction, picture.strip()[:_MAX_TEXT]))


async def _picture_id(interaction: Interaction, text: str) -> str:
    if _PICTURE_ID.fullmatch(text):
        return text
    match = _LINK.fullmatch(text)
    result = (
        await services(interaction).job_finder.by_message(int(match["message"])) if match else None
    )
    if result is None:
        raise Refused(_NO_PICTURE)
    return picture_id(result.job.id, result.nth or 1)


async def show_family(interaction: Interaction, job: Job, nth: int) -> None:
    """🌳 Family below a picture."""
    await _show(interaction, picture_id(job.id, nth))


async def _show(interaction: Interaction, picture_id: str) -> None:
    await check_not_blocked(interaction)
    member = await services(interaction).family_trees.member(picture_id)
    if member.job is None or member.picture is None or not _can_view(interaction, member.job):
        raise Refused(rules.UNKNOWN_PICTURE)
    rules.check_not_removed([member.picture])
    await defer_privately(interaction)
    family = await services(interaction).family_trees.find(picture_id)
    if len(family.members) == 1:
        await interaction.edit_original_response(content=_ALONE)
        return
    await interaction.edit_original_response(
        content=_caption(family), attachments=[await _file(interaction, family)]
    )


def _caption(family: FamilyPictures) -> str:
    picture = family.members[family.picture_id].picture
    words = "" if picture is None else captions.words(picture.recipe)
    more = f" · {family.left_out} more not shown" if family.left_out else ""
    return f"🌳 {words} · {len(family.members)} pictures{more}"


async def _file(interaction: Interaction, family: FamilyPictures) -> discord.File:
    viewable = family.pictures(lambda job: _can_view(interaction, job))
    channel = channels.from_interaction(interaction)
    visible = await services(interaction).planner.visible(channel, viewable)
    suffix, data = await services(interaction).family_trees.draw(
        family, {picture.id: picture for picture in visible.pictures}, interaction.filesize_limit
    )
    return discord.File(
        io.BytesIO(data), f"family-{family.picture_id}.{suffix}", spoiler=visible.needs_spoiler
    )


def _can_view(interaction: Interaction, job: Job) -> bool:
    """Whether the user may see the pictures of a job: their own, and those of channels that they
    can open in this server."""
    if job.user_id == interaction.user.id or job.target.channel_id == interaction.channel_id:
        return True
    guild, member = interaction.guild, interaction.user
    if guild is None or job.target.guild_id != guild.id or not isinstance(member, discord.Member):
        return False
    channel = guild.get_channel_or_thread(job.target.channel_id)
    if isinstance(channel, discord.Thread) and channel.is_private():
        return False
    return channel is not None and channel.permissions_for(member).view_channel


exports: Final = Exports(
    commands=(command,),
    actions=(
        Action(
            name="family",
            label="🌳 Family",
            scope=ActionScope.PICTURE,
            order=90,
            is_on_picture=lambda _: True,
            handler=show_family,
        ),
    ),
)
