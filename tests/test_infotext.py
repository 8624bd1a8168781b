"""The text of AUTOMATIC1111's web UI: writing it and reading it."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import (
    Change,
    Img2Img,
    PictureOptions,
    Sampler,
    Subseed,
    make_recipes,
)
from engine.contract.extra_networks import not_applied
from engine.contract.infotext import (
    Infotext,
    describe_change,
    public_model_name,
    read_infotext,
    write_infotext,
)
from engine.contract.infotext_loras import NamedAdapter
from engine.contract.prompt_schedule import PromptSchedule, parse
from engine.contract.prompt_weights import words_of
from engine.contract.samplers import FLOW_SAMPLERS
from tests.fake_engine import MODEL
from tests.samples import recipe

WEB_UI = """a lighthouse on a cliff, (night:1.2)
by the sea, <lora:detail:0.8>
Negative prompt: blurry, low quality
text
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 2788213341, \
Size: 512x768, Model hash: 6ce0161689, Model: "dreamshaper, 8", Variation seed: 5, \
Variation seed strength: 0.1, Clip skip: 2, Lora hashes: "detail: 0123456789ab", Version: v1.9.4"""
"""As the web UI writes it."""


def understood(text: str) -> Infotext:
    """What a text says."""
    infotext = read_infotext(text)
    assert infotext is not None
    return infotext


def test_a_recipe_is_written_as_the_web_ui_does() -> None:
    """Prompt, negative prompt and settings have a line each."""
    text = write_infotext(
        recipe(negative="rain", sampler=Sampler.DPMPP_2M_KARRAS, subseeds=(Subseed(3, 0.15),))
    )
    assert text == (
        "a red house\n"
        "Negative prompt: rain\n"
        "Steps: 4, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5, Seed: 7, Size: 64x64, "
        "Model hash: 0000000000, Model: flat, Variation seed: 3, Variation seed strength: 0.15"
    )


def test_other_programs_can_parse_what_is_written() -> None:
    """The expression is that of the web UI's parser."""
    setting = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
    changes = (Change(step=2, prompt='a "dog", sitting', guidance=3.0),)
    line = write_infotext(recipe(changes=changes, model="a,b")).splitlines()[-1]
    settings = dict(setting.findall(line))
    assert settings["Size"] == "64x64"
    assert settings["Model"] == '"a,b"'
    assert settings["Changes"] == '"from step 2: guidance 3 (exactly: imagine-recipes)"'


def test_a_schedule_is_written_as_the_web_ui_has_it() -> None:
    """In the prompt and in the negative prompt; nothing else is said about it."""
    changes = (Change(step=2, prompt="a dog"), Change(step=3, negative="rain"))
    text = write_infotext(recipe(prompt="a cat", changes=changes))
    assert text.startswith("a [cat:dog:2]\nNegative prompt: [:rain:3]\nSteps: 4, ")
    assert "Changes" not in text


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("strength", [None, 0.5])
def test_a_schedule_is_read_as_it_was_written(raw: bool, strength: float | None) -> None:
    """The same options give the same recipe."""
    options = PictureOptions(
        prompt="a [cat|dog] on [grass:snow:0.5]",
        negative="[rain::0.3] fog",
        raw=raw,
        count=1,
        steps=8,
        strength=strength,
    )
    source = None if strength is None else "a" * 64
    [painted] = make_recipes(options, MODEL, size=(64, 64), seed=7, source=source)
    infotext = understood(write_infotext(painted))
    again = msgspec.structs.replace(
        options, prompt=infotext.prompt, negative=infotext.negative, raw=False
    )
    [read] = make_recipes(again, MODEL, size=(64, 64), seed=7, source=source)
    if raw:  # the text has its brackets as words
        assert (words_of(read.prompt), words_of(read.negative)) == (
            painted.prompt,
            painted.negative,
        )
        assert not read.changes
    else:
        assert read == painted


