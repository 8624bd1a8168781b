"""What can be painted from the recipe inside of a file; pure.

The file is from a user and may hold anything: each recipe is checked as one of a request is.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

from bot.domain import limits, recipe_words, rules
from bot.domain.model_names import find_model, short_names
from bot.domain.plan import Plan, PlanContext
from bot.domain.row_classes import backend_of
from bot.errors import Refused
from bot.i18n import N_, _, enumeration, ngettext
from engine.contract import (
    Adapter,
    AdapterCard,
    ModelCard,
    PictureOptions,
    Recipe,
    Sampler,
    Work,
    check_steering,
    make_recipes,
    short_revision,
)
from engine.contract.extra_networks import not_applied
from engine.contract.infotext import Infotext, public_model_name
from engine.contract.infotext_loras import NamedAdapter
from engine.contract.metadata import Metadata
from engine.contract.resource_hashes import hash_label
from engine.contract.sampler_names import FLOW_SCHEDULE, counterpart, schedule_not_offered
from engine.contract.steering import MAX_ADAPTER_SCALE, MAX_ADAPTERS

_OTHER_PROGRAM: Final = N_(
    "Another program painted it, so the same settings give a similar picture, not the same one."
)
_ENLARGED: Final = N_(
    "The picture is painted in its first size; the buttons below it enlarge it again."
)
_ADVICE: Final = {recipe_words.SKETCH: N_(" Upload the sketch to /imagine instead.")}
_NOTHING: Final = N_(
    "There is no recipe in this file. Pictures of this bot and of AUTOMATIC1111's "
    "web UI have one, unless a website or an editor has removed it."
)


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What would be painted, and what differs from the file."""

    plan: Plan
    notes: tuple[str, ...] = ()


def offer(metadata: Metadata, context: PlanContext, images: Collection[str] = ()) -> Offer:
    """What can be painted from a file; `images` are the digests of the input images that exist.

    Raises Refused, which says what is missing.
    """
    if metadata.recipes:
        is_enlarged = any(not isinstance(work, Recipe) for work in metadata.recipes)
        plan = plan_again(metadata.recipes, context, images)
        return Offer(plan=plan, notes=(_ENLARGED,) if is_enlarged else ())
    if metadata.infotext is None:
        raise Refused(_(_NOTHING))
    return _adapted(metadata.infotext, context)


def plan_again(recipes: Sequence[Work], context: PlanContext, images: Collection[str] = ()) -> Plan:
    """The plan that paints these recipes again, with the same pixels if the engine is the same.

    Of an enlargement, the picture that was enlarged is painted.
    Raises Refused, which says what is missing.
    """
    limits.check_pictures(len(recipes), context.limits)
    return Plan(recipes=tuple(_checked(work.recipe, context, images) for work in recipes))


def _checked(recipe: Recipe, context: PlanContext, images: Collection[str]) -> Recipe:
    """The recipe with the model's name here, and with texts as those of a request."""
    model = _same_model(recipe, context.models)
    try:
        check_steering(recipe, model)
    except ValueError as error:
        raise Refused(str(error)) from error
    if missing := recipe_words.inputs(recipe, set(recipe.images) - set(images)):
        advice = "" if len(missing) > 1 else _(_ADVICE.get(missing[0], ""))
        raise Refused(
            ngettext(
                "This picture was made with {inputs}, which is not in the file, nor "
                "among yours that are stored here.{advice}",
                "This picture was made with {inputs}, which are not in the file, nor "
                "among yours that are stored here.{advice}",
                len(missing),
            ).format(inputs=enumeration([_(name) for name in missing]), advice=advice)
        )
    try:
        recipe = msgspec.structs.replace(
            recipe,
            model=model.name,
            prompt=rules.strip_invisible(recipe.prompt),
            negative=rules.strip_invisible(recipe.negative),
            changes=tuple(
                msgspec.structs.replace(
                    change, prompt=_visible(change.prompt), negative=_visible(change.negative)
                )
                for change in recipe.changes
            ),
        )
        model.check_recipe(recipe)
    except ValueError as error:
        raise Refused(str(error)) from error
    if recipe.row_class not in model.row_classes(*recipe.size):
        [recipe] = model.with_row_class([recipe])
    if recipe.backend not in model.backends:
        recipe = msgspec.structs.replace(recipe, backend=backend_of(recipe, model))
    return recipe


