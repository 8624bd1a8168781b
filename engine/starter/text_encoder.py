"""The starter model's tokenizer and text encoder, in the manner of CLIP's."""

import json
from typing import Final

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from engine.starter.captions import all_words

LONGEST: Final = 48
"""Tokens in a prompt, start and end among them; what is longer is cut."""
WIDTH: Final = 128
SUFFIX: Final = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"


def new_tokenizer() -> CLIPTokenizer:
    """Byte pairs learned from the captions' words; any other text falls into single letters."""
    vocabulary, merges = _byte_pairs()
    for token in (START, END):
        vocabulary[token] = len(vocabulary)
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=LONGEST,
    )


def _byte_pairs() -> tuple[dict[str, int], list[tuple[str, str]]]:
    letters = sorted(ByteLevel.alphabet())
    last_letters = [char + SUFFIX for char in letters]
    learner = Tokenizer(BPE(end_of_word_suffix=SUFFIX))
    learner.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=2000,
        show_progress=False,
        end_of_word_suffix=SUFFIX,
        initial_alphabet=letters,
        special_tokens=last_letters,  # else their order, and with it the merges', is chance
    )
    words = sorted({word for phrase in all_words() for word in phrase.split()})
    learner.train_from_iterator(words * 2, trainer)
    learned = [(a, b) for a, b in json.loads(learner.to_str())["model"]["merges"]]
    tokens = [*letters, *last_letters]
    tokens += [a + b for a, b in learned]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    return vocabulary, learned


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained text encoder of WIDTH."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=WIDTH * 4,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=LONGEST,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