def test_a_schedule_that_cannot_be_written_is_described() -> None:
    """Beside the first prompt, with the place where all of it is."""
    changes = (Change(step=2, prompt="at 10:30"), Change(step=3, negative="rain"))
    text = write_infotext(recipe(changes=changes))
    assert text.startswith("a red house\nNegative prompt: [:rain:3]\n")
    assert 'Changes: "from step 2: prompt at 10:30 (exactly: imagine-recipes)"' in text


def test_only_line_feeds_end_a_line() -> None:
    """As in the web UI; prompts may have other line separators."""
    prompt = "a house\u2028by the sea\x85at night"
    read = understood(write_infotext(recipe(prompt=prompt, negative="a\u2029b")))
    assert (read.prompt, read.negative, read.seed) == (prompt, "a\u2029b", 7)
    assert understood("a boat\r\nSteps: 8, Seed: 12, Size: 64x72\r\n").size == (64, 72)


def test_the_text_of_the_web_ui_is_read() -> None:
    """Prompts have several lines, and values may be quoted; what is not used is said."""
    assert understood(WEB_UI) == Infotext(
        prompt="a lighthouse on a cliff, (night:1.2)\nby the sea",
        negative="blurry, low quality\ntext",
        steps=28,
        guidance=7.5,
        sampler=Sampler.DPMPP_2M_KARRAS,
        seed=2788213341,
        subseed=5,
        subseed_strength=0.1,
        size=(512, 768),
        clip_skip=2,
        model="dreamshaper, 8",
        model_hash="6ce0161689",
        adapters=(NamedAdapter("detail", 0.8, "0123456789ab"),),
    )


def test_quoted_values_are_texts() -> None:
    """Half of a pair of surrogates, which no message can have, is replaced."""
    settings = r'Steps: 5, Model: "a\ud800, b", Sampler: "\udc00", Seed: 1'
    text = understood(f"a fox\n{settings}")
    assert text.model == "a?, b"
    assert text.notes == ("Sampler ? is not possible here; the usual value is used.",)


@pytest.mark.parametrize("sampler", Sampler)
def test_every_sampler_is_read_as_it_was_written(sampler: Sampler) -> None:
    """By the web UI's name and schedule type."""
    infotext = understood(write_infotext(recipe(sampler=sampler)))
    assert (infotext.sampler, infotext.notes) == (sampler, ())


prompts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(
    prompts.filter(lambda text: not text.startswith("Negative prompt:")),
    prompts,
    st.integers(1, 150),
    st.integers(0, 2**32 - 1),
)
def test_any_recipe_is_read_as_it_was_written(
    prompt: str, negative: str, steps: int, seed: int
) -> None:
    """Prompts without spaces at their ends come back whole."""
    prompt, negative = prompt[:1000].strip(","), negative[:1000].strip(",")
    text = write_infotext(recipe(prompt=prompt or "x", negative=negative, steps=steps, seed=seed))
    infotext = understood(text)
    for written, words in ((infotext.prompt, prompt or "x"), (infotext.negative, negative)):
        assert parse(written, 150) == PromptSchedule(written)
        assert words_of(written) == words
    assert (infotext.steps, infotext.seed, infotext.size) == (steps, seed, (64, 64))


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    """The result is a prompt, or nothing."""
    infotext = read_infotext(text)
    assert infotext is None or 1 <= len(infotext.prompt) <= 1000


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("Euler a", Sampler.EULER_A),
        ("DPM++ 2M Karras", Sampler.DPMPP_2M_KARRAS),
        ("DPM++ 2M", Sampler.DPMPP_2M),
        ("PLMS", Sampler.PNDM),
        ("euler_a", Sampler.EULER_A),
        ("euler_ancestral", Sampler.EULER_A),
        ("dpmpp_2m_karras", Sampler.DPMPP_2M_KARRAS),
        ("dpmpp_2m_karras, Schedule type: Karras", Sampler.DPMPP_2M_KARRAS),
        ("dpmpp_2m_sde_gpu", Sampler.DPMPP_2M_SDE),
        ("dpm_2_ancestral_normal", Sampler.DPM2_A),
        ("uni_pc_bh2_simple", Sampler.UNIPC),
        ("euler_simple", Sampler.FLOW_EULER),
        ("heun simple", Sampler.FLOW_HEUN),
        ("flow_euler", Sampler.FLOW_EULER),
    ],
)
def test_names_of_one_part_are_read(name: str, sampler: Sampler) -> None:
    """The schedule was a part of the sampler's name before version 1.9, and is with ComfyUI."""
    infotext = understood(f"a\nSteps: 20, Sampler: {name}, Seed: 1")
    assert (infotext.sampler, infotext.notes) == (sampler, ())


