"""The protocol of upscalers."""

from typing import Protocol

from PIL import Image


class Upscaler(Protocol):
    """A super-resolution model. Equal images, revisions and fingerprints give equal bits.

    Any number of threads may use it at the same time.
    """

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str:
        """A digest of the weights, sha256 in hex."""

    @property
    def scales(self) -> tuple[int, ...]:
        """The factors that it offers, in ascending order."""

    @property
    def fingerprint(self) -> str:
        """Weights, software and hardware in one line."""

    def upscale(self, image: Image.Image, scale: int) -> Image.Image:
        """An RGB image whose sides are `scale` times those of this one.

        Raises ValueError for another scale.
        """
