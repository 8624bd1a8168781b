"""The protocols of models that write texts."""

from typing import Protocol

from PIL import Image

from engine.contract import TextModelCard


class Expander(Protocol):
    """A language model that continues prompts."""

    @property
    def card(self) -> TextModelCard: ...

    def expand(self, prompt: str, seed: int) -> str:
        """What follows the prompt, without it; equal seeds give equal texts."""


class Captioner(Protocol):
    """A model that describes pictures."""

    @property
    def card(self) -> TextModelCard: ...

    def describe(self, image: Image.Image) -> tuple[str, ...]:
        """Up to MAX_TEXTS texts about an RGB image, the best one first; none if it shows nothing
        that the model knows. Equal pixels give equal texts."""