def _visible(text: str | None) -> str | None:
    return None if text is None else rules.strip_invisible(text)


def _same_model(recipe: Recipe, models: Sequence[ModelCard]) -> ModelCard:
    for model in models:
        names = model.name, public_model_name(model.name)
        if recipe.revision == model.revision and recipe.model in names:
            return model
    offered = ", ".join(short_names(models))
    raise Refused(
        _(
            "This was painted with the model {model} ({revision}), which is not "
            "offered here now. These are: {offered}."
        ).format(
            model=recipe.model[:100],
            revision=short_revision(recipe.revision),
            offered=offered,
        )
    )


def _adapted(infotext: Infotext, context: PlanContext) -> Offer:
    """The nearest that can be painted, with the usual values in place of what is impossible."""
    model, notes = _offered_model(infotext, context.models)
    sampler = _sampler(infotext, model, notes)
    size = infotext.size or model.size_for_aspect(1.0)
    if not model.is_paintable(*size):
        notes.append(
            N_("The model paints no {size}; its usual size is used.").format(
                size=f"{size[0]}x{size[1]}"
            )
        )
        size = model.size_for_aspect(size[0] / size[1])
    clip_skip = infotext.clip_skip
    if clip_skip is not None and clip_skip > model.most_clip_skip:
        notes.append(
            N_("The model takes no clip skip of {clip_skip}; 1 is used.").format(
                clip_skip=clip_skip
            )
        )
        clip_skip = None
    steps, guidance, limits = infotext.steps, infotext.guidance, model.distilled
    if limits is not None and steps is not None and steps > limits.most_steps:
        notes.append(
            N_("The model takes at most {limit} steps; {steps} are used.").format(
                limit=limits.most_steps, steps=model.steps
            )
        )
        steps = None
    if limits is not None and guidance is not None and guidance > limits.most_guidance:
        notes.append(
            N_("The model takes a guidance of at most {limit:g}; {guidance:g} is used.").format(
                limit=limits.most_guidance, guidance=model.guidance
            )
        )
        guidance = None
    notes.extend(_embedding_notes(infotext, model))
    adapters, adapter_notes = _adapters(infotext, model)
    notes.extend(adapter_notes)
    strength = infotext.subseed_strength
    options = PictureOptions(
        prompt=rules.strip_invisible(infotext.prompt),
        negative=rules.strip_invisible(infotext.negative),
        seed=infotext.seed,
        subseed=infotext.subseed if strength else None,
        subseed_strength=strength if infotext.subseed is not None and strength else None,
        count=1,
        steps=steps,
        guidance=guidance,
        clip_skip=clip_skip,
        sampler=sampler,
    )
    try:
        recipes = make_recipes(options, model, size=size, seed=context.seed, adapters=adapters)
    except ValueError as error:
        raise Refused(str(error)) from error
    plan = Plan(recipes=recipes, prompt=options.prompt)
    return Offer(plan=plan, notes=(*infotext.notes, *notes, _OTHER_PROGRAM))


