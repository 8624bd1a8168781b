"""Fork: an earlier picture up to one of its steps, and on with other settings; pure."""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from bot.domain import rules
from bot.domain.kinds.steps import check_forkable
from bot.domain.numbers import parse_number
from bot.domain.picture import Picture
from bot.domain.plan import PICTURE_ACTIONS, Edge, JobKind, Plan, PlanContext, Relation
from bot.domain.prompt_flags import FlaggedPrompt, merged
from bot.domain.prompt_flags import read as read_flags
from bot.domain.prompt_template import as_typed
from bot.domain.typed_values import sampler_name
from bot.domain.variants import drawn_prompts
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import (
    MAX_GUIDANCE,
    Change,
    ModelCard,
    Phase,
    PromptFormat,
    Recipe,
    Sampler,
    card_for,
)
from engine.contract.extra_networks import check_no_networks
from engine.contract.prompt_weights import check_sections

NOTHING_CHANGED: Final = N_(
    "Nothing is changed: these are the settings that the picture had at that step."
)
_FLAGS: Final = ("negative", "guidance", "sampler")
"""Those of the prompt in the form."""
_FIELDS: Final = ("prompt", "negative", "guidance", "sampler")


class ForkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the one picture of `PlanContext.parents` from a step on."""

    step: int
    """The number of completed steps that stay as they are."""
    prompt: str
    negative: str
    guidance: float
    sampler: Sampler
    notes: tuple[str, ...] = ()
    """Sentences for the user about how the request was read."""


def samplers(recipe: Recipe, context: PlanContext) -> tuple[Sampler, ...]:
    """Those that the model of a recipe takes.

    Raises Refused, with a sentence for the user, if it is not offered.
    """
    rules.check_models((recipe,), context.models)
    return card_for(recipe, context.models).samplers


def parse(
    step: int,
    samplers: Collection[Sampler],
    *,
    prompt: str,
    negative: str,
    guidance: str,
    sampler: str,
    shown: Phase | None = None,
) -> ForkRequest:
    """A request from texts; `samplers` are those of the model.

    Flags of the prompt count before what is as it was `shown`. Raises Refused, with a sentence for
    the user.
    """
    prompt = rules.strip_invisible(prompt)
    is_same = shown is not None and prompt == rules.strip_invisible(shown.prompt)
    flagged = FlaggedPrompt(prompt, {}, {}) if is_same else read_flags(prompt, _FLAGS)
    fields = {"guidance": guidance, "sampler": sampler}
    old = {} if shown is None else {"guidance": guidance_text(shown), "sampler": shown.sampler}
    new = {name: text for name, text in fields.items() if text != old.get(name)}
    values, notes = merged({**new, "negative": rules.strip_invisible(negative)}, flagged)
    texts = {**fields, **values}
    name = sampler_name(str(texts["sampler"]))
    if name not in list(Sampler):
        raise Refused(
            _("There is no sampler “{name}”. Choose one of: {samplers}.").format(
                name=name[:50], samplers=", ".join(samplers)
            )
        )
    return ForkRequest(
        step=step,
        prompt=flagged.prompt,
        negative=str(texts["negative"]),
        guidance=parse_number(str(texts["guidance"]), "guidance", MAX_GUIDANCE),
        sampler=Sampler(name),
        notes=notes,
    )


def plan(request: ForkRequest, context: PlanContext) -> Plan:
    """The picture's recipe with a change at the step, for each permutation of the prompt. Its row
    class stays, so that the steps before keep their bits.

    Raises Refused, with a sentence for the user.
    """
    if not context.parents:
        raise Refused(_("There is no picture here to go back in."))
    parent = context.parents[0]
    prompts = _prompts(parent.recipe.recipe, request, context)
    requests = [msgspec.structs.replace(request, prompt=prompt) for prompt in prompts]
    recipes = tuple(_planned(permutation, parent, context) for permutation in requests)
    edges = tuple(Edge(nth, parent.id, Relation.FORK) for nth in range(1, len(recipes) + 1))
    return Plan(recipes=recipes, edges=edges, notes=request.notes)


def _prompts(recipe: Recipe, request: ForkRequest, context: PlanContext) -> list[str]:
    """One for each permutation. Raises Refused."""
    before = phase_at(recipe, request.step)
    is_same = request.prompt in (before.prompt, _as_submitted(before, recipe)["prompt"])
    is_raw = is_same or recipe.prompt_format is PromptFormat.PLAIN
    return drawn_prompts(request.prompt, [recipe.seed], context, is_raw=is_raw)


def _planned(request: ForkRequest, parent: Picture, context: PlanContext) -> Recipe:
    recipe = forked(parent.recipe.recipe, request)
    rules.check_models((recipe,), context.models)
    card = card_for(recipe, context.models)
    recipe = _with_new_embeddings(recipe, parent.recipe.recipe, card)
    try:
        card.check_recipe(recipe)
        if all(request.guidance != phase.guidance for phase in parent.recipe.recipe.phases):
            card.check_guidance(request.guidance)
    except ValueError as error:
        raise Refused(str(error)) from error
    return recipe


def forked(recipe: Recipe, request: ForkRequest) -> Recipe:
    """The recipe with the settings of the request from its step on.

    Later changes of the recipe stay, except of settings that the request changes. Raises Refused,
    with a sentence for the user.
    """
    before = phase_at(recipe, request.step)
    unchanged = _as_submitted(before, recipe)
    values = {
        name: getattr(request, name)
        for name in _FIELDS
        if getattr(request, name) not in (getattr(before, name), unchanged[name])
    }
    if not values:
        raise Refused(_(NOTHING_CHANGED))
    by_step = {change.step: _fields(change) for change in recipe.changes}
    changes = {
        step: fields
        if step < request.step
        else {name: value for name, value in fields.items() if name not in values}
        for step, fields in by_step.items()
    }
    changes[request.step] = changes.get(request.step, {}) | values
    try:
        if recipe.prompt_format is PromptFormat.A1111:
            for name in {"prompt", "negative"} & set(values):
                check_sections(values[name])
                check_no_networks(values[name])
        return msgspec.structs.replace(
            recipe,
            changes=tuple(
                Change(step=step, **fields) for step, fields in sorted(changes.items()) if fields
            ),
        )
    except ValueError as error:
        raise Refused(str(error)) from error


def phase_at(recipe: Recipe, step: int) -> Phase:
    """The settings after this number of completed steps.

    Raises Refused, with a sentence for the user, if no change can take effect there.
    """
    check_forkable(recipe)
    last = recipe.executed_steps - 1
    if not 1 <= step <= last:
        raise Refused(
            _(
                "This picture has no step {step} to go back to: it has {count} steps, so "
                "choose 1 to {last}."
            ).format(step=step, count=last + 1, last=last)
        )
    return [phase for phase in recipe.phases if phase.step <= step][-1]


def shown_phase(recipe: Recipe, step: int) -> Phase:
    """As `phase_at`, with the prompt as a text that is read as it."""
    phase = phase_at(recipe, step)
    return phase._replace(prompt=as_typed(phase.prompt, recipe.prompt_format))


def guidance_text(phase: Phase) -> str:
    """The guidance with at most six decimals, as `parse` reads it."""
    return f"{phase.guidance:.6f}".rstrip("0").rstrip(".")


def _with_new_embeddings(recipe: Recipe, parent: Recipe, card: ModelCard) -> Recipe:
    """The fork with the embeddings that only its new prompts name: what was words before the step
    stays words."""
    words = card.with_embeddings(parent).embeddings
    new = [item for item in card.with_embeddings(recipe).embeddings if item not in words]
    return msgspec.structs.replace(recipe, embeddings=(*parent.embeddings, *new))


def _as_submitted(phase: Phase, recipe: Recipe) -> dict[str, Any]:
    """The settings as `parse` returns them if a user leaves the texts of a form as they are."""
    return {
        "prompt": rules.strip_invisible(as_typed(phase.prompt, recipe.prompt_format)),
        "negative": rules.strip_invisible(phase.negative),
        "guidance": float(guidance_text(phase)),
        "sampler": phase.sampler,
    }


def _fields(change: Change) -> dict[str, Any]:
    return {name: getattr(change, name) for name in _FIELDS if getattr(change, name) is not None}


KIND: Final = JobKind(
    name="fork",
    title=N_("Fork: "),
    plan=plan,
    actions=PICTURE_ACTIONS,
    keeps_row_classes=True,
)
