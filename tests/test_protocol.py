"""The bytes of commands and events on the wire, and of values that are stored as JSON."""

from typing import get_args

import msgspec
import pytest

from engine.contract import (
    PROTOCOL_VERSION,
    Adapter,
    ArtifactDone,
    ArtifactFailure,
    ArtifactRole,
    Backlog,
    BatchSizes,
    Cancel,
    Cancelled,
    Capture,
    Change,
    Command,
    Completed,
    Control,
    Description,
    Detail,
    Edit,
    Embedding,
    Event,
    Expansion,
    Failed,
    Heartbeat,
    Hello,
    ImageDone,
    Img2Img,
    Inpaint,
    Input,
    Interrupted,
    ModelCard,
    ModelsChanged,
    Omission,
    Outpaint,
    Paint,
    PaintedImage,
    Queued,
    Ready,
    Recipe,
    Reference,
    ReferenceRole,
    Rejected,
    ReplicaStatus,
    Sampler,
    Stepped,
    Subseed,
    TextModelCard,
    TextModelCards,
    TextWork,
    Upscale,
    UpscalerCard,
    Verdict,
)

RECIPE = Recipe(
    model="starter",
    revision="r1",
    prompt="a red house",
    negative="fog",
    seed=7,
    subseeds=(Subseed(8, 0.25), Subseed(9, 0.5)),
    steps=20,
    guidance=5.0,
    sampler=Sampler.EULER_A,
    width=128,
    height=64,
    changes=(Change(step=2, prompt="a cat", negative="", guidance=1.5, sampler=Sampler.DDIM),),
    source=Img2Img("ab", 0.5),
    references=(Reference(image="cd", role=ReferenceRole.STYLE, scale=0.5),),
    controls=(Control(kind="canny", revision="r3", image="ef", scale=1.0),),
    adapters=(Adapter(name="a/b", revision="r2", scale=0.75),),
    row_class=8,
)
VERDICT = Verdict(checker="model", score=0.5, flagged=True)
CARD = ModelCard(
    name="starter",
    revision="r1",
    native_size=128,
    max_pixels=65536,
    steps=25,
    guidance=5.0,
    sampler=Sampler.PNDM,
    max_steps={Sampler.LCM: 50},
    max_concurrent_batches=3,
    batch_sizes=(BatchSizes(pixels=65536, default=(2, 8), under_load=(2, 8, 16)),),
    fingerprint="cpu",
)
PICTURE = PaintedImage(
    png=b"PNG",
    sha256="cd",
    verdicts=(VERDICT,),
    row_class=8,
    fingerprint="cpu",
    omission=Omission(prompt=2),
)
HEARTBEAT = Heartbeat(
    ticks=1,
    seconds=0.5,
    rows_total=8,
    rows_used=6,
    painting=2,
    waiting=1,
    memory=10,
    peak_memory=20,
    resident=("starter",),
)
REPLICA = ReplicaStatus(
    name="r", node="n", pid=7, fingerprint="cpu", is_draining=True, heartbeat=HEARTBEAT
)
MESSAGES: list[Command | Event] = [
    Hello("secret"),
    Input(sha256="ab", data=b"PNG"),
    Paint(
        job="j",
        attempt=2,
        recipes=(RECIPE,),
        inputs=("ab",),
        capture=Capture(previews=False, film=True, film_bytes=65, strip=9),
        adaptive=True,
        include_flagged=True,
        owner="o",
        prior_seconds=1.5,
        is_alone=True,
        fingerprint="cpu",
    ),
    Cancel(job="j", attempt=2),
    Backlog(jobs=3, seconds=1.5, oldest=0.5),
    Ready(
        (CARD,),
        (UpscalerCard(name="u", revision="r", scales=(2, 4)),),
        can_film=False,
        replicas=1,
        text_models=TextModelCards(captioner=TextModelCard(name="c", licence="mit", limits="few")),
    ),
    ModelsChanged((CARD,)),
    Rejected("why"),
    Queued(job="j", attempt=2, jobs_ahead=3),
    Stepped(job="j", attempt=2, step=1, steps=20, done=3, preview=b"JPG"),
    msgspec.structs.replace(HEARTBEAT, replicas=(REPLICA,)),
    Interrupted(job="j", attempt=2, crashed=True),
    ImageDone(job="j", attempt=2, index=1, image=PICTURE),
    ArtifactDone(
        job="j",
        attempt=2,
        index=1,
        role=ArtifactRole.FILM,
        media_type="video/mp4",
        data=b"MP4",
        flagged=True,
    ),
    Completed(
        job="j",
        attempt=2,
        seconds=1.5,
        engine_seconds=0.75,
        artifact_failures=(ArtifactFailure(index=1, role=ArtifactRole.FILM, reason="why"),),
        texts=("a cat",),
    ),
    Failed(job="j", attempt=2, reason="why", init_image_flagged=True, engine_seconds=0.75),
    Cancelled(job="j", attempt=2, engine_seconds=0.75),
]
FRAMES: dict[type, bytes] = {
    Hello: b"\x83\xa4type\xa5Hello\xa5token\xa6secret\xa7version\r",
    Input: b"\x83\xa4type\xa5Input\xa6sha256\xa2ab\xa4data\xc4\x03PNG",
    Paint: (
        b"\x8d\xa4type\xa5Paint\xa3job\xa1j\xa7attempt\x02\xa7recipes\x91\xde\x00\x12\xa4typ"
        b"e\xa6Recipe\xa5model\xa7starter\xa8revision\xa2r1\xa6prompt\xaba red house\xa8nega"
        b"tive\xa3fog\xa4seed\x07\xa8subseeds\x92\x92\x08\xcb?\xd0\x00\x00\x00\x00\x00\x00"
        b"\x92\t\xcb?\xe0\x00\x00\x00\x00\x00\x00\xa5steps\x14\xa8guidance\xcb@\x14\x00\x00"
        b"\x00\x00\x00\x00\xa7sampler\xa7euler_a\xa5width\xcc\x80\xa6height@\xa7changes\x91"
        b"\x85\xa4step\x02\xa6prompt\xa5a cat\xa8negative\xa0\xa8guidance\xcb?\xf8\x00\x00"
        b"\x00\x00\x00\x00\xa7sampler\xa4ddim\xa6source\x83\xa4type\xa7Img2Img\xa5image\xa2a"
        b"b\xa8strength\xcb?\xe0\x00\x00\x00\x00\x00\x00\xaareferences\x91\x83\xa5image\xa2c"
        b"d\xa4role\xa5style\xa5scale\xcb?\xe0\x00\x00\x00\x00\x00\x00\xa8controls\x91\x84"
        b"\xa4kind\xa5canny\xa8revision\xa2r3\xa5image\xa2ef\xa5scale\xcb?\xf0\x00\x00\x00"
        b"\x00\x00\x00\xa8adapters\x91\x83\xa4name\xa3a/b\xa8revision\xa2r2\xa5scale\xcb?"
        b"\xe8\x00\x00\x00\x00\x00\x00\xa9row_class\x08\xa6inputs\x91\xa2ab\xa7capture\x84"
        b"\xa8previews\xc2\xa4film\xc3\xaafilm_bytesA\xa5strip\t\xa8adaptive\xc3\xafinclude_"
        b"flagged\xc3\xa5owner\xa1o\xadprior_seconds\xcb?\xf8\x00\x00\x00\x00\x00\x00"
        b"\xa8is_alone\xc3\xabfingerprint\xa3cpu\xa4text\xc0"
    ),
    Cancel: b"\x83\xa4type\xa6Cancel\xa3job\xa1j\xa7attempt\x02",
    Backlog: (
        b"\x84\xa4type\xa7Backlog\xa4jobs\x03\xa7seconds\xcb?\xf8\x00\x00\x00\x00\x00\x00"
        b"\xa6oldest\xcb?\xe0\x00\x00\x00\x00\x00\x00"
    ),
    Interrupted: (b"\x84\xa4type\xabInterrupted\xa3job\xa1j\xa7attempt\x02\xa7crashed\xc3"),
    Ready: (
        b"\x86\xa4type\xa5Ready\xa6models\x91\xde\x00\x0b\xa4name\xa7starter\xa8revision\xa2r1\xabna"
        b"tive_size\xcc\x80\xaamax_pixels\xce\x00\x01\x00\x00\xa5steps\x19\xa8guidance\xcb@"
        b"\x14\x00\x00\x00\x00\x00\x00\xa7sampler\xa4pndm\xa9max_steps\x81\xa3lcm2\xb6max_co"
        b"ncurrent_batches\x03\xabbatch_sizes\x91\x83\xa6pixels\xce\x00\x01\x00\x00\xa7defau"
        b"lt\x92\x02\x08\xaaunder_load\x93\x02\x08\x10\xabfingerprint\xa3cpu\xa9upscalers"
        b"\x91\x83\xa4name\xa1u\xa8revision\xa1r\xa6scales\x92\x02\x04\xa8can_film\xc2"
        b"\xa8replicas\x01\xabtext_models\x81\xa9captioner\x83\xa4name\xa1c\xa7licence\xa3mit"
        b"\xa6limits\xa3few"
    ),
    ModelsChanged: (
        b"\x82\xa4type\xadModelsChanged\xa6models\x91\xde\x00\x0b\xa4name\xa7starter\xa8revision\xa2r1"
        b"\xabnative_size\xcc\x80\xaamax_pixels\xce\x00\x01\x00\x00\xa5steps\x19\xa8guidance\xcb@"
        b"\x14\x00\x00\x00\x00\x00\x00\xa7sampler\xa4pndm\xa9max_steps\x81\xa3lcm2\xb6max_co"
        b"ncurrent_batches\x03\xabbatch_sizes\x91\x83\xa6pixels\xce\x00\x01\x00\x00\xa7defau"
        b"lt\x92\x02\x08\xaaunder_load\x93\x02\x08\x10\xabfingerprint\xa3cpu"
    ),
    Rejected: b"\x82\xa4type\xa8Rejected\xa6reason\xa3why",
    Queued: b"\x84\xa4type\xa6Queued\xa3job\xa1j\xa7attempt\x02\xaajobs_ahead\x03",
    Stepped: (
        b"\x87\xa4type\xa7Stepped\xa3job\xa1j\xa7attempt\x02\xa4step\x01\xa5steps\x14\xa4don"
        b"e\x03\xa7preview\xc4\x03JPG"
    ),
    Heartbeat: (
        b"\x8b\xa4type\xa9Heartbeat\xa5ticks\x01\xa7seconds\xcb?\xe0\x00\x00\x00\x00\x00\x00"
        b"\xaarows_total\x08\xa9rows_used\x06\xa8painting\x02\xa7waiting\x01\xa6memory\n\xab"
        b"peak_memory\x14\xa8resident\x91\xa7starter\xa8replicas\x91\x86"
        b"\xa4name\xa1r\xa4node\xa1n\xa3pid\x07\xabfingerprint\xa3cpu\xabis_draining\xc3"
        b"\xa9heartbeat\x8b\xa4type\xa9Heartbeat\xa5ticks\x01\xa7seconds\xcb?\xe0\x00\x00\x00\x00\x00\x00"
        b"\xaarows_total\x08\xa9rows_used\x06\xa8painting\x02\xa7waiting\x01\xa6memory\n\xab"
        b"peak_memory\x14\xa8resident\x91\xa7starter\xa8replicas\xc0"
    ),
    ImageDone: (
        b"\x85\xa4type\xa9ImageDone\xa3job\xa1j\xa7attempt\x02\xa5index\x01\xa5image\x88\xa3"
        b"png\xc4\x03PNG\xa6sha256\xa2cd\xa6failed\xc0\xa8verdicts\x91\x83\xa7checker\xa5mod"
        b"el\xa5score\xcb?\xe0\x00\x00\x00\x00\x00\x00\xa7flagged\xc3\xa9row_class\x08\xa7ba"
        b"ckend\xa5torch\xabfingerprint\xa3cpu\xa8omission\x82\xa6prompt\x02\xa8negative\x00"
    ),
    ArtifactDone: (
        b"\x88\xa4type\xacArtifactDone\xa3job\xa1j\xa7attempt\x02\xa5index\x01\xa4role\xa4fi"
        b"lm\xaamedia_type\xa9video/mp4\xa4data\xc4\x03MP4\xa7flagged\xc3"
    ),
    Completed: (
        b"\x87\xa4type\xa9Completed\xa3job\xa1j\xa7attempt\x02\xa7seconds\xcb?\xf8\x00\x00"
        b"\x00\x00\x00\x00\xaeengine_seconds\xcb?\xe8\x00\x00\x00\x00\x00\x00\xb1artifact_fai"
        b"lures\x91\x83\xa5index\x01\xa4role\xa4film\xa6reason\xa3why\xa5texts\x91\xa5a cat"
    ),
    Failed: (
        b"\x86\xa4type\xa6Failed\xa3job\xa1j\xa7attempt\x02\xa6reason\xa3why\xb2init_image_f"
        b"lagged\xc3\xaeengine_seconds\xcb?\xe8\x00\x00\x00\x00\x00\x00"
    ),
    Cancelled: (
        b"\x84\xa4type\xa9Cancelled\xa3job\xa1j\xa7attempt\x02\xaeengine_seconds\xcb?\xe8"
        b"\x00\x00\x00\x00\x00\x00"
    ),
}
"""MessagePack of the messages above: both processes of any version must agree on it."""
RECIPE_JSON = (
    b'{"type":"Recipe","model":"starter","revision":"r1","prompt":"a red house","negative":"'
    b'fog","seed":7,"subseeds":[[8,0.25],[9,0.5]],"steps":20,"guidance":5.0,"sampler":"euler'
    b'_a","width":128,"height":64,"changes":[{"step":2,"prompt":"a cat","negative":"","guida'
    b'nce":1.5,"sampler":"ddim"}],"source":{"type":"Img2Img","image":"ab","strength":0.5},"r'
    b'eferences":[{"image":"cd","role":"style","scale":0.5}],"controls":[{"kind":"canny","re'
    b'vision":"r3","image":"ef","scale":1.0}],"adapters":[{"name":"a/b","revision":"r2","sca'
    b'le":0.75}],"row_class":8}'
)
VERDICT_JSON = b'{"checker":"model","score":0.5,"flagged":true}'


