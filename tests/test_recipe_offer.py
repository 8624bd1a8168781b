"""What can be painted from the recipe inside of a file."""

import msgspec
import pytest

from bot.domain.limits import Limits
from bot.domain.plan import PlanContext
from bot.domain.recipe_offer import offer, plan_again
from bot.errors import Refused
from engine.contract import (
    Adapter,
    Backend,
    Change,
    Distilled,
    Embedding,
    Img2Img,
    ModelCard,
    PictureOptions,
    PromptFormat,
    Recipe,
    Sampler,
    Subseed,
    Upscale,
    make_recipes,
)
from engine.contract.infotext import read_infotext, write_infotext
from engine.contract.metadata import Metadata
from engine.contract.samplers import DIFFUSION_SAMPLERS, FLOW_SAMPLERS
from tests.fake_engine import MODEL
from tests.samples import recipe

CONTEXT = PlanContext(models=(MODEL,), seed=5)
PATH_MODEL = msgspec.structs.replace(MODEL, name="/srv/models/dream.safetensors")


DIFFUSION_MODEL = msgspec.structs.replace(
    MODEL, max_steps=dict.fromkeys(set(Sampler) - set(DIFFUSION_SAMPLERS), 0)
)
FLOW_MODEL = msgspec.structs.replace(
    MODEL,
    sampler=Sampler.FLOW_EULER,
    max_steps=dict.fromkeys(set(Sampler) - set(FLOW_SAMPLERS), 0),
)