def test_samplers_for_flow_matching_are_written_as_other_programs_have_them() -> None:
    """By the method, with the schedule of such models."""
    text = write_infotext(recipe(sampler=Sampler.FLOW_EULER))
    assert "Sampler: Euler, Schedule type: Simple, " in text
    assert understood(text).has_flow_schedule
    assert not understood(write_infotext(recipe(sampler=Sampler.EULER))).has_flow_schedule


@pytest.mark.parametrize("sampler", FLOW_SAMPLERS)
def test_the_schedule_of_a_model_with_flow_matching_is_simple(sampler: Sampler) -> None:
    """With all of its samplers, of which other models have some with another one."""
    text = write_infotext(recipe(sampler=sampler), is_flow=True)
    assert "Schedule type: Simple, " in text
    infotext = understood(text)
    assert infotext.has_flow_schedule
    if sampler not in (Sampler.FLOW_EULER, Sampler.FLOW_HEUN):
        assert infotext.sampler is sampler
        assert "Simple" not in write_infotext(recipe(sampler=sampler))


@pytest.mark.parametrize(
    ("written", "digest"),
    [("6CE0161689", "6ce0161689"), ("ab" * 32, "ab" * 32), ("7460a6fa", None), ("none", None)],
)
def test_a_hash_of_a_model_is_that_of_its_file(written: str, digest: str | None) -> None:
    """The web UI's older one, of 8 digits, is of a part of the file."""
    assert understood(f"a house\nSteps: 5, Model hash: {written}, Seed: 1").model_hash == digest


def test_extra_networks_are_named() -> None:
    """LoRAs of the prompts with their scales and digests, and those that only the hashes name."""
    settings = 'Steps: 5, Seed: 1, Lora hashes: "ink: 0123456789ab, detail: ab, a:b: 12"'
    infotext = understood(
        f"a house <lora:detail:0.8>\nNegative prompt: rain<lyco:fog><hypernet:x:1>\n{settings}"
    )
    assert (infotext.prompt, infotext.negative) == ("a house", "rain")
    assert infotext.adapters == (NamedAdapter("detail", 0.8), NamedAdapter("fog", 1.0))
    assert infotext.other_networks == ("x", "ink", "a:b")
    assert infotext.notes == ()
    note = not_applied(tuple(f"{nth}{'x' * 99}" for nth in range(50)))
    assert note.endswith(", ….")
    assert len(note) < 500


