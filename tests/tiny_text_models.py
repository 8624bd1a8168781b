"""Text models of random weights, as folders of transformers."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

WORDS = ("a", "cat", "house", "soft", "light", "snow", "red", ",", "sharp", "focus", "tree", "sea")
SIDE = 32
README = "---\nlicense: mit\n---\n"


def _tokenizer(*specials: str) -> PreTrainedTokenizerFast:
    vocabulary = {word: index for index, word in enumerate((*specials, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=specials[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=specials[0],
        pad_token=specials[1],
        eos_token=specials[-1],
        additional_special_tokens=list(specials[2:-1]),
    )


def save_language_model(folder: Path) -> Path:
    """Write a GPT-2 whose words are WORDS."""
    torch.manual_seed(4)
    tokenizer = _tokenizer("[UNK]", "[PAD]", "[END]")
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=512,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=2,
        eos_token_id=2,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(README)
    return folder


def save_captioner(folder: Path) -> Path:
    """Write a BLIP whose words are WORDS."""
    torch.manual_seed(5)
    tokenizer = _tokenizer("[UNK]", "[PAD]", "[CLS]", "[DEC]", "[SEP]")
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "encoder_hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "bos_token_id": 3,
        "eos_token_id": 4,
        "sep_token_id": 4,
        "pad_token_id": 1,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 16,
    }
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=16)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    images = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    BlipProcessor(images, tokenizer).save_pretrained(folder)
    (folder / "README.md").write_text(README)
    return folder


def damage(folder: Path) -> None:
    """Make the config one of another architecture, so that all weights are missing."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"n_layer": 3, "model_type": config["model_type"]}))
