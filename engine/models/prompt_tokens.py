"""Tokenize prompts with weights, and weight their embeddings."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import torch
from diffusers import DiffusionPipeline
from transformers import PreTrainedTokenizerBase

from engine.contract import Adapter, PromptFormat
from engine.contract.embedding_names import split_at_names
from engine.contract.prompt_weights import WeightedText, parse_weights
from engine.models.embeddings import EmbeddingTokens
from engine.models.prompt_chunks import Token, TokenChunks, cut_into_chunks

_CACHE_SIZE: Final = 256
"""Number of prompts whose tokens are cached."""
_MAX_MEAN_RATIO: Final = 10.0
"""A mean that the weights change more than so many times is near 0 and is not restored."""
_IDEOGRAPHS: Final = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese and Japanese have no spaces between words, so each of their characters counts."""
_WORD: Final = re.compile(rf"[{_IDEOGRAPHS}]|[^\s{_IDEOGRAPHS}]+")


class Prompt(NamedTuple):
    """A prompt, and how it is encoded."""

    text: str
    format: PromptFormat = PromptFormat.PLAIN
    chunks: int = 1
    """A prompt of the format A1111 is padded to at least so many."""
    clip_skip: int = 1
    embeddings: tuple[str, ...] = ()
    """The names of those that it may use."""
    adapters: tuple[Adapter, ...] = ()
    """Those that change the text encoders."""


