"""/replay: paint a picture again from its recipe, and say whether it has the same pixels."""

from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain.kinds import replay
from bot.domain.picture import Picture
from bot.features import picture_option
from bot.features.exports import Exports
from bot.features.places import everywhere
from bot.features.responses import defer_and_start, make_private, request_context


@app_commands.command(
    name="replay", description="Paint a picture again and say whether it is the same to the bit"
)
@app_commands.describe(
    picture="One of your latest pictures, the id of a picture or job, or the link of a message"
)
@app_commands.autocomplete(picture=picture_option.complete)
@everywhere
async def command(interaction: Interaction, picture: str) -> None:
    """Of several pictures, the first one that was painted."""
    await _start(interaction, await _first(interaction, picture))


@app_commands.context_menu(name="Replay")
@everywhere
async def menu(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message; of several pictures, the first one."""
    await _start(interaction, await _first(interaction, message.jump_url))


async def _first(interaction: Interaction, text: str) -> Picture:
    """The first picture that a text names and that was painted. Raises Refused."""
    pictures = await picture_option.find_pictures(interaction, text)
    available = [item for item in pictures if item.unavailable_reason is None]
    return next(iter([*available, *pictures]))


async def _start(interaction: Interaction, picture: Picture) -> None:
    recorded = await services(interaction).job_finder.by_button(picture.job_id)
    if recorded.plan.is_private:
        make_private(interaction)
    context, planner = request_context(interaction), services(interaction).planner
    plan_context = await planner.context(context, [picture])
    plan = replay.plan(await planner.replay_request(picture), plan_context)
    job = await services(interaction).job_service.submit(replay.KIND, plan, context)
    await defer_and_start(interaction, job)


exports: Final = Exports(commands=(command, menu))
