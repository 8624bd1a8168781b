"""Prompts with weights, breaks and many chunks are painted as other programs paint them."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import torch
from PIL import Image

from engine.bench.backends import pipeline_of
from engine.contract import Change, Omission, PromptFormat, Recipe, Sampler
from engine.core.engine_core import EngineCore
from engine.models.prompt_chunks import MAX_CHUNKS
from engine.models.prompt_tokens import weighted
from tests import tiny_model
from tests.diffusers_pipeline import (
    assert_alike,
    diffusers_image,
    make_scheduler,
    unchecked_pipeline,
)
from tests.engine_parts import (
    job,
    load_engine_core,
    painted_images,
    recipe,
    rendered_images,
)

CHUNK: Final = tiny_model.TOKENS - 2
Section = Sequence[tuple[str, float]]
"""Texts with their weights, between two breaks."""
PLAIN: Final = [
    "a red house",
    "a",
    "Ein Haus, rot",
    "red\nhouse",
    "a: b, c.",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
]
CASES: Final[dict[str, Sequence[Section]]] = {
    "a (red:1.4) house": [[("a ", 1), ("red", 1.4), (" house", 1)]],
    "a [[red]] (house)": [[("a ", 1), ("red", 1 / 1.21), (" ", 1), ("house", 1.1)]],
    r"a \(red\) house": [[("a (red) house", 1)]],
    "red BREAK house": [[("red", 1)], [("house", 1)]],
    "(red BREAK a:1.3) house BREAK blue": [
        [("red", 1.3)],
        [("a", 1.3), (" house", 1)],
        [("blue", 1)],
    ],
    "a red house and a blue tree by a lake": [[("a red house and a blue tree by a lake", 1)]],
    "red, (green:1.2), blue, house, tree, sun, fog": [
        [("red, ", 1), ("green", 1.2), (", blue, house, tree, sun, fog", 1)]
    ],
}
NEGATIVES: Final[dict[str, Sequence[Section]]] = {
    "": [[]],
    "[blue]": [[("blue", 1 / 1.1)]],
    "a long list of what is not to be seen in it": [
        [("a long list of what is not to be seen in it", 1)]
    ],
}


@cache
def sd_core() -> EngineCore:
    """An engine core with a tiny Stable Diffusion."""
    with TemporaryDirectory() as folder:
        return with_biases(load_engine_core(str(tiny_model.save(Path(folder) / "tiny-sd"))))


@cache
def xl_core() -> EngineCore:
    """An engine core with a tiny SDXL."""
    with TemporaryDirectory() as folder:
        return with_biases(load_engine_core(str(tiny_model.save_xl(Path(folder) / "tiny-xl"))))


def with_biases(core: EngineCore) -> EngineCore:
    """The core, with text embeddings whose mean is not 0, as after a training."""
    pipeline = pipeline_of(core.model)
    for name in {"text_encoder", "text_encoder_2"} & set(pipeline.components):
        for parameter, values in pipeline.components[name].named_parameters():
            if parameter.endswith(("final_layer_norm.bias", "layers.0.mlp.fc2.bias")):
                values.fill_(0.3)
    return core


CORES: Final = {"sd": sd_core, "sdxl": xl_core}
core_of = pytest.mark.parametrize("core", CORES.values(), ids=CORES)


def weighted_recipe(core: EngineCore, prompt: str, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A quick recipe whose prompts have weights."""
    return recipe(core, prompt=prompt, prompt_format=PromptFormat.A1111, **changes)


