"""The images of a request, from their addresses to stored files and complete recipes."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from bot import settings
from bot.attachments.sandbox import decoder_sandbox
from bot.db.database import Database
from bot.domain.job import Job
from bot.domain.job_input import InputRole, PlanInput, pending_image, picture_url
from bot.engine_client.base import EngineClient
from bot.errors import BotError, Refused
from bot.services.input_files import InputFiles
from bot.services.inputs import InputService
from bot.storage import FileStorage
from engine.contract import Inpaint, Recipe, ReferenceRole, Work
from engine.contract.metadata import with_metadata
from tests.samples import encoded, job, recipe
from tests.steered_model import STEERED
from tests.stored_jobs import delivered_job

MASK_URL, PICTURE_URL, STYLE_URL = "https://a/mask", "https://a/picture", "https://a/style"


class Files:
    """Serves files, and counts how often each is fetched."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"https://a/{name}": data for name, data in files.items()}
        self.fetched: Counter[str] = Counter()

    async def fetch(self, url: str) -> bytes:
        """The file at this address."""
        self.fetched[url] += 1
        return self.files[url]

    def is_allowed(self, url: str) -> bool:
        """Whether there is such a file."""
        return url in self.files


class Models:
    """The part of an engine that is needed here."""

    models = (STEERED,)


def service(db: Database, folder: Path, files: Files) -> InputService:
    """The service with this database and data folder."""
    storage = FileStorage(folder)
    engine: EngineClient = Models()  # type: ignore[assignment] # nothing else is used
    return InputService(
        db.job_inputs,
        db.lineage,
        db.file_deletions,
        engine,
        storage,
        InputFiles(db.jobs, db.lineage, storage),
        files,
        decoder_sandbox(settings.sandbox_environment()),
    )


async def submitted(db: Database, *inputs: PlanInput, **changes: object) -> Job:
    """A stored job of one recipe of the model."""
    pending = recipe(model=STEERED.name, revision=STEERED.revision, **changes)
    accepted = job(recipes=(pending,))
    await db.jobs.add(accepted, inputs=inputs)
    return accepted


def source_of(works: tuple[Work, ...]) -> Inpaint:
    """The source of the only recipe."""
    [work] = works
    assert isinstance(work, Recipe) and isinstance(work.source, Inpaint)
    return work.source


def stored(folder: Path, digest: str) -> Image.Image:
    """The stored input image."""
    return Image.open(folder / "sources" / f"{digest}.png")


def erased(box: tuple[int, int, int, int] = (32, 0, 63, 63)) -> Image.Image:
    """A green picture with a transparent part."""
    image = Image.new("RGBA", (64, 64), "green")
    ImageDraw.Draw(image).rectangle(box, fill=(0, 0, 0, 0))
    return image


PICTURE = PlanInput(role=InputRole.PICTURE, url=PICTURE_URL)
ALPHA = PlanInput(role=InputRole.ALPHA, url=PICTURE_URL)
MASK = PlanInput(role=InputRole.MASK, url=MASK_URL)
BY_ALPHA = Inpaint(pending_image(InputRole.PICTURE), pending_image(InputRole.ALPHA), 1.0)
BY_MASK = Inpaint(pending_image(InputRole.PICTURE), pending_image(InputRole.MASK), 1.0)


async def test_a_picture_is_its_own_mask_by_its_transparency(db: Database, tmp_path: Path) -> None:
    """It is downloaded once. Transparent parts are white in the mask, and in the picture."""
    files = Files(picture=encoded(erased()))
    accepted = await submitted(db, PICTURE, ALPHA, source=BY_ALPHA)
    works, digests, _ = await service(db, tmp_path, files).resolve(accepted)
    source = source_of(works)
    assert digests == (source.image, source.mask)
    assert files.fetched == {PICTURE_URL: 1}
    mask, picture = stored(tmp_path, source.mask), stored(tmp_path, source.image)
    assert (mask.mode, [mask.getpixel((x, 5)) for x in (5, 50)]) == ("L", [0, 255])
    assert (picture.mode, picture.getpixel((50, 5))) == ("RGB", (255, 255, 255))


