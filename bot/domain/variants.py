"""The recipes of a request whose prompt stands for several; pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bot.domain import wildcards
from bot.domain.plan import PlanContext
from bot.domain.prompt_template import Template, parse
from bot.errors import Refused
from engine.contract import (
    DEFAULT_COUNT,
    RANDOM_SEED,
    SEED_LIMIT,
    ModelCard,
    PictureOptions,
    Recipe,
    check_seed,
    make_recipes,
)

NO_WORDS: Final = "—"
"""Stands for a picture's own words if it has none."""
_ENDS: Final = " ,"


def make_variants(
    options: PictureOptions,
    model: ModelCard,
    context: PlanContext,
    *,
    size: tuple[int, int],
    steered: Mapping[str, Any],
) -> tuple[Recipe, ...]:
    """The recipes of a request: of each permutation of its prompt as many as its count says.

    Without a count, a permutation has one picture. All permutations have the same seeds, and each
    picture has the words that its own seed draws. `steered` is what `make_recipes` takes beside
    the options. Raises Refused or ValueError, with a sentence for the user.
    """
    template = parse(options.prompt)
    if options.raw or template.is_plain:
        words = options.prompt if options.raw else template.prompt(0, {})
        options = msgspec.structs.replace(options, prompt=words)
        return make_recipes(options, model, size=size, seed=context.seed, **steered)
    wildcards.check(template, context.presets.wildcards)
    count = _count(template, options.count, context.limits.max_pictures)
    seed = context.seed if options.seed in (None, RANDOM_SEED) else options.seed
    check_seed("seed", seed)
    seeds = [(seed + nth) % SEED_LIMIT for nth in range(count)]
    entries = context.presets.entries
    variants = [
        msgspec.structs.replace(options, prompt=each.prompt(of, entries), seed=of, count=1)
        for each in template.permutations()
        for of in seeds
    ]
    recipes = [
        recipe
        for variant in variants
        for recipe in make_recipes(variant, model, size=size, seed=seed, **steered)
    ]
    return model.with_row_class(recipes)


def own_words(prompts: Sequence[str]) -> tuple[str, ...]:
    """What each of several prompts has beside the words that all begin and end with; nothing if all
    are the same."""
    words = [prompt.split() for prompt in prompts]
    if len(set(map(tuple, words))) < 2:
        return ()
    start = _common(words)
    end = _common([each[start:][::-1] for each in words])
    middles = (" ".join(each[start : len(each) - end]).strip(_ENDS) for each in words)
    return tuple(middle or NO_WORDS for middle in middles)


def _common(texts: Sequence[list[str]]) -> int:
    """How many words all of these begin with."""
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return next((nth for nth, (a, b) in pairs if a != b), min(len(first), len(last)))


def _count(template: Template, count: int | None, most: int) -> int:
    """The number of pictures of each permutation. Raises Refused if all are too many."""
    permutations = template.count
    each = count or (DEFAULT_COUNT if permutations == 1 else 1)
    if permutations * each > most:
        times = f" with {each} pictures each" if each > 1 else ""
        raise Refused(
            f"The prompt has {_number(permutations)} permutations{times}; at most {most} pictures "
            "of a request are allowed. The option raw takes braces as words."
        )
    return each


def _number(count: int) -> str:
    return f"{count}" if count < 1_000_000 else "millions of"
