"""Sample jobs, recipes and pictures for tests of the bot."""

from io import BytesIO
from typing import Any

from PIL import Image

from bot.db.usage import UsageRecord
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import Job, ResponseTarget
from bot.domain.kinds import imagine
from bot.domain.picture import Picture, picture_id
from engine.contract import (
    Adapter,
    Change,
    Control,
    Img2Img,
    Recipe,
    Reference,
    ReferenceRole,
    Sampler,
    Subseed,
    pixels_sha256,
)


def recipe(**changes: object) -> Recipe:
    """A plain recipe, with these fields changed."""
    values: dict[str, Any] = {
        "model": "flat",
        "revision": "0" * 40,
        "prompt": "a red house",
        "seed": 7,
        "steps": 4,
        "guidance": 5.0,
        "sampler": Sampler.EULER,
        "width": 64,
        "height": 64,
        "row_class": 8,
    }
    return Recipe(**values | changes)


def full_recipe() -> Recipe:
    """A recipe with each field set."""
    return recipe(
        seed=2**32 - 1,
        subseeds=(Subseed(5, 0.15), Subseed(6, 1.0)),
        source=Img2Img("a" * 64, 0.5),
        negative="rain",
        changes=(Change(step=1, prompt="a blue house", guidance=1.0),),
        references=(Reference(image="c" * 64, role=ReferenceRole.STYLE, scale=0.5),),
        controls=(Control(kind="canny", revision="r3", image="d" * 64, scale=1.0),),
        adapters=(Adapter(name="x", revision="1", scale=0.5),),
    )


def job(name: str = "j1", **changes: object) -> Job:
    """A job of four recipes, by user 1 in channel 10, with these fields changed."""
    values: dict[str, Any] = {
        "id": name,
        "idempotency_key": f"interaction:{name}",
        "kind": imagine.KIND,
        "user_id": 1,
        "target": ResponseTarget(channel_id=10),
        "recipes": tuple(recipe(seed=seed) for seed in range(7, 11)),
        "created_at": 100.0,
    }
    return Job(**values | changes)


def picture(of: str = "j1", nth: int = 1, **changes: object) -> Picture:
    """A finished picture of a job, with these fields changed."""
    values: dict[str, Any] = {
        "id": picture_id(of, nth),
        "job_id": of,
        "nth": nth,
        "recipe": recipe(seed=6 + nth),
        "sha256": "a" * 64,
        "path": f"pictures/{of}/{nth}.png",
        "is_withheld": False,
        "fingerprint": "flat colours",
    }
    return Picture(**values | changes)


def full_size(of: str = "j1", **changes: object) -> Delivery:
    """The delivery of a job's second picture as the response to interaction 5."""
    values: dict[str, Any] = {
        "kind": DeliveryKind.PICTURE,
        "job_id": of,
        "nth": 2,
        "request": "5",
        "target": ResponseTarget(channel_id=10, application_id=3, token="a secret"),  # noqa: S106
        "created_at": 1000.0,
    }
    return Delivery(**values | changes)


def direct_message(of: str = "j1", **changes: object) -> Delivery:
    """The delivery of a job's pictures in channel 50, the direct messages of user 2."""
    values: dict[str, Any] = {
        "kind": DeliveryKind.DIRECT,
        "job_id": of,
        "request": f"reaction:{of}",
        "recipient_id": 2,
        "target": ResponseTarget(channel_id=50),
        "created_at": 1000.0,
    }
    return Delivery(**values | changes)


def usage_record(of: str = "j1", **changes: object) -> UsageRecord:
    """A usage record of user 1, with these fields changed."""
    values: dict[str, Any] = {
        "job_id": of,
        "attempt": 1,
        "user_id": 1,
        "seconds": 3.0,
        "created_at": 160.0,
        "revision": "r",
        "pixels": 4096,
        "work": 100.0,
    }
    return UsageRecord(**values | changes)


def encoded(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    """The picture as an image file."""
    buffer = BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def pixels_digest(png: bytes) -> str:
    """The digest of the pixels of an image file."""
    with Image.open(BytesIO(png)) as image:
        return pixels_sha256(image)
