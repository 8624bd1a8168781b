"""Captions of scenes, and their tokens."""

import random

from engine.starter.captions import all_words, caption, full_caption
from engine.starter.scenes import Scene, Thing, random_scene
from engine.starter.text_encoder import MAX_TOKENS, new_tokenizer

SCENE = Scene((Thing("house", "red"), Thing("cat", "orange")), "snow", "night")


def test_captions_vary() -> None:
    """A hundred captions of one scene are mostly different."""
    rng = random.Random(1)
    assert len({caption(SCENE, rng) for _ in range(100)}) > 60


def test_a_full_caption_names_every_colour() -> None:
    """The article is `an` before a vowel."""
    rng = random.Random(2)
    for _ in range(50):
        text = full_caption(SCENE, rng)
        assert "red" in text
        assert "orange" in text
        assert " a orange" not in text


def test_words_of_captions_are_single_tokens() -> None:
    """Each word of a caption is one token; an unknown word is several."""
    tokenizer = new_tokenizer()
    for word in {word for phrase in all_words() for word in phrase.split() if word.isalpha()}:
        assert len(tokenizer.tokenize(word)) == 1, word
    assert len(tokenizer.tokenize("zygote")) > 1


def test_any_text_survives_a_round_trip() -> None:
    """Accents, emoji and other scripts decode to the original text."""
    tokenizer = new_tokenizer()
    for text in ("été", "赤い家", "🐱 cat"):
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


def test_captions_fit_the_text_encoder() -> None:
    """Hardly any caption is truncated."""
    rng, tokenizer = random.Random(3), new_tokenizer()
    lengths = [len(tokenizer(caption(random_scene(rng), rng)).input_ids) for _ in range(500)]
    assert sum(length > MAX_TOKENS for length in lengths) <= 2