def test_each_message_is_pinned() -> None:
    """This file has the bytes of every command and every event."""
    assert set(FRAMES) == {type(message) for message in MESSAGES}
    assert set(FRAMES) == set(get_args(Command)) | set(get_args(Event))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_has_these_bytes(message: Command | Event) -> None:
    """A message encodes to the bytes of the literal, and these decode to the message."""
    frame = FRAMES[type(message)]
    assert msgspec.msgpack.encode(message) == frame
    assert msgspec.msgpack.decode(frame, type=Command | Event) == message


@pytest.mark.parametrize(
    ("work", "frame"),
    [
        (
            Expansion(prompt="a cat", seed=7),
            b"\x83\xa4type\xa9expansion\xa6prompt\xa5a cat\xa4seed\x07",
        ),
        (Description("ab"), b"\x82\xa4type\xabdescription\xa5image\xa2ab"),
    ],
)
def test_work_of_texts_has_these_bytes(work: TextWork, frame: bytes) -> None:
    """In place of recipes."""
    assert msgspec.msgpack.encode(work) == frame
    paint = Paint(job="j", attempt=1, recipes=(), text=work)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(paint), type=Command) == paint


def test_a_job_has_recipes_or_a_text() -> None:
    """Both or neither is an error."""
    for recipes, text in (((), None), ((RECIPE,), Description("ab"))):
        with pytest.raises(ValueError, match="A job has"):
            Paint(job="j", attempt=1, recipes=recipes, text=text)


def test_stored_json_has_these_bytes() -> None:
    """Recipes and verdicts in the database are JSON with these keys, in this order."""
    assert msgspec.json.encode(RECIPE) == RECIPE_JSON
    assert msgspec.json.decode(RECIPE_JSON, type=Recipe) == RECIPE
    assert msgspec.json.encode(VERDICT) == VERDICT_JSON
    assert msgspec.json.decode(VERDICT_JSON, type=Verdict) == VERDICT


def test_a_new_field_of_a_picture_raises_the_version() -> None:
    """An engine that does not know the field would close the connection at the first job."""
    sources = (Img2Img, Inpaint, Outpaint, Edit)
    parts = (Subseed, Change, *sources, Reference, Control, Adapter, Embedding)
    counts = [len(struct.__struct_fields__) for struct in (Recipe, *parts, Upscale, Detail)]
    assert (PROTOCOL_VERSION, counts) == (13, [23, 2, 5, 3, 4, 7, 2, 5, 7, 3, 2, 5, 13])