def adapted(text: str, model: ModelCard = MODEL) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe that is offered for a text, and the notes."""
    context = msgspec.structs.replace(CONTEXT, models=(model,))
    result = offer(Metadata(infotext=read_infotext(text)), context)
    [painted] = result.plan.recipes
    return painted.recipe, result.notes


def test_a_recipe_of_ours_is_painted_as_it_is() -> None:
    """With all its parts and its row class."""
    forked = recipe(
        subseeds=(Subseed(3, 0.15), Subseed(4, 0.1)),
        changes=(Change(step=2, prompt="a dog"),),
        row_class=8,
    )
    result = offer(Metadata(recipes=(forked, recipe(seed=8))), CONTEXT)
    assert result.plan.recipes == (forked, recipe(seed=8))
    assert result.notes == ()


def test_the_recipe_is_preferred_to_the_text() -> None:
    """The text lacks some settings."""
    infotext = read_infotext("another house\nSteps: 9, Seed: 1, Size: 64x64")
    result = offer(Metadata(recipes=(recipe(),), infotext=infotext), CONTEXT)
    assert result.plan.recipes == (recipe(),)


def test_a_model_in_a_folder_is_found_by_its_public_name() -> None:
    """The recipe gets the whole name."""
    context = msgspec.structs.replace(CONTEXT, models=(MODEL, PATH_MODEL))
    [planned] = plan_again([recipe(model="dream.safetensors")], context).recipes
    assert planned.model == PATH_MODEL.name


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "dream"}, "painted with the model dream (000000000000), which is not offered"),
        ({"revision": "1" * 40}, "painted with the model flat (111111111111)"),
        ({"source": Img2Img("b" * 64, 0.5)}, "with a sketch, which is not in the file"),
        ({"sampler": Sampler.LCM, "steps": 60}, "steps"),
        ({"prompt": "\u200b"}, "The prompt is empty"),
        ({"width": 512, "height": 512}, "512 x 512 is too large for this model"),
        (
            {"adapters": (Adapter(name="../secret", revision="1", scale=1.0),)},
            "needs the LoRA ../secret, which is not here",
        ),
    ],
)
def test_what_is_missing_is_said(changes: dict[str, object], sentence: str) -> None:
    """There is nothing to paint."""
    with pytest.raises(Refused) as error:
        plan_again([recipe(**changes)], CONTEXT)
    assert sentence in str(error.value)


def test_of_an_enlargement_the_picture_is_painted() -> None:
    """The response says so."""
    work = Upscale(
        picture=recipe(), image="c" * 64, upscaler="esrgan", upscaler_revision="1", scale=4
    )
    result = offer(Metadata(recipes=(work,)), CONTEXT)
    assert result.plan.recipes == (recipe(),)
    assert "in its first size" in result.notes[0]


def test_a_recipe_that_the_model_cannot_paint_is_refused() -> None:
    """Before anything is queued."""
    with pytest.raises(Refused, match="clip skip"):
        offer(Metadata(recipes=(recipe(clip_skip=2),)), CONTEXT)


def test_a_stored_sketch_is_used() -> None:
    """It has the digest of the recipe."""
    sketched = recipe(source=Img2Img("b" * 64, 0.5))
    assert plan_again([sketched], CONTEXT, {"b" * 64}).recipes == (sketched,)


def test_too_many_pictures_are_refused() -> None:
    """As in any request."""
    context = msgspec.structs.replace(CONTEXT, limits=Limits(max_pictures=3))
    with pytest.raises(Refused, match="4 pictures; at most 3"):
        plan_again([recipe(seed=seed) for seed in range(4)], context)


def test_an_unknown_row_class_is_replaced() -> None:
    """It would change bits, but the engine does not offer it."""
    [planned] = plan_again([recipe(row_class=32)], CONTEXT).recipes
    assert planned == recipe(row_class=2)


def test_invisible_characters_are_removed() -> None:
    """Also from the prompts of changes."""
    hidden = recipe(prompt="a \u200bhouse", changes=(Change(step=1, prompt="a\u2060 dog"),))
    [planned] = plan_again([hidden], CONTEXT).recipes
    assert (planned.prompt, planned.recipe.changes[0].prompt) == ("a house", "a dog")


def test_a_text_of_another_program_is_adapted() -> None:
    """What it does not say is as usual."""
    painted, notes = adapted(
        "a house\nNegative prompt: rain\nSteps: 9, Sampler: Euler a, CFG scale: 3, Seed: 1, "
        "Size: 128x64, Variation seed: 4, Variation seed strength: 0.2, Model: flat"
    )
    assert painted == recipe(
        prompt="a house",
        negative="rain",
        prompt_format=PromptFormat.A1111,
        steps=9,
        sampler=Sampler.EULER_A,
        guidance=3.0,
        seed=1,
        width=128,
        subseeds=(Subseed(4, 0.2),),
        row_class=2,
    )
    assert notes == (
        "Another program painted it, so the same settings give a similar picture, not the same "
        "one.",
    )
    plain, _ = adapted("a house")
    assert (plain.seed, plain.steps, plain.size) == (5, 4, (64, 64))


@pytest.mark.parametrize(
    ("written", "expected", "note"),
    [
        ("Sampler: Euler, Schedule type: Simple", Sampler.FLOW_EULER, None),
        ("Sampler: Euler", Sampler.FLOW_EULER, None),
        ("Sampler: euler_simple", Sampler.FLOW_EULER, None),
        ("Sampler: Heun, Schedule type: Normal", Sampler.FLOW_HEUN, None),
        ("Sampler: DPM++ 2M, Schedule type: Simple", Sampler.DPMPP_2M, None),
        ("Sampler: DPM++ 2M SDE, Schedule type: Simple", Sampler.DPMPP_2M_SDE, None),
        ("Sampler: uni_pc", Sampler.UNIPC, None),
        (
            "Sampler: Euler, Schedule type: Beta",
            Sampler.FLOW_EULER,
            "The schedule beta is not offered with euler; its usual one is used.",
        ),
        (
            "Sampler: DPM++ 2M, Schedule type: Karras",
            Sampler.DPMPP_2M,
            "The model does not take dpmpp_2m_karras; dpmpp_2m is used.",
        ),
        (
            "Sampler: Euler a",
            Sampler.FLOW_EULER,
            "The model does not take euler_a; flow_euler is used.",
        ),
    ],
)
def test_a_model_with_flow_matching_has_samplers_of_its_own(
    written: str, expected: Sampler, note: str | None
) -> None:
    """Other programs call them as those of other models."""
    painted, notes = adapted(f"a house\nSteps: 9, {written}, Seed: 1", FLOW_MODEL)
    assert painted.sampler is expected
    assert list(notes[:-1]) == ([] if note is None else [note])


@pytest.mark.parametrize(
    ("written", "expected", "note"),
    [
        (
            "Sampler: Euler, Schedule type: Simple",
            Sampler.EULER,
            "The schedule simple is not offered with euler; its usual one is used.",
        ),
        (
            "Sampler: dpmpp_2m_simple",
            Sampler.DPMPP_2M,
            "The schedule simple is not offered with dpmpp_2m; its usual one is used.",
        ),
        (
            "Sampler: flow_heun",
            Sampler.HEUN,
            "The model does not take flow_heun; heun is used.",
        ),
        ("Sampler: DPM++ 2M, Schedule type: Automatic", Sampler.DPMPP_2M_KARRAS, None),
    ],
)
def test_samplers_for_flow_matching_are_replaced_for_other_models(
    written: str, expected: Sampler, note: str | None
) -> None:
    """By those of the same method."""
    painted, notes = adapted(f"a house\nSteps: 9, {written}, Seed: 1", DIFFUSION_MODEL)
    assert painted.sampler is expected
    assert list(notes[:-1]) == ([] if note is None else [note])


@pytest.mark.parametrize("model", [DIFFUSION_MODEL, FLOW_MODEL])
def test_the_samplers_of_a_model_are_read_as_they_were_written(model: ModelCard) -> None:
    """Those with flow matching have the names of other programs too."""
    for sampler in model.samplers:
        text = write_infotext(recipe(sampler=sampler), is_flow=model.is_flow)
        painted, notes = adapted(text, model)
        assert painted.sampler is sampler
        assert not any("sampler" in note or "does not take" in note for note in notes)


@pytest.mark.parametrize("backend", Backend)
def test_a_backend_that_the_engine_lacks_is_replaced(backend: Backend) -> None:
    """Others stay, because they paint the same pixels; new requests have the card's first one."""
    both = msgspec.structs.replace(MODEL, backends=tuple(Backend))
    for card, expected in ((both, backend), (MODEL, Backend.TORCH)):
        context = msgspec.structs.replace(CONTEXT, models=(card,))
        painted = plan_again((recipe(backend=backend),), context).recipes[0]
        assert isinstance(painted, Recipe) and painted.backend is expected
        [new] = make_recipes(PictureOptions(prompt="a", count=1), card, size=(64, 64), seed=1)
        assert new.backend is card.backend
    with pytest.raises(ValueError, match=r"run by openvino here\. Choose one of: torch\."):
        make_recipes(
            PictureOptions(prompt="a", backend=Backend.OPENVINO), MODEL, size=(64, 64), seed=1
        )


