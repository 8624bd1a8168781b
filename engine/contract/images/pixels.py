"""Turn an opened image file into RGB: its first frame, upright, in sRGB, on white, scaled down."""

from io import BytesIO
from typing import Final

# Besides ImageCms, the modules that Pillow would otherwise import while it decodes.
from PIL import (
    Image,
    ImageCms,
    ImageFile,
    ImageOps,  # noqa: F401
    ImagePalette,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
)

from engine.contract.images.decode_result import MAX_SIDE

_ORIENTATION: Final = 0x0112
_TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns an image of this EXIF orientation upright (EXIF 2.32, tag 274)."""
_PROFILE_MODES: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Pillow's mode for each colour space of an ICC profile."""
_OPAQUE: Final = 255
_SRGB: Final = ImageCms.createProfile("sRGB")


def to_rgb_and_alpha(file: ImageFile.ImageFile) -> tuple[Image.Image, Image.Image | None]:
    """Decode the first frame of an opened file, on white, and its transparency, 0 for transparent
    pixels; None if all are opaque. At most MAX_SIDE pixels a side."""
    file.load()
    orientation = _orientation(file)
    _scale_transparent_colour(file)
    profile = file.info.get("icc_profile")
    image = _to_8_bit(file)
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    if orientation in _TRANSPOSITIONS:
        image = image.transpose(_TRANSPOSITIONS[orientation])
    image = _to_srgb(image, profile)
    return _on_white(image), _alpha(image)


def _orientation(image: Image.Image) -> object:
    """The EXIF orientation; None if there is none or the metadata are damaged."""
    try:
        return image.getexif().get(_ORIENTATION)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 # Pillow raises nearly anything for malformed metadata
        return None


def _scale_transparent_colour(image: Image.Image) -> None:
    """Scale the transparent colour of a PNG to 8 bits, like the channels.

    A palette index stays as it is.
    """
    colour, depth = image.info.get("transparency"), image.info.get("depth", 8)
    if depth == 16 and isinstance(colour, tuple):
        image.info["transparency"] = tuple(level >> 8 for level in colour)
    elif depth == 16 and isinstance(colour, int):
        image.info["transparency"] = colour >> 8
    elif depth in (2, 4) and image.mode == "L" and isinstance(colour, int):
        image.info["transparency"] = colour * 255 // (2**depth - 1)


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Convert to RGB, L or CMYK, or to RGBA if the image has transparency."""
    if image.mode.startswith("I"):  # 16 bits a pixel; convert() would clip, not scale
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def _to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Convert from the profile's colours to sRGB in RGB or RGBA.

    Without a profile, or if it is damaged or for another colour space, colours are taken as sRGB.
    """
    if not isinstance(profile, bytes) or not profile:
        return _without_profile(image)
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = _PROFILE_MODES.get(source.profile.xcolor_space.strip())
        pixels = image.convert("RGB") if image.mode == "RGBA" else image
        if pixels.mode != mode:
            return _without_profile(image)
        converted = ImageCms.profileToProfile(
            pixels,
            source,
            _SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 # a damaged profile; the pixels are fine
        return _without_profile(image)
    if converted is None:
        return _without_profile(image)
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


def _without_profile(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGBA" else image.convert("RGB")


def _alpha(image: Image.Image) -> Image.Image | None:
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    return None if alpha is None or alpha.getextrema() == (_OPAQUE, _OPAQUE) else alpha


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    background = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(background, image).convert("RGB")
