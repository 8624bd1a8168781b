"""The recipes of a request whose prompt stands for several; pure."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Final, TypeVar

import msgspec

from bot.domain import wildcards
from bot.domain.plan import PlanContext
from bot.domain.prompt_template import Template, parse
from bot.errors import Refused
from bot.i18n import N_, _
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
Options = TypeVar("Options", bound=PictureOptions)
_ONE_EACH: Final = N_(
    "Each of the {permutations} permutations has {count} picture, because a request "
    "has at most {most}."
)
_FEW_EACH: Final = N_(
    "Each of the {permutations} permutations has {count} pictures, because a request "
    "has at most {most}."
)


def with_fitting_count(options: Options, most: int) -> tuple[Options, tuple[str, ...]]:
    """The options with the count of each permutation of their prompt, and a sentence if it is lower
    than the user's, so that all have at most so many pictures.

    Without a count, a permutation has one picture. Raises Refused if there are too many.
    """
    template = parse(options.prompt)
    permutations = 1 if options.raw else template.count
    if permutations == 1:
        return options, ()
    check_permutations(template, most)
    count = 1 if options.count is None else min(options.count, most // permutations)
    notes = []
    if options.count is not None and count < options.count:
        sentence = _ONE_EACH if count == 1 else _FEW_EACH
        notes.append(sentence.format(permutations=permutations, count=count, most=most))
    return msgspec.structs.replace(options, count=count), tuple(notes)


def make_variants(
    options: PictureOptions,
    model: ModelCard,
    context: PlanContext,
    *,
    size: tuple[int, int],
    steered: Mapping[str, Any],
) -> tuple[Recipe, ...]:
    """The recipes of a request: of each permutation of its prompt as many as its count says.

    All permutations have the same seeds, and each picture has the words that its own seed draws.
    `steered` is what `make_recipes` takes beside the options. Raises Refused or ValueError, with a
    sentence for the user.
    """
    if options.raw or parse(options.prompt).is_plain:
        [words] = drawn_prompts(options.prompt, [0], context, is_raw=options.raw)
        options = msgspec.structs.replace(options, prompt=words)
        return make_recipes(options, model, size=size, seed=context.seed, **steered)
    count = DEFAULT_COUNT if options.count is None else options.count
    seed = context.seed if options.seed in (None, RANDOM_SEED) else options.seed
    check_seed("seed", seed)
    seeds = [(seed + nth) % SEED_LIMIT for nth in range(count)]
    prompts = drawn_prompts(options.prompt, seeds, context)
    variants = [
        msgspec.structs.replace(options, prompt=prompt, seed=of, count=1)
        for prompt, of in zip(prompts, cycle(seeds), strict=False)
    ]
    recipes = [
        recipe
        for variant in variants
        for recipe in make_recipes(variant, model, size=size, seed=seed, **steered)
    ]
    return model.with_row_class(recipes)


def drawn_prompts(
    prompt: str, seeds: Sequence[int], context: PlanContext, *, is_raw: bool = False
) -> list[str]:
    """The words of a prompt for pictures of these seeds, of each of its permutations in turn;
    `is_raw` says that the prompt is words alone.

    Raises Refused, with a sentence for the user, if it names an unknown wildcard, or has more
    permutations than a request has pictures.
    """
    if is_raw:
        return [prompt] * len(seeds)
    template = parse(prompt)
    wildcards.check(template, context.presets.wildcards)
    check_permutations(template, context.limits.max_pictures)
    return [
        permutation.prompt(seed, context.presets.entries)
        for permutation in template.permutations()
        for seed in seeds
    ]


def plain_words(prompt: str, *, is_raw: bool = False) -> str:
    """The words of a prompt where it can stand for no others; `is_raw` says that braces are words.

    Raises Refused, with a sentence for the user, if it has permutations or words to draw.
    """
    if is_raw:
        return prompt
    template = parse(prompt)
    if not template.is_plain:
        raise Refused(
            _(
                "Permutations and wildcards, as in `{example}`, do not work here. A backslash, as "
                "in `\\{{`, makes them words."
            ).format(example="{red, blue} __animals__")
        )
    return template.prompt(0, {})


def check_permutations(template: Template, most: int) -> None:
    """Raise Refused if a template has more permutations."""
    if template.count > most:
        raise Refused(
            _(
                "The prompt has {number} permutations; at most {most} pictures of a "
                "request are allowed. A backslash, as in `\\{{`, makes a brace a word."
            ).format(number=_number(template.count), most=most)
        )


def own_words(prompts: Sequence[str]) -> tuple[str, ...]:
    """What each of several prompts has beside the words that all begin and end with; nothing if all
    are the same."""
    words = [prompt.split() for prompt in prompts]
    if len(set(map(tuple, words))) < 2:
        return ()
    start = _common(words)
    end = _common([text[start:][::-1] for text in words])
    middles = (" ".join(text[start : len(text) - end]).strip(_ENDS) for text in words)
    return tuple(middle or NO_WORDS for middle in middles)


def _common(texts: Sequence[list[str]]) -> int:
    """How many words all of these begin with."""
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return next((nth for nth, (a, b) in pairs if a != b), min(len(first), len(last)))


def _number(count: int) -> str:
    return f"{count}" if count < 1_000_000 else _("millions of")