def test_what_is_not_offered_is_replaced_and_said() -> None:
    """Model, size and subseed without strength."""
    painted, notes = adapted(
        "a house\nSteps: 9, Size: 1024x512, Model: dreamshaper, Variation seed: 4, Seed: 1"
    )
    assert painted.model == "flat" and painted.subseeds == ()
    assert painted.width * painted.height <= MODEL.max_pixels and painted.width > painted.height
    assert "The model dreamshaper is not offered; flat is used." in notes
    assert "The model paints no 1024x512; its usual size is used." in notes


CHECKPOINT = msgspec.structs.replace(PATH_MODEL, revision=f"{'ab' * 32}-{'0' * 16}")


@pytest.mark.parametrize(
    ("settings", "name", "note"),
    [
        ("Model: dream, Model hash: ababababab", CHECKPOINT.name, None),
        ("Model: renamed, Model hash: ABABABABAB", CHECKPOINT.name, None),
        ("Model hash: ababababab", CHECKPOINT.name, None),
        ("Model: Dream", CHECKPOINT.name, None),
        ("Model: dream.safetensors, Model hash: 7460a6fa", CHECKPOINT.name, None),
        (
            "Model: dream, Model hash: 6ce0161689",
            CHECKPOINT.name,
            "The model dream here is another one than that of the picture.",
        ),
        ("Model: flat, Model hash: 6ce0161689", MODEL.name, None),
        (
            "Model: dreamshaper, Model hash: 6ce0161689",
            MODEL.name,
            "The model dreamshaper is not offered; flat is used.",
        ),
        (
            "Model hash: 6ce0161689",
            MODEL.name,
            "The model with the hash 6ce0161689 is not offered; flat is used.",
        ),
        ("Model: ", MODEL.name, None),
    ],
)
def test_a_model_is_found_by_its_hash_or_its_name(
    settings: str, name: str, note: str | None
) -> None:
    """Another checkpoint of the same name is said; a folder has no such hash."""
    context = PlanContext(models=(MODEL, CHECKPOINT), seed=1)
    infotext = read_infotext(f"a house\nSteps: 5, Sampler: Euler, Seed: 1, {settings}")
    result = offer(Metadata(infotext=infotext), context)
    [painted] = result.plan.recipes
    assert painted.recipe.model == name
    assert list(result.notes[:-1]) == ([] if note is None else [note])


def test_other_embeddings_are_said() -> None:
    """Those that are not here, and others of the same name; a digest may be cut off."""
    mine = (Embedding("Ink, old", "ab" * 32), Embedding("bad", "cd" * 32))
    context = PlanContext(models=(msgspec.structs.replace(MODEL, embeddings=mine),), seed=1)
    hashes = f"ink old: {'ab' * 6}, bad: {'12' * 6}, lost: {'34' * 6}, odd: xyz"
    settings = f'Steps: 5, Sampler: Euler, Seed: 1, TI hashes: "{hashes}"'
    result = offer(Metadata(infotext=read_infotext(f"ink, old, bad, lost\n{settings}")), context)
    assert [note for note in result.notes if "embedding" in note] == [
        "The embedding bad here is another one than that of the picture.",
        "The embedding lost is not offered; its name is read as words.",
    ]
    [painted] = result.plan.recipes
    assert painted.recipe.embeddings == mine


def test_a_distilled_model_paints_with_its_own_settings() -> None:
    """Other models need more steps and guidance than it takes; what it takes stays."""
    card = msgspec.structs.replace(
        MODEL, steps=4, guidance=1.0, distilled=Distilled("Turbo", 10, 3.0)
    )
    context = msgspec.structs.replace(CONTEXT, models=(card,))
    for settings, used, count in (
        ("Steps: 20, CFG scale: 7, Model: flat", (4, 1.0), 2),
        ("Steps: 10, CFG scale: 3, Model: flat", (10, 3.0), 0),
    ):
        infotext = read_infotext(f"a house\n{settings}")
        result = offer(Metadata(infotext=infotext), context)
        [painted] = result.plan.recipes
        assert (painted.recipe.steps, painted.recipe.guidance) == used
        replaced = [note for note in result.notes if "at most" in note]
        assert len(replaced) == count


def test_a_file_without_a_recipe_is_refused() -> None:
    """With a sentence that says which files have one."""
    with pytest.raises(Refused, match="There is no recipe in this file"):
        offer(Metadata(), CONTEXT)
