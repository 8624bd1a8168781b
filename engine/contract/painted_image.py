"""A picture as the engine sends it, with the verdicts of its safety checks."""

import msgspec

from engine.contract.recipe_parts import Backend


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one safety checker for one picture.

    Raises ValueError if the score is out of range, or is None and the picture is not flagged.
    """

    checker: str
    """`model` for the safety checker of the painting model, else the classifier's hub id or
    folder."""
    score: float | None
    """From 0 (harmless) to 1; None if the check failed, which flags the picture."""
    flagged: bool

    def __post_init__(self) -> None:
        if self.score is None and not self.flagged:
            raise ValueError(
                f"The checker {self.checker} passed a picture that it did not check; without a "
                "score the picture must be flagged."
            )
        if self.score is not None and not 0.0 <= self.score <= 1.0:  # NaN fails this too
            raise ValueError(
                f"The checker {self.checker} gave the score {self.score}; it must be 0 to 1."
            )


class Omission(msgspec.Struct, frozen=True):
    """How many words at the end of a picture's prompts the model does not read; of several prompts,
    the most."""

    prompt: int = 0
    negative: int = 0

    @property
    def sentence(self) -> str:
        """For the user."""
        parts = [
            f"the last {'word' if count == 1 else f'{count} words'} of the {name}"
            for name, count in (("prompt", self.prompt), ("negative prompt", self.negative))
            if count
        ]
        verb = "was" if self.prompt + self.negative == 1 else "were"
        text = f"{' and '.join(parts)} {verb} left out: the model reads no more."
        return text[:1].upper() + text[1:]


class PaintedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one recipe.

    A withheld picture has verdicts and a digest but no bytes; a failed one has none of these.
    Raises ValueError for any other combination, such as bytes without a verdict.
    """

    png: bytes
    sha256: str
    """Of the pixels (`pixels_sha256`), even if the bytes are withheld; empty for a failed picture.
    """
    failed: str | None = None
    """Why there is no picture, as a sentence for the user; other pictures may have succeeded."""
    verdicts: tuple[Verdict, ...] = ()
    """One per checker."""
    row_class: int
    """The row class used: the recipe's, unless the engine chose another by load."""
    backend: Backend = Backend.TORCH
    """The backend used: the recipe's, unless the engine lacks it."""
    fingerprint: str
    omission: Omission | None = None
    """None if the model reads the prompts to their ends."""

    def __post_init__(self) -> None:
        if self.failed is not None:
            if self.png or self.verdicts:
                raise ValueError("A failed picture has bytes or verdicts; it must have neither.")
        elif not self.verdicts:
            raise ValueError("A picture has no verdict; at least one is required.")
        elif self.png and any(verdict.score is None for verdict in self.verdicts):
            raise ValueError("A picture that could not be checked has bytes; it must have none.")
        elif not (self.png or self.flagged):
            raise ValueError("A picture that passed the safety check has no bytes.")

    @property
    def flagged(self) -> bool:
        """Whether a checker flagged this picture or failed to check it."""
        return any(verdict.flagged for verdict in self.verdicts)

    @property
    def withheld(self) -> bool:
        """Whether the picture is flagged and was sent without its bytes."""
        return self.flagged and not self.png