class Reference:
    """The web UI's way, for one text encoder, from its description."""

    def __init__(self, tokenizer: Any, encoder: Any, layer: int | None) -> None:  # noqa: ANN401 - of transformers
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.layer = layer

    def chunks(self, sections: Sequence[Section]) -> list[list[tuple[int, float]]]:
        """Ids with their weights."""
        [comma] = self.tokenizer(",", add_special_tokens=False).input_ids
        chunks: list[list[tuple[int, float]]] = []
        for section in sections:
            chunks.append([])
            for text, weight in section:
                for token in self.tokenizer(text, add_special_tokens=False).input_ids:
                    if len(chunks[-1]) == CHUNK:
                        commas = [n for n, (id, _) in enumerate(chunks[-1]) if id == comma]
                        near = commas and CHUNK - commas[-1] <= 20 and token != comma
                        at = commas[-1] + 1 if near else CHUNK
                        chunks.append(chunks[-1][at:])
                        del chunks[-2][at:]
                    chunks[-1].append((token, weight))
        return chunks

    def embeds(self, sections: Sequence[Section], count: int) -> tuple[torch.Tensor, Any]:
        """The embeddings of so many chunks, and what the encoder returns for the first."""
        start, end, pad = (
            self.tokenizer.bos_token_id,
            self.tokenizer.eos_token_id,
            self.tokenizer.pad_token_id,
        )
        parts, outputs = [], []
        chunks = self.chunks(sections)
        for chunk in [*chunks, *[list[tuple[int, float]]()] * (count - len(chunks))]:
            padding = CHUNK - len(chunk)
            ids = [start, *(id for id, _ in chunk), end, *[pad] * padding]
            weights = torch.tensor([1.0, *(weight for _, weight in chunk), 1.0, *[1.0] * padding])
            with torch.no_grad():
                output = self.encoder(torch.tensor([ids]), output_hidden_states=True)
            before = output[0] if self.layer is None else output.hidden_states[self.layer]
            after = before * weights.reshape(1, -1, 1).expand(before.shape)
            parts.append(after * (before.mean() / after.mean()))
            outputs.append(output)
        return torch.cat(parts, dim=1), outputs[0]


def reference_embeds(
    core: EngineCore, prompt: Sequence[Section], negative: Sequence[Section]
) -> dict[str, torch.Tensor]:
    """The options of diffusers' own pipeline for these sections."""
    pipeline = pipeline_of(core.model)
    references = [Reference(pipeline.tokenizer, pipeline.text_encoder, None)]
    if core is xl_core():
        second = Reference(pipeline.tokenizer_2, pipeline.text_encoder_2, -2)
        references = [Reference(pipeline.tokenizer, pipeline.text_encoder, -2), second]
    count = max(len(references[0].chunks(sections)) for sections in (prompt, negative))
    options: dict[str, torch.Tensor] = {}
    for name, sections in (("prompt", prompt), ("negative_prompt", negative)):
        results = [reference.embeds(sections, count) for reference in references]
        embeds, pooled = torch.cat([result[0] for result in results], dim=-1), results[-1][1][0]
        if core is xl_core() and negative == [[]] and name == "negative_prompt":
            embeds, pooled = torch.zeros_like(embeds), torch.zeros_like(pooled)
        options[f"{name}_embeds"] = embeds
        if core is xl_core():
            name = name.removesuffix("_prompt") if name != "prompt" else ""
            options["_".join(filter(None, [name, "pooled_prompt_embeds"]))] = pooled
    return options


def reference_image(core: EngineCore, run: Recipe) -> Image.Image:
    """The image of diffusers' own pipeline for a recipe of CASES and NEGATIVES."""
    pipeline = unchecked_pipeline(core)
    pipeline.scheduler = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(
        **reference_embeds(core, CASES[run.prompt], NEGATIVES[run.negative]),
        num_inference_steps=run.steps,
        guidance_scale=run.guidance,
        generator=torch.Generator("cpu").manual_seed(run.seed),
        width=run.width,
        height=run.height,
    ).images[0]
    assert isinstance(image, Image.Image)
    return image


@core_of
@pytest.mark.parametrize("negative", NEGATIVES)
@pytest.mark.parametrize("prompt", CASES)
def test_embeddings_equal_the_reference(
    core: Callable[[], EngineCore], prompt: str, negative: str
) -> None:
    """The shorter one of prompt and negative prompt is padded with empty chunks."""
    run = weighted_recipe(core(), prompt, negative=negative)
    model = core().model
    conditioning = model.encode_prompt(run, model.text_chunks(run))
    theirs = reference_embeds(core(), CASES[prompt], NEGATIVES[negative])
    embeds = torch.cat([theirs["negative_prompt_embeds"], theirs["prompt_embeds"]])
    torch.testing.assert_close(conditioning["encoder_hidden_states"], embeds)
    if "text_embeds" in conditioning:
        pooled = [theirs["negative_pooled_prompt_embeds"], theirs["pooled_prompt_embeds"]]
        torch.testing.assert_close(conditioning["text_embeds"], torch.cat(pooled))