def test_hashes_may_be_an_object() -> None:
    """As savers for ComfyUI and Civitai's extension write them, with commas and quotes."""
    hashes = (
        '{"model": "6CE0161689", "vae": "235745af8d", "lora:ink": "0123456789", '
        '"embed:bad": "ABCDEF0123", "embed:odd": "x"}'
    )
    listed = '"old: 1234567890, bad: abcdef0123"'
    text = f"a house\nSteps: 5, Seed: 1, Hashes: {hashes}, TI hashes: {listed}"
    infotext = understood(text)
    assert (infotext.seed, infotext.model_hash) == (1, "6ce0161689")
    assert infotext.embeddings == (("old", "1234567890"), ("bad", "abcdef0123"))
    assert infotext.other_networks == ("ink",)
    own = understood(f"a house\nSteps: 5, Model hash: aaaaaaaaaa, Seed: 1, Hashes: {hashes}")
    assert own.model_hash == "aaaaaaaaaa"
    for broken in ('{"model": 5}', "{" * 5000, '{"a": ' * 3000, '{"model"}', "{}"):
        damaged = understood(f"a house\nSteps: 5, Seed: 1, Hashes: {broken}")
        assert (damaged.seed, damaged.model_hash) == (1, None)


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ("Sampler: Restart", "Sampler Restart is not possible here"),
        ("Sampler: Euler a Karras", "The schedule karras is not offered with euler_a"),
        ("Sampler: Euler, Schedule type: Beta", "The schedule beta is not offered with euler"),
        ("Steps: 99999999999999999999999", "Steps 99999999999999999999999 is not possible here"),
        ("Steps: 0", "Steps 0 is not possible"),
        ("Seed: -5", "Seed -5 is not possible"),
        ("CFG scale: 1e999", "CFG scale 1e999 is not possible"),
        ("CFG scale: nan", "CFG scale nan is not possible"),
        ("Size: 100000x100000", "Size 100000x100000 is not possible"),
        ("Size: 510x512", "Size 510x512 is not possible"),
        ("Denoising strength: 0.5", "painted over another picture"),
    ],
)
def test_what_is_impossible_is_said(settings: str, note: str) -> None:
    """The value is left out, and the others are used."""
    infotext = understood(f"a house\nUser: x, {settings}, Version: 1, RNG: CPU")
    assert infotext.prompt == "a house"
    assert [text for text in infotext.notes if note in text]


def test_a_text_without_settings_is_a_prompt() -> None:
    """A prompt may have colons."""
    assert understood("a house: red, at night: dark") == Infotext(
        prompt="a house: red, at night: dark"
    )


@pytest.mark.parametrize("text", ["", "  \n ", "Steps: 20, Sampler: Euler, Seed: 1", "<lora:a:1>"])
def test_a_text_without_a_prompt_is_nothing(text: str) -> None:
    """There is nothing to paint."""
    assert read_infotext(text) is None


def test_long_prompts_are_shortened() -> None:
    """Their lengths are said, and a huge text is read in part."""
    infotext = understood("x" * 2000 + "\nNegative prompt: " + "y" * 1500)
    assert (len(infotext.prompt), len(infotext.negative)) == (1000, 1000)
    assert infotext.notes == (
        "The prompt has 2000 characters; the first 1000 are used.",
        "The negative prompt has 1500 characters; the first 1000 are used.",
    )


@pytest.mark.parametrize("text", ["z", " ", "a:", 'a:"', "a: ", 'a:"\\', "\n", ","])
def test_a_huge_text_is_read_in_part(text: str) -> None:
    """Whatever it consists of, it takes no long time."""
    infotext = understood("a house\n" + text * 10_000_000)
    assert infotext.prompt.startswith("a house")
    assert len(infotext.prompt) <= 1000


def test_a_picture_over_a_sketch_has_its_strength() -> None:
    """The digest of the sketch is not in the text."""
    text = write_infotext(recipe(source=Img2Img("b" * 64, 0.5)))
    assert text.endswith("Model: flat, Denoising strength: 0.5")
    assert understood(text).strength == 0.5


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("starter", "starter"),
        ("stabilityai/sd-turbo", "stabilityai/sd-turbo"),
        ("/srv/models/dream.safetensors", "dream.safetensors"),
        ("./models/dream/", "dream"),
        ("C:\\models\\dream.safetensors", "dream.safetensors"),
    ],
)
def test_the_folders_of_a_model_are_not_public(model: str, name: str) -> None:
    """Names of the hub stay whole."""
    assert public_model_name(model) == name


def test_a_change_is_described_in_one_line() -> None:
    """All its settings, in a fixed order."""
    change = Change(step=3, negative="", sampler=Sampler.DDIM, guidance=2.5)
    assert describe_change(change) == "from step 3: guidance 2.5, ddim, negative nothing"
