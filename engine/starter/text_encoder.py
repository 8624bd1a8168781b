"""The starter model's tokenizer and text encoder, which have CLIP's architecture."""

import json
from typing import Final

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from engine.starter.captions import all_words

MAX_TOKENS: Final = 48
"""Tokens of a prompt, with start and end; longer prompts are truncated."""
WIDTH: Final = 128
SUFFIX: Final = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"


def new_tokenizer() -> CLIPTokenizer:
    """Byte pair encoding trained on the words of captions; other text becomes single characters."""
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
        model_max_length=MAX_TOKENS,
    )


def _byte_pairs() -> tuple[dict[str, int], list[tuple[str, str]]]:
    alphabet = sorted(ByteLevel.alphabet())
    final = [character + SUFFIX for character in alphabet]
    tokenizer = Tokenizer(BPE(end_of_word_suffix=SUFFIX))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=2000,
        show_progress=False,
        end_of_word_suffix=SUFFIX,
        initial_alphabet=alphabet,
        special_tokens=final,  # else their order, and that of the merges, is random
    )
    words = sorted({word for phrase in all_words() for word in phrase.split()})
    tokenizer.train_from_iterator(words * 2, trainer)
    merges = [(a, b) for a, b in json.loads(tokenizer.to_str())["model"]["merges"]]
    tokens = [*alphabet, *final]
    tokens += [a + b for a, b in merges]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    return vocabulary, merges


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained text encoder of WIDTH."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=WIDTH * 4,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