@core_of
@pytest.mark.parametrize("prompt", list(CASES)[::2])
def test_images_equal_the_reference(core: Callable[[], EngineCore], prompt: str) -> None:
    """The pipeline takes the embeddings of the reference."""
    run = weighted_recipe(core(), prompt, negative="[blue]")
    assert_alike(rendered_images(job(run), core())[0], reference_image(core(), run))


@core_of
@pytest.mark.parametrize("prompt", PLAIN)
def test_words_alone_give_the_same_bits(core: Callable[[], EngineCore], prompt: str) -> None:
    """A short prompt without weights has the same bits in both formats."""
    plain = recipe(core(), prompt=prompt, negative="blue")
    weighted = weighted_recipe(core(), prompt, negative="blue")
    [first], [second] = (painted_images(job(run), core()) for run in (plain, weighted))
    assert first.sha256 == second.sha256


@core_of
def test_a_plain_prompt_is_cut_off(core: Callable[[], EngineCore]) -> None:
    """As in diffusers; its brackets are words."""
    run = recipe(core(), prompt="a (red:1.4) house, a tree and a lake in the fog")
    assert_alike(rendered_images(job(run), core())[0], diffusers_image(run, core=core()))


@core_of
def test_other_images_change_no_bit(core: Callable[[], EngineCore]) -> None:
    """Prompts of different lengths are painted at the same time."""
    grid = [
        weighted_recipe(
            core(),
            prompt,
            negative="blue" if number % 2 else "",
            seed=number,
            steps=2,
            guidance=1.0 if number == 2 else 5.0,
            sampler=Sampler.EULER_A if number == 3 else Sampler.EULER,
            row_class=8,
        )
        for number, prompt in enumerate([*list(CASES)[:5], *PLAIN[:2]])
    ]
    grid += [recipe(core(), prompt=run.prompt, seed=run.seed, steps=2, row_class=8) for run in grid]
    alone = [painted_images(job(single), core())[0].sha256 for single in grid]
    assert [image.sha256 for image in painted_images(job(*grid), core())] == alone
    assert len(set(alone)) > len(CASES)


def test_all_prompts_of_a_recipe_have_the_length_of_the_longest() -> None:
    """So its batches keep their shape when the prompt changes."""
    long = "red BREAK house BREAK blue"
    changed = weighted_recipe(sd_core(), "red", changes=(Change(step=2, prompt=long),))
    model = sd_core().model
    assert model.text_chunks(changed) == 3
    assert model.text_chunks(weighted_recipe(sd_core(), "red", negative=long)) == 3
    assert model.text_chunks(weighted_recipe(sd_core(), "a", negative=long, guidance=1.0)) == 1
    assert model.text_chunks(recipe(sd_core(), prompt=long)) == 1
    padded = weighted_recipe(sd_core(), "red", changes=(Change(step=3, negative=long),))
    first, second = rendered_images(job(changed, padded), sd_core())
    assert first.tobytes() != second.tobytes()


def test_a_change_that_needs_no_guidance_has_any_negative_prompt() -> None:
    """The negative prompt is encoded though a step does not use it."""
    changes = (Change(step=2, guidance=1.0), Change(step=3, negative="a BREAK b"))
    run = weighted_recipe(sd_core(), "red", changes=changes)
    [image] = painted_images(job(run), sd_core())
    assert image.png


@core_of
@pytest.mark.parametrize(
    "prompt",
    [
        *("((((", "(:1.3)", "(a:nan)", "(a:1e9)", "(a:99999999)", "(a:-5)", "(red house:0)"),
        *("(a:2)BREAK" * 100, "\N{CAT FACE}" * 999, "(" * 999 + "a", "BREAK " * 99, "\\", "."),
    ],
)
def test_every_prompt_is_painted(core: Callable[[], EngineCore], prompt: str) -> None:
    """Odd weights and long prompts are no errors."""
    run = weighted_recipe(core(), prompt, negative=prompt, steps=1)
    [image] = painted_images(job(run), core())
    assert image.failed is None
    assert image.png