def _sampler(infotext: Infotext, model: ModelCard, notes: list[str]) -> Sampler | None:
    """The sampler that the model has for the one of the picture. Models with flow matching have
    some of their own, which have no other names in other programs."""
    if infotext.sampler is None:
        return None
    flow_samplers = {Sampler.FLOW_EULER, Sampler.FLOW_HEUN}
    sampler = counterpart(infotext.sampler, model.samplers)
    used = model.sampler if sampler is None else sampler
    if infotext.has_flow_schedule and sampler and not flow_samplers.intersection(model.samplers):
        notes.append(schedule_not_offered(FLOW_SCHEDULE, sampler))
    elif used is not infotext.sampler and sampler not in flow_samplers:
        notes.append(
            N_("The model does not take {sampler}; {used} is used.").format(
                sampler=infotext.sampler, used=used
            )
        )
    return sampler


def _embedding_notes(infotext: Infotext, model: ModelCard) -> Iterator[str]:
    """A sentence for each embedding of the picture that is not the one of this name here."""
    here = {hash_label(item.name).lower(): item.sha256 for item in model.embeddings}
    for name, digest in infotext.embeddings:
        sha256 = here.get(name.lower())
        if sha256 is None:
            yield N_("The embedding {name} is not offered; its name is read as words.").format(
                name=name
            )
        elif not sha256.startswith(digest):
            yield N_("The embedding {name} here is another one than that of the picture.").format(
                name=name
            )


def _adapters(infotext: Infotext, model: ModelCard) -> tuple[list[Adapter], list[str]]:
    """The LoRAs of the picture that are here, and a sentence for each thing about them that
    differs."""
    adapters: dict[str, Adapter] = {}
    notes: list[str] = []
    missing = []
    for named in infotext.adapters:
        card = _adapter_card(named, model)
        if card is None or len(adapters) == MAX_ADAPTERS:
            missing.append(named.name)
            continue
        scale = min(max(named.scale, -MAX_ADAPTER_SCALE), MAX_ADAPTER_SCALE)
        if scale != named.scale:
            notes.append(
                N_("The LoRA {name} has the scale {scale:g}, not {other:g}.").format(
                    name=named.name, scale=scale, other=named.scale
                )
            )
        if not _has_digest(card, named.digest):
            notes.append(
                N_("The LoRA {name} here is another one than that of the picture.").format(
                    name=named.name
                )
            )
        adapters[card.name] = Adapter(name=card.name, revision=card.revision, scale=scale)
    names = (*missing, *infotext.other_networks)
    return list(adapters.values()), [*([not_applied(names)] if names else []), *notes]


def _adapter_card(named: NamedAdapter, model: ModelCard) -> AdapterCard | None:
    """The LoRA with the digest of the picture's, else the one of its name."""
    same = [card for card in model.adapters if named.digest and _has_digest(card, named.digest)]
    called = [card for card in model.adapters if card.name.lower() == named.name.lower()]
    both = [card for card in called if card in same]
    return next(iter([*both, *same, *called]), None)


def _has_digest(card: AdapterCard, digest: str) -> bool:
    return card.revision.startswith(digest) or card.data_sha256.startswith(digest)


def _offered_model(infotext: Infotext, models: Sequence[ModelCard]) -> tuple[ModelCard, list[str]]:
    """The model with the hash of the picture's, else the one of its name, else the default."""
    name, digest = (infotext.model or "").strip(), infotext.model_hash
    same = [model for model in models if digest and model.revision.startswith(digest)]
    if same or not (name or digest):
        return [*same, models[0]][0], []
    label = name[:100] or N_("with the hash {digest}").format(digest=digest)
    named = _named_model(name, models) if name else None
    if named is None:
        default = next(iter(short_names(models)))
        return models[0], [
            N_("The model {label} is not offered; {default} is used.").format(
                label=label, default=default
            )
        ]
    if digest is None or named.file_sha256 is None:
        return named, []
    return named, [
        N_("The model {label} here is another one than that of the picture.").format(label=label)
    ]


def _named_model(name: str, models: Sequence[ModelCard]) -> ModelCard | None:
    """The model of this name; other programs leave out the suffix of a checkpoint."""
    for written in (name, f"{name}.safetensors"):
        try:
            return find_model(written, models)
        except Refused:
            continue
    return None