@pytest.mark.parametrize("is_transparent", [True, False])
async def test_a_mask_is_white_or_transparent(
    db: Database, tmp_path: Path, is_transparent: bool
) -> None:
    """Whichever the user has drawn, the stored mask is the same."""
    mask = Image.new("RGB", (64, 64), "black")
    ImageDraw.Draw(mask).rectangle((32, 0, 63, 63), fill="white")
    files = Files(
        picture=encoded(Image.new("RGB", (64, 64), "green")),
        mask=encoded(erased() if is_transparent else mask),
    )
    accepted = await submitted(db, PICTURE, MASK, source=BY_MASK)
    works, *_ = await service(db, tmp_path, files).resolve(accepted)
    white = stored(tmp_path, source_of(works).mask)
    assert [white.getpixel((x, 5)) for x in (5, 31, 32, 50)] == [0, 0, 255, 255]


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (Image.new("RGB", (64, 64), "black"), "The mask is empty"),
        (Image.new("RGB", (64, 64), "white"), "The mask covers the whole picture"),
        (erased((0, 0, 63, 63)), "The mask covers the whole picture"),
        (erased().resize((128, 64)), "The mask has 128x64 pixels and the picture 64x64"),
    ],
)
async def test_a_useless_mask_is_refused(
    db: Database, tmp_path: Path, mask: Image.Image, sentence: str
) -> None:
    """In one sentence; the job needs no file."""
    files = Files(picture=encoded(Image.new("RGB", (64, 64), "green")), mask=encoded(mask))
    accepted = await submitted(db, PICTURE, MASK, source=BY_MASK)
    with pytest.raises(Refused, match=sentence):
        await service(db, tmp_path, files).resolve(accepted)


async def test_a_picture_without_transparency_is_no_mask_of_its_own(
    db: Database, tmp_path: Path
) -> None:
    """Its white parts are parts of the picture."""
    files = Files(picture=encoded(Image.new("RGB", (64, 64), "green")))
    accepted = await submitted(db, PICTURE, ALPHA, source=BY_ALPHA)
    with pytest.raises(Refused, match="no transparent part"):
        await service(db, tmp_path, files).resolve(accepted)


async def test_the_sentence_names_the_bad_one_of_several(db: Database, tmp_path: Path) -> None:
    """The other ones are fine."""
    files = Files(picture=encoded(Image.new("RGB", (64, 64), "green")), style=b"hello")
    style = PlanInput(role=InputRole.STYLE, url=STYLE_URL)
    reference = STEERED.reference(pending_image(InputRole.STYLE), role=ReferenceRole.STYLE)
    accepted = await submitted(db, PICTURE, style, references=(reference,))
    with pytest.raises(Refused, match=r"The style picture is not an image .* It must be a PNG"):
        await service(db, tmp_path, files).resolve(accepted)


async def test_an_earlier_picture_is_an_input(db: Database, tmp_path: Path) -> None:
    """It is stored by its pixels, without the recipe that is in its file."""
    green = Image.new("RGB", (64, 64), "green")
    FileStorage(tmp_path).save_picture("j0", 1, with_metadata(encoded(green), [recipe()]))
    await delivered_job(db, "j0")
    earlier = PlanInput(role=InputRole.PICTURE, url=picture_url("j0-1"), keep_size=True)
    files = Files(mask=encoded(erased()))
    accepted = await submitted(db, earlier, MASK, source=BY_MASK)
    works, digests, _ = await service(db, tmp_path, files).resolve(accepted)
    assert files.fetched == {MASK_URL: 1}
    copy = stored(tmp_path, source_of(works).image)
    assert copy.tobytes() == green.tobytes() and copy.info == {}
    await db.jobs.mark_queued("j1", works, digests)
    assert await db.job_inputs.pending("j1") == []


async def test_an_earlier_picture_that_is_gone_is_refused(db: Database, tmp_path: Path) -> None:
    """Its user has deleted it since the request was planned, or its file is gone."""
    await delivered_job(db, "j0", user_id=2)
    earlier = PlanInput(role=InputRole.PICTURE, url=picture_url("j0-1"))
    accepted = await submitted(db, earlier, MASK, source=BY_MASK)
    inputs = service(db, tmp_path, Files(mask=encoded(erased())))
    with pytest.raises(BotError, match="The picture's file is gone"):
        await inputs.resolve(accepted)
    await db.erasure.erase_user(2, now=300.0)
    with pytest.raises(Refused, match="That picture no longer exists"):
        await inputs.resolve(accepted)