LONG: Final = " ".join("a" * (MAX_CHUNKS * CHUNK))
"""It fills all chunks: a letter is a token of the tiny model."""


@core_of
@pytest.mark.parametrize(
    ("plain", "prompt", "negative", "omission"),
    [
        (False, LONG, LONG, None),
        (False, f"{LONG} house", "", Omission(1)),
        (False, f"{LONG[4:]} house", "", Omission(1)),
        (False, f"{LONG} a house,  and a\ntree", LONG, Omission(5)),
        (False, f"{LONG} (a house, and:1.3) [a tree]", "", Omission(5)),
        (False, "blue BREAK " * 7 + " a" * (CHUNK + 2), "", Omission(2)),
        (False, "a", f"{LONG} blue sky", Omission(0, 2)),
        (False, f"{LONG} caf\N{LATIN SMALL LETTER E WITH ACUTE} \u4e00\u7ea2", "", Omission(3)),
        (True, "a " * CHUNK, "a " * CHUNK, None),
        (True, "a " * (CHUNK + 3), "", Omission(3)),
        (True, "a", "a " * CHUNK + "sky", Omission(0, 1)),
        (True, "a " * (CHUNK - 1) + "(house:1.3)", "", Omission(1)),
    ],
)
def test_words_that_are_not_read_are_counted(
    core: Callable[[], EngineCore],
    plain: bool,
    prompt: str,
    negative: str,
    omission: Omission | None,
) -> None:
    """Each picture has their number; a word of which a part is read counts too."""
    form = PromptFormat.PLAIN if plain else PromptFormat.A1111
    run = recipe(core(), prompt=prompt, negative=negative, prompt_format=form, steps=1)
    [image] = painted_images(job(run), core())
    assert image.omission == omission


def test_only_prompts_that_take_effect_are_counted() -> None:
    """Without guidance there is no negative prompt; of the changes, the longest prompt counts."""
    longer = f"{LONG} a b"
    free = weighted_recipe(sd_core(), "red", negative=longer, guidance=1.0)
    assert sd_core().model.omission(free) is None
    changed = weighted_recipe(sd_core(), f"{LONG} a", changes=(Change(step=2, prompt=longer),))
    assert sd_core().model.omission(changed) == Omission(2)


def test_words_that_are_not_read_change_no_bit() -> None:
    """They are left out whatever they are."""
    first, second = (
        painted_images(job(weighted_recipe(sd_core(), f"{LONG} {end}", steps=1)), sd_core())
        for end in ("a house", "blue")
    )
    assert first[0].sha256 == second[0].sha256


def test_weights_in_the_starter_change_no_other_word() -> None:
    """The mean of its embeddings is near 0, so restoring it would change all of them."""
    model = load_engine_core("starter").model
    plain, weighted = (
        model.encode_prompt(weighted_recipe(sd_core(), prompt, guidance=1.0))
        for prompt in ("a red circle", "a (red:1.6) circle")
    )
    [difference] = (plain["encoder_hidden_states"] != weighted["encoder_hidden_states"]).any(-1)
    assert difference.nonzero().tolist() == [[2]]


def test_a_mean_near_zero_is_not_restored() -> None:
    """The factor would be huge."""
    embeds = torch.tensor([[[1.0, 2.0], [2.0, 1.0]]])
    assert weighted(embeds, [1.0, -1.0]).tolist() == [[[1.0, 2.0], [-2.0, -1.0]]]
    assert weighted(torch.zeros(1, 2, 2), [1.0, 2.0]).tolist() == [[[0.0] * 2] * 2]
    assert weighted(embeds, [1.0, 3.0]).mean() == embeds.mean()
    half = weighted(embeds.half(), [1.0, 3.0])
    assert half.dtype == torch.float16
