"""/breed: cross the favourites of a channel, chosen by 👍, into a new generation."""

from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.kinds import blend, breed
from bot.domain.polls import MAX_ANSWERS, MAX_HOURS
from bot.domain.votes import Favourite
from bot.errors import Refused
from bot.features import breed_poll, model_option, typed_options, votes
from bot.features.changing import start
from bot.features.exports import Exports
from bot.features.imagine import Count, PromptText, Seed
from bot.features.permissions import check_can_poll
from bot.features.responses import request_context
from bot.i18n import _, pgettext

_PARENTS: Final = 2
"""By default."""
_MAX_DAYS: Final = 7


@app_commands.command(
    name="breed", description="Cross this channel's favourites, chosen by 👍, into new pictures"
)
@app_commands.describe(
    favourites="How many favourites to cross; by default two",
    days="How many days the votes may be old; by default one",
    prompt="What the new pictures should show",
    seed="The same seed and favourites make the same pictures again; -1 is any seed",
    count="How many pictures to make",
    model="The model that paints",
    poll="Let members vote in a poll first, for so many hours; its winners are crossed",
)
@app_commands.autocomplete(model=model_option.autocomplete)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def command(
    interaction: Interaction,
    favourites: app_commands.Range[int, breed.MIN_PARENTS, breed.MAX_PARENTS] = _PARENTS,
    days: app_commands.Range[int, 1, _MAX_DAYS] = 1,
    prompt: PromptText | None = None,
    seed: Seed | None = None,
    count: Count | None = None,
    model: str | None = None,
    poll: app_commands.Range[int, 1, MAX_HOURS] | None = None,
) -> None:
    """Ranges are checked again, because only Discord's own clients check them. `typed_options`
    reads the options of the pictures, which these parameters declare."""
    _check_range("favourites", favourites, breed.MIN_PARENTS, breed.MAX_PARENTS)
    _check_range("days", days, 1, _MAX_DAYS)
    if poll is not None:
        _check_range("poll", poll, 1, MAX_HOURS)
    typed = typed_options.read(interaction, default_prompt=blend.PROMPT)
    options = typed.imagine_options()
    request = request_context(interaction)
    if poll is not None:
        check_can_poll(interaction)
    channel_id = interaction.channel_id or 0
    await votes.catch_up(interaction, days)
    limit = favourites if poll is None else MAX_ANSWERS
    best = await services(interaction).votes.favourites(channel_id, days, limit)
    if len(best) < breed.MIN_PARENTS:
        raise Refused(_too_few(best, days))
    if poll is not None:
        winners = min(favourites, len(best))
        await breed_poll.start(interaction, options, best, winners, poll)
        return
    context = await services(interaction).planner.context(request, [item.picture for item in best])
    counts = tuple(item.votes for item in best)
    plan = breed.plan(breed.BreedRequest(options=options, votes=counts, notes=typed.notes), context)
    await start(interaction, breed.KIND, plan)


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise Refused(
            _("The option {option} is {value}; it must be {least} to {most}.").format(
                option=pgettext("option name", name), value=value, least=least, most=most
            )
        )


def _too_few(best: list[Favourite], days: int) -> str:
    time = _("the last 24 hours") if days == 1 else _("the last {count} days").format(count=days)
    number = _("one favourite") if best else _("no favourites")
    return _(
        "This channel has {number} of {time}, and it takes two. React with 👍 to "
        "pictures that you like, such as those that U buttons show, and try again."
    ).format(number=number, time=time)


exports: Final = Exports(commands=(command,))
