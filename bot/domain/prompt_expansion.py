"""Words that are added to a prompt, by rules or by a language model; pure.

The starter model was trained on few words, so it gets those that it knows: a colour for a thing
that has none, a place and a time of day. Other models get words about light, colours, view and
details. All of them are letters, digits and spaces, so that they are no notation of prompts.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from bot.domain.built_in_presets import WILDCARDS
from bot.domain.prompt_template import draw
from engine.contract import MAX_PROMPT_CHARS, ModelCard

MAX_PHRASES: Final = 12
"""That are added to one prompt."""
_MAX_PHRASE: Final = 60
"""Characters."""
_STARTER: Final = "starter"
_ENDS: Final = " ,.;"
_PLACE_WORDS: Final = frozenset(
    {
        *("beach", "countryside", "desert", "field", "grass", "lawn", "meadow", "ocean", "sand"),
        *("sea", "snow", "snowy", "water", "waves", "winter"),
    }
)
_TIME_WORDS: Final = frozenset(
    {
        *("day", "daylight", "daytime", "dusk", "evening", "midnight", "moon", "moonlight"),
        *("night", "noon", "stars", "starry", "sundown", "sunny", "sunset", "sunshine"),
    }
)
_LOOKS: Final = ("storybook style", "flat illustration", "digital art", "vector art")
_GROUPS: Final[Sequence[tuple[frozenset[str], tuple[str, ...]]]] = (
    (
        frozenset(
            {"light", "lighting", "lit", "sunset", "night", "moonlight", "glow", "backlight"}
        ),
        (
            *("soft morning light", "golden hour light", "dramatic lighting", "soft studio light"),
            *("warm evening light", "light through mist", "bright daylight"),
        ),
    ),
    (
        frozenset({"color", "colors", "colour", "colours", "monochrome", "pastel", "vivid"}),
        ("vivid colors", "muted colors", "pastel colors", "warm colors", "rich contrast"),
    ),
    (
        frozenset({"view", "close-up", "closeup", "shot", "angle", "perspective", "portrait"}),
        (
            *("wide view", "close-up view", "low angle view", "centered composition"),
            *("shallow depth of field", "seen from above"),
        ),
    ),
    (
        frozenset({"detailed", "details", "sharp", "intricate"}),
        ("highly detailed", "fine textures", "sharp focus", "intricate details"),
    ),
)
"""What other models are told: the words that say it already, and what may be added."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_PHRASE: Final = re.compile(r"[^\W_]+(?:[ '’-][^\W_]+)*")
_SEPARATOR: Final = re.compile(r"[,;|\n]|\.(?=\s|$)")
_ARTIST: Final = re.compile(r"\bby\b|\bstyle of\b")
_THING: Final = re.compile(
    rf"\b(?P<article>an?|the) (?P<thing>{'|'.join(WILDCARDS['things'].entries)})\b", re.IGNORECASE
)


def is_expandable(prompt: str) -> bool:
    """Whether there are words, and room for more."""
    return bool(_WORD.search(prompt)) and len(prompt) + _MAX_PHRASE < MAX_PROMPT_CHARS


def is_starter(model: ModelCard) -> bool:
    """Whether a model knows only the words of the starter."""
    return model.name == _STARTER or model.name.startswith(f"{_STARTER}-")


def expanded(prompt: str, model: ModelCard, seed: int) -> str:
    """The prompt with words that the rules draw by this seed: equal seeds draw equal words."""
    if is_starter(model):
        return _appended(_coloured(prompt, seed), list(_starter_phrases(prompt, seed)))
    words = _words(prompt)
    phrases = [
        choices[draw(f"{seed} {nth}", len(choices))]
        for nth, (known, choices) in enumerate(_GROUPS)
        if not known & words
    ]
    return _appended(prompt, phrases or [_drawn(_LOOKS, "look", seed)])


def with_phrases(prompt: str, text: str) -> str:
    """The prompt with the phrases of a language model, those that are plain words.

    Phrases that name artists, or that the prompt has, are left out; so it may stay as it is.
    """
    lower_case = prompt.casefold()
    phrases = dict.fromkeys(
        phrase
        for part in _SEPARATOR.split(text)
        if _PHRASE.fullmatch(phrase := " ".join(part.split()).lower())
        and len(phrase) <= _MAX_PHRASE
        and phrase not in lower_case
        and not _ARTIST.search(phrase)
    )
    return _appended(prompt, list(phrases))


def _appended(prompt: str, phrases: Sequence[str]) -> str:
    """The prompt with as many of the phrases as there is room for."""
    text = prompt.rstrip(_ENDS)
    for phrase in phrases[:MAX_PHRASES]:
        longer = f"{text}, {phrase}"
        if len(longer) > MAX_PROMPT_CHARS:
            break
        text = longer
    return text if text != prompt.rstrip(_ENDS) else prompt


def _starter_phrases(prompt: str, seed: int) -> Iterator[str]:
    words = _words(prompt)
    has_place, has_time = bool(words & _PLACE_WORDS), bool(words & _TIME_WORDS)
    if not has_place:
        yield _drawn(WILDCARDS["places"].entries, "place", seed)
    if not has_time:
        yield _drawn(WILDCARDS["times"].entries, "time", seed)
    if has_place and has_time:
        yield _drawn(_LOOKS, "look", seed)


def _coloured(prompt: str, seed: int) -> str:
    """The prompt with a colour for its first thing, if it has no colour at all."""
    colours = WILDCARDS["colors"].entries
    match = _THING.search(prompt)
    if match is None or _words(prompt) & frozenset(colours):
        return prompt
    colour = _drawn(colours, "colour", seed)
    article = match["article"]
    if article.lower() != "the":
        article = article[0] + ("n" if colour[0] in "aeiou" else "")
    start, end = match.span()
    return f"{prompt[:start]}{article} {colour} {match['thing']}{prompt[end:]}"


def _drawn(choices: Sequence[str], name: str, seed: int) -> str:
    return choices[draw(f"{seed} {name}", len(choices))]


def _words(text: str) -> set[str]:
    return {match[0] for match in _WORD.finditer(text.casefold())}
