"""Breed: a channel's favourite pictures crossed into a new generation; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain.blended_noise import BlendedPicture, with_noise_of
from bot.domain.job_input import picture_url
from bot.domain.kinds import blend
from bot.domain.kinds.imagine import ImagineOptions
from bot.domain.picture import Picture
from bot.domain.plan import PICTURE_ACTIONS, Edge, JobKind, Plan, PlanContext, Relation
from bot.domain.repainting import COUNT
from bot.domain.row_classes import with_row_classes
from bot.domain.styles import NONE
from bot.domain.variants import plain_words
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import MAX_PROMPT_CHARS, RANDOM_SEED, SEED_LIMIT, Recipe

MIN_PARENTS: Final = blend.MIN_PICTURES
MAX_PARENTS: Final = blend.MAX_PICTURES
_PART_CHARS: Final = 30
"""Of the words of each parent in messages."""


class BreedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request by /breed to cross `PlanContext.parents`."""

    options: ImagineOptions
    """Its prompt is `blend.PROMPT` if there is none."""
    votes: tuple[int, ...]
    """Of each parent: the more a picture has, the more of it is in its children."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about how the request was read."""


def plan(request: BreedRequest, context: PlanContext) -> Plan:
    """A blend of the parents, by their votes. Without a model that blends, each child has the
    settings of a parent, the words of all, and their mixed noise.

    The same parents, votes and seed make the same pictures. Raises Refused, with a sentence for the
    user.
    """
    parents = context.parents
    if any(blend.can_blend(card) for card in context.models):
        planned = blend.plan(_blend_request(request, parents), context)
    else:
        planned = Plan(recipes=with_row_classes(_mixed(request, context), context.models))
    has_words = request.options.prompt != blend.PROMPT
    return msgspec.structs.replace(
        planned,
        notes=(*request.notes, *planned.notes),
        prompt=planned.prompt if has_words else _crossed([p.recipe.prompt for p in parents]),
        edges=tuple(
            Edge(child, parent.id, Relation.BLEND)
            for child in range(1, len(planned.recipes) + 1)
            for parent in parents
        ),
    )


def _blend_request(request: BreedRequest, parents: Sequence[Picture]) -> blend.BlendRequest:
    return blend.BlendRequest(
        options=msgspec.structs.replace(request.options, styles=NONE[0]),
        picture_urls=tuple(picture_url(parent.id) for parent in parents),
        ratios=":".join(str(votes) for votes in request.votes),
    )


def _mixed(request: BreedRequest, context: PlanContext) -> list[Recipe]:
    options, most = request.options, context.limits.max_pictures
    options = msgspec.structs.replace(options, prompt=plain_words(options.prompt))
    count = COUNT if options.count is None else options.count
    if not 1 <= count <= most:
        raise Refused(
            _("The count is {count}; it must be 1 to {most}.").format(count=count, most=most)
        )
    recipes = [parent.recipe.recipe for parent in context.parents]
    pictures = [
        BlendedPicture(recipe, float(votes))
        for recipe, votes in zip(recipes, request.votes, strict=True)
    ]
    words = options.prompt
    if words == blend.PROMPT:
        words = ", ".join(dict.fromkeys(recipe.prompt for recipe in recipes if recipe.prompt))
    seed = context.seed if options.seed in (None, RANDOM_SEED) else options.seed
    children = []
    for nth in range(count):
        base = recipes[nth % len(recipes)]
        child = msgspec.structs.replace(
            base,
            prompt=words[:MAX_PROMPT_CHARS] or base.prompt,
            seed=(seed + nth) % SEED_LIMIT,
            changes=(),
        )
        children.append(with_noise_of(child, pictures))
    return children


def _crossed(prompts: Sequence[str]) -> str:
    """The words of the parents, for messages."""
    cut = (" ".join(prompt.split()) for prompt in prompts)
    parts = (text if len(text) <= _PART_CHARS else text[: _PART_CHARS - 1] + "…" for text in cut)
    return " × ".join(part or "…" for part in parts)


KIND: Final = JobKind(name="breed", title=N_("Bred: "), plan=plan, actions=PICTURE_ACTIONS)
