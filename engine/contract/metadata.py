"""The recipes inside of picture files, for other programs and for this one.

A file has the text of the first picture as AUTOMATIC1111's web UI writes it, and the recipes of
all its pictures as JSON. Both are a convenience: the database has the truth, and a file from
elsewhere may hold anything.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from engine.contract.images import exif_text
from engine.contract.images.png_text import (
    MAX_TEXT_BYTES,
    BadText,
    is_png,
    read_texts,
    with_texts,
)
from engine.contract.infotext import (
    RECIPES_KEYWORD,
    Infotext,
    public_model_name,
    read_infotext,
    write_infotext,
)
from engine.contract.recipe import Recipe
from engine.contract.work import Work

INFOTEXT_KEYWORD: Final = "parameters"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DECODER: Final = msgspec.json.Decoder(tuple[Work, ...])


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says about its pictures."""

    recipes: tuple[Work, ...] = ()
    """Of this program, in reading order; their models are named as `public_model_name` does."""
    infotext: Infotext | None = None


def with_metadata(png: bytes, recipes: Sequence[Work], *, is_flow: bool = False) -> bytes:
    """The PNG with the recipes of its pictures; as many of the first as fit into the limits.

    `is_flow` says that the model of the first one is one with flow matching.
    Raises BadText if the file is no PNG.
    """
    if not recipes:
        return png
    texts = {
        INFOTEXT_KEYWORD: write_infotext(recipes[0], is_flow=is_flow),
        RECIPES_KEYWORD: encode_recipes(recipes, MAX_TEXT_BYTES // 2),
    }
    return with_texts(png, texts)


def exif_of(recipes: Sequence[Work], *, is_flow: bool = False) -> bytes:
    """The same for JPEG and WebP files, as EXIF data; empty without recipes."""
    if not recipes:
        return b""
    comment = write_infotext(recipes[0], is_flow=is_flow)
    return exif_text.exif(comment, encode_recipes(recipes, exif_text.MAX_EXIF_BYTES // 2))


def encode_recipes(recipes: Sequence[Work], max_bytes: int) -> str:
    """A JSON array of the first recipes that fit, without the folders of their models."""
    items: list[bytes] = []
    size = 2
    for recipe in recipes:
        item = msgspec.json.encode(_public(recipe))
        size += len(item) + 1
        if size > max_bytes:
            break
        items.append(item)
    return f"[{b','.join(items).decode()}]"


def _public(work: Work) -> Work:
    """The recipe without the folder of its model."""
    if isinstance(work, Recipe):
        return msgspec.structs.replace(work, model=public_model_name(work.model))
    return msgspec.structs.replace(work, picture=_public(work.picture))


def decode_recipes(text: str | bytes) -> tuple[Work, ...]:
    """The recipes of a JSON array. Raises BadText for anything else, also for impossible ones."""
    try:
        recipes = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadText(f"The recipe inside of the file is not valid: {error}.") from error
    for image in (image for recipe in recipes for image in _all_images(recipe)):
        if not _SHA256.fullmatch(image):
            raise BadText("The recipe inside of the file is not valid: an image has no sha256.")
    return recipes


def _all_images(work: Work) -> tuple[str, ...]:
    """The digests of its input images, and of those of the pictures that it enlarges."""
    return work.images if isinstance(work, Recipe) else (*work.images, *_all_images(work.picture))


def has_flow_schedule(png: bytes) -> bool:
    """Whether the text inside of a file says that its model is one with flow matching."""
    try:
        text = read_texts(png, (INFOTEXT_KEYWORD,)).get(INFOTEXT_KEYWORD)
    except BadText:
        return False
    infotext = None if text is None else read_infotext(text)
    return infotext is not None and infotext.has_flow_schedule


def read_metadata(data: bytes) -> Metadata:
    """What a PNG, WebP or JPEG says about its pictures. Raises BadText, with a sentence for the
    user."""
    if is_png(data):
        texts = read_texts(data, (INFOTEXT_KEYWORD, RECIPES_KEYWORD))
        recipes, infotext = texts.get(RECIPES_KEYWORD), texts.get(INFOTEXT_KEYWORD)
    elif exif_text.is_jpeg_or_webp(data):
        infotext, recipes = exif_text.read_texts(data)
    else:
        raise BadText("This file is no PNG, WebP or JPEG picture.")
    return Metadata(
        recipes=() if recipes is None else decode_recipes(recipes),
        infotext=None if infotext is None else read_infotext(infotext),
    )