class _Exclusive:
    """Makes the calls of a tokenizer wait for each other.

    A call sets the truncation and padding of the library `tokenizers`, and then encodes by them.
    """

    exclusion: threading.RLock

    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the tokenizer's
        with self.exclusion:
            return super().__call__(*args, **options)  # type: ignore[misc] # of the tokenizer

    def encode(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the tokenizer's
        """The ids of a text."""
        with self.exclusion:
            return super().encode(*args, **options)  # type: ignore[misc] # of the tokenizer


def lock_tokenizers(pipeline: DiffusionPipeline) -> None:
    """Let threads share the tokenizers of a pipeline, also within the pipeline's own methods."""
    for component in pipeline.components.values():
        if isinstance(component, PreTrainedTokenizerBase) and not isinstance(component, _Exclusive):
            kind = type(component)
            members = {"exclusion": threading.RLock()}
            component.__class__ = type(kind.__name__, (_Exclusive, kind), members)


class EncoderInput(NamedTuple):
    """A chunk as the input of a text encoder."""

    ids: tuple[int, ...]
    mask: tuple[int, ...]
    """1 for the tokens of the prompt and those that begin and end it, 0 for padding."""
    weights: tuple[float, ...]


class PromptTokenizer:
    """Tokenizes prompts for one text encoder, in chunks of the length that it can take."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        embeddings: Mapping[str, EmbeddingTokens] = MappingProxyType({}),
    ) -> None:
        """`embeddings` are the tokens of each embedding of the text encoder by its name."""
        self._tokenizer = tokenizer
        self._embeddings = embeddings
        self._begin, self._end = tokenizer("").input_ids
        self._comma = self._comma_id()
        self.chunks = lru_cache(_CACHE_SIZE)(self._chunks)
        """The tokens of a prompt with weights and breaks, in which the names of these embeddings
        stand for their vectors."""

    def inputs(
        self, prompt: str, count: int, embeddings: tuple[str, ...] = ()
    ) -> list[EncoderInput]:
        """The chunks of a prompt as inputs of the text encoder, and empty ones up to this count."""
        inputs = [self._input(chunk) for chunk in self.chunks(prompt, embeddings).chunks]
        return [*inputs, *[self._input(())] * (count - len(inputs))]

    def omitted_words(
        self, prompt: str, embeddings: tuple[str, ...] = (), *, is_plain: bool = False
    ) -> int:
        """How many words at the end of a prompt are not encoded, or not as a whole.

        A plain prompt has one chunk, and brackets are words there.
        """
        if is_plain:
            tokens = list(self._tokens(prompt))
            words, rest = prompt, tokens[self._length :]
        else:
            chunks = self.chunks(prompt, embeddings)
            words, rest = _words(parse_weights(prompt)), list(chunks.rest)
        return len(_WORD.findall(words[rest[0].place :])) if rest else 0

    def _input(self, chunk: Sequence[Token]) -> EncoderInput:
        """A chunk with begin, end and padding."""
        size = self._tokenizer.model_max_length
        tokens = [Token(self._begin), *chunk, Token(self._end)]
        padding = size - len(tokens)
        return EncoderInput(
            ids=(*(token.id for token in tokens), *[self._tokenizer.pad_token_id] * padding),
            mask=(*[1] * len(tokens), *[0] * padding),
            weights=(*(token.weight for token in tokens), *[1.0] * padding),
        )

    def _chunks(self, prompt: str, embeddings: tuple[str, ...] = ()) -> TokenChunks:
        sections: list[list[Token]] = []
        place = 0
        for section in parse_weights(prompt):
            tokens: list[Token] = []
            for part in section:
                for span in split_at_names(part.text, embeddings):
                    if span.name is None:
                        tokens += self._tokens(span.text, part.weight, place)
                    else:
                        tokens += self._vectors(span.name, part.weight, place)
                    place += len(span.text)
            sections.append(tokens)
            place += 1  # of the space between two sections
        return cut_into_chunks(sections, self._length, self._comma)

    @property
    def _length(self) -> int:
        """The tokens that fit into a chunk."""
        size: int = self._tokenizer.model_max_length
        return size - len((self._begin, self._end))

    def _tokens(self, text: str, weight: float = 1.0, place: int = 0) -> Iterator[Token]:
        """The tokens of a text that begins at this place in the words of the prompt."""
        encoding = self._tokenizer(
            text, add_special_tokens=False, verbose=False, return_offsets_mapping=True
        )
        for id, (start, _) in zip(encoding.input_ids, encoding.offset_mapping, strict=True):
            yield Token(id, weight, place=place + start)

    def _vectors(self, name: str, weight: float, place: int) -> Iterator[Token]:
        """The tokens of an embedding."""
        first_id, size = self._embeddings[name]
        for nth in range(size):
            yield Token(first_id + nth, weight, nth > 0, place)

    def _comma_id(self) -> int | None:
        """The id of the comma, if it is one token."""
        ids = self._ids(",")
        return ids[0] if len(ids) == 1 and ids[0] != self._tokenizer.unk_token_id else None

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        return ids


def words_beyond(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    max_tokens: int,
    start: int = 0,
    end: int | None = None,
) -> int:
    """How many words of text[start:end] are not, or not as a whole, in the first tokens of a text.

    Tokens that begin and end a prompt are not counted.
    """
    offsets = tokenizer(
        text, add_special_tokens=False, verbose=False, return_offsets_mapping=True
    ).offset_mapping
    if len(offsets) <= max_tokens:
        return 0
    return len(_WORD.findall(text[max(offsets[max_tokens][0], start) : end]))


def _words(sections: Sequence[Sequence[WeightedText]]) -> str:
    return " ".join("".join(part.text for part in section) for section in sections)


def weighted(
    embeds: torch.Tensor, weights: Sequence[float], *, restores_mean: bool = True
) -> torch.Tensor:
    """Embeddings (1, tokens, channels), each multiplied by its token's weight, and then all by one
    factor that restores their mean, as AUTOMATIC1111's web UI does (modules/sd_emphasis.py)."""
    if all(weight == 1.0 for weight in weights):
        return embeds
    factors = torch.tensor(weights, device=embeds.device)[None, :, None]
    products = embeds.float() * factors
    ratio = embeds.float().mean() / products.mean()
    if restores_mean and 1 / _MAX_MEAN_RATIO <= ratio <= _MAX_MEAN_RATIO:  # NaN fails this
        products = products * ratio
    return products.to(embeds.dtype)
