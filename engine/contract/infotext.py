"""The text that AUTOMATIC1111's web UI writes into its pictures: write it and read it.

    a red house, night
    Negative prompt: rain
    Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, Size: 512x512

The format is that of its `create_infotext` (modules/processing.py) and
`parse_generation_parameters` (modules/infotext_utils.py). Other programs and Civitai read it too.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from engine.contract.extra_networks import loras_in, networks_in, without_networks
from engine.contract.infotext_controls import control_settings
from engine.contract.infotext_loras import (
    NamedAdapter,
    lora_hashes,
    lora_tags,
    named_adapters,
    read_lora_hashes,
)
from engine.contract.prompt_schedule import PromptSchedule
from engine.contract.prompt_schedule import write as write_schedule
from engine.contract.prompt_weights import as_words
from engine.contract.recipe import MAX_CLIP_SKIP, MAX_STEPS, Recipe
from engine.contract.recipe_parts import (
    MAX_GUIDANCE,
    MAX_PROMPT_CHARS,
    SEED_LIMIT,
    Change,
    Edit,
    PromptFormat,
)
from engine.contract.resource_hashes import hash_label, named, take_hashes
from engine.contract.sampler_names import (
    FLOW_SCHEDULE,
    NO_SAMPLER,
    NamedSampler,
    find_sampler,
    schedule_not_offered,
    web_ui_name,
)
from engine.contract.samplers import Sampler
from engine.contract.sizes import MAX_SIZE, MIN_SIZE, SIZE_MULTIPLE
from engine.contract.work import Work

MAX_INFOTEXT_CHARS: Final = 100_000
"""Of a text that is read."""
RECIPES_KEYWORD: Final = "imagine-recipes"
"""Of the text beside this one that has the recipes as JSON."""
_NEGATIVE: Final = "Negative prompt:"
_HASH_CHARS: Final = 10
_EMBEDDING_HASH_CHARS: Final = 12
_MAX_LINE_CHARS: Final = 20_000
"""Of the settings."""
_MIN_SETTINGS: Final = 3
"""A last line with fewer settings belongs to the prompt."""
_MAX_UNUSED: Final = 12
_MAX_VALUE_CHARS: Final = 60
_MAX_CHANGES_CHARS: Final = 2000
_SETTING: Final = re.compile(r'(\w[\w \-/]{1,60}):\s{0,8}("(?:\\.|[^\\"]){1,4000}"|[^,]*)(?:,|$)')
"""As in the web UI, but with limits, without which a long line would take hours."""
_EMBEDDING: Final = re.compile(r"([^,:]{1,200}):\s{0,8}([0-9A-Fa-f]{8,64})(?![0-9A-Fa-f])")
_MODEL_HASH: Final = re.compile(r"[0-9A-Fa-f]{10,64}")
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{8,64}")
_MAX_EMBEDDINGS: Final = 20
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_NUMBER: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,12})?")
_SIZE: Final = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")

_SILENT: Final = frozenset({
    *("Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "Model hash"),
    *("Variation seed", "Variation seed strength", "Version", "RNG", "Hashes", "User"),
    *("Denoising strength", "VAE", "VAE hash", "Changes", "Clip skip", "TI hashes"),
    *("Lora hashes", "Postprocess upscale by", "Postprocess upscaler"),
})  # fmt: skip
"""Settings that are used, or that make no picture."""


class Infotext(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says about a picture; None for what it does not say or what is impossible."""

    prompt: str
    negative: str = ""
    steps: int | None = None
    guidance: float | None = None
    sampler: Sampler | None = None
    has_flow_schedule: bool = False
    """Whether the schedule is that of models with flow matching, FLOW_SCHEDULE."""
    seed: int | None = None
    subseed: int | None = None
    subseed_strength: float | None = None
    size: tuple[int, int] | None = None
    clip_skip: int | None = None
    model: str | None = None
    model_hash: str | None = None
    """The first hexadecimal digits of the sha256 of the model's file, in lower case."""
    embeddings: tuple[tuple[str, str], ...] = ()
    """Of each embedding (textual inversion), the `hash_label` and the start of its sha256."""
    adapters: tuple[NamedAdapter, ...] = ()
    """The LoRAs of its prompts."""
    other_networks: tuple[str, ...] = ()
    """The names of other extra networks, and of LoRAs of which the text says no scale."""
    strength: float | None = None
    """The picture was painted over an image, which the text does not contain."""
    notes: tuple[str, ...] = ()
    """A sentence for the user about each thing that is not used."""


# Writing


def write_infotext(work: Work, *, is_flow: bool = False) -> str:
    """The text about a picture; `is_flow` for that of a model with flow matching."""
    recipe = work.recipe
    prompts, negatives = (_written(recipe, field) for field in ("prompt", "negative"))
    lines = [f"{prompts or recipe.prompt}{lora_tags(recipe)}"]
    if negatives or recipe.negative:
        lines.append(f"{_NEGATIVE} {negatives or recipe.negative}")
    changes = _changes(recipe, has_prompts=prompts is None, has_negatives=negatives is None)
    settings = {
        **_settings(recipe, is_flow),
        **control_settings(recipe),
        **changes,
        **_enlargement(work),
    }
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in settings.items()))
    return "\n".join(lines)


def _image_guidance(recipe: Recipe) -> str | None:
    source = recipe.source
    return f"{source.image_guidance:g}" if isinstance(source, Edit) else None


def _settings(recipe: Recipe, is_flow: bool) -> dict[str, str]:
    sampler, schedule = web_ui_name(recipe.sampler, is_flow=is_flow)
    settings = {
        "Steps": f"{recipe.steps}",
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": f"{recipe.guidance:g}",
        "Seed": f"{recipe.seed}",
        "Size": f"{recipe.width}x{recipe.height}",
        "Model hash": recipe.revision[:_HASH_CHARS] or None,
        "Model": public_model_name(recipe.model),
        "Variation seed": f"{recipe.subseeds[0].seed}" if recipe.subseeds else None,
        "Variation seed strength": f"{recipe.subseeds[0].share:g}" if recipe.subseeds else None,
        "Clip skip": f"{recipe.clip_skip}" if recipe.clip_skip > 1 else None,
        "Image CFG scale": _image_guidance(recipe),
        "Denoising strength": None if recipe.strength is None else f"{recipe.strength:g}",
        "TI hashes": _embeddings(recipe) or None,
        "Lora hashes": lora_hashes(recipe) or None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _embeddings(recipe: Recipe) -> str:
    """The digests of its embeddings, as the web UI writes them."""
    texts = (
        f"{hash_label(embedding.name)}: {embedding.sha256[:_EMBEDDING_HASH_CHARS]}"
        for embedding in recipe.embeddings
    )
    return ", ".join(texts)


def _written(recipe: Recipe, field: str) -> str | None:
    """The prompt, or the negative prompt, with its changes in brackets; None if that is not
    possible."""
    changes = ((change.step, getattr(change, field)) for change in recipe.changes)
    notation = as_words if recipe.prompt_format is PromptFormat.PLAIN else str
    schedule = PromptSchedule(
        notation(getattr(recipe, field)),
        tuple((step, notation(prompt)) for step, prompt in changes if prompt is not None),
    )
    text = write_schedule(schedule, recipe.executed_steps)
    return None if text is None or len(text) > MAX_PROMPT_CHARS else text


def _changes(recipe: Recipe, *, has_prompts: bool, has_negatives: bool) -> dict[str, str]:
    """The changes that brackets do not say."""
    rest = [
        msgspec.structs.replace(
            change,
            prompt=change.prompt if has_prompts else None,
            negative=change.negative if has_negatives else None,
        )
        for change in recipe.changes
        if change.guidance is not None
        or change.sampler is not None
        or (has_prompts and change.prompt is not None)
        or (has_negatives and change.negative is not None)
    ]
    text = "; ".join(map(describe_change, rest))[:_MAX_CHANGES_CHARS]
    return {"Changes": f"{text} (exactly: {RECIPES_KEYWORD})"} if text else {}


def _enlargement(work: Work) -> dict[str, str]:
    """The settings of an upscaler, as the web UI's tab "Extras" writes them."""
    if isinstance(work, Recipe):
        return {}
    return {
        "Postprocess upscale by": f"{work.width / work.recipe.width:g}",
        "Postprocess upscaler": work.upscaler,
    }


def public_model_name(model: str) -> str:
    """The name of a model; of a folder or a file, only the last part of its path."""
    is_path = model.startswith(("/", ".", "~")) or "\\" in model or ":" in model[:3]
    return re.split(r"[/\\]", model.rstrip("/\\"))[-1] if is_path else model


def describe_change(change: Change) -> str:
    """One change of settings as `from step 12: guidance 5, prompt a dog`."""
    parts = [
        *([] if change.guidance is None else [f"guidance {change.guidance:g}"]),
        *([] if change.sampler is None else [change.sampler.value]),
        *([] if change.prompt is None else [f"prompt {change.prompt or 'nothing'}"]),
        *([] if change.negative is None else [f"negative {change.negative or 'nothing'}"]),
    ]
    return f"from step {change.step}: {', '.join(parts)}"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r"[,\n:]", value) else value


# Reading


def read_infotext(text: str) -> Infotext | None:
    """What a text says, or None if it has no prompt. It is from strangers and never trusted."""
    lines = text[:MAX_INFOTEXT_CHARS].strip().split("\n")
    line, hashes = take_hashes(lines[-1][:_MAX_LINE_CHARS])
    settings = _parsed(line)
    if len(settings) < _MIN_SETTINGS:
        settings, hashes = {}, {}
    else:
        lines.pop()
    prompt, negative = _prompts(lines)
    digests = read_lora_hashes(settings.get("Lora hashes", ""), hashes)
    adapters = named_adapters([*loras_in(prompt), *loras_in(negative)], digests)
    networks = (*networks_in(prompt), *networks_in(negative), *digests)
    networks += tuple(named(hashes, "hypernet"))
    notes = [*_notes(settings)]
    prompt, negative = (
        _shortened("prompt", prompt, notes),
        _shortened("negative prompt", negative, notes),
    )
    if not prompt:
        return None
    reader = _Reader(settings, notes)
    sampler = reader.sampler()
    return Infotext(
        prompt=prompt,
        negative=negative,
        steps=reader.integer("Steps", 1, MAX_STEPS),
        guidance=reader.number("CFG scale", 0.0, MAX_GUIDANCE),
        sampler=sampler.sampler,
        has_flow_schedule=sampler.schedule == FLOW_SCHEDULE,
        seed=reader.integer("Seed", 0, SEED_LIMIT - 1),
        subseed=reader.integer("Variation seed", 0, SEED_LIMIT - 1),
        subseed_strength=reader.number("Variation seed strength", 0.0, 1.0),
        size=reader.size(),
        clip_skip=reader.integer("Clip skip", 1, MAX_CLIP_SKIP),
        model=settings.get("Model"),
        model_hash=_model_hash(settings.get("Model hash") or hashes.get("model", "")),
        embeddings=tuple(_read_embeddings(settings.get("TI hashes", ""), named(hashes, "embed"))),
        adapters=tuple(adapters.values()),
        other_networks=tuple(dict.fromkeys(name for name in networks if name not in adapters)),
        strength=reader.number("Denoising strength", 0.0, 1.0),
        notes=tuple(notes),
    )


def _parsed(line: str) -> dict[str, str]:
    """The settings of a line; the first of several with one name."""
    settings: dict[str, str] = {}
    for name, value in _SETTING.findall(line[:_MAX_LINE_CHARS]):
        settings.setdefault(name.strip(), _unquoted(value.strip()))
    return settings


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            # Escapes may stand for surrogates, which no UTF-8 text can have.
            return str(json.loads(value)).encode(errors="replace").decode()
        except ValueError:
            return value
    return value


def _prompts(lines: list[str]) -> tuple[str, str]:
    """The prompt and the negative prompt, each of which may have several lines."""
    stripped = [line.strip() for line in lines]
    start = next((n for n, line in enumerate(stripped) if line.startswith(_NEGATIVE)), len(lines))
    negative = "\n".join(stripped[start:]).removeprefix(_NEGATIVE)
    return "\n".join(stripped[:start]).strip(), negative.strip()


def _read_embeddings(text: str, others: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    digests = {name: digest for name, digest in others.items() if _DIGEST.fullmatch(digest)}
    digests = {name.strip(): digest for name, digest in _EMBEDDING.findall(text)} | digests
    for name, digest in list(digests.items())[:_MAX_EMBEDDINGS]:
        yield name[:_MAX_VALUE_CHARS], digest.lower()


def _model_hash(text: str) -> str | None:
    """The web UI's hash before 2023, of 8 digits, is none of the whole file."""
    return text.lower() if _MODEL_HASH.fullmatch(text) else None


def _shortened(name: str, text: str, notes: list[str]) -> str:
    text = without_networks(text).strip().strip(",").strip()
    if len(text) > MAX_PROMPT_CHARS:
        notes.append(
            f"The {name} has {len(text)} characters; the first {MAX_PROMPT_CHARS} are used."
        )
    return text[:MAX_PROMPT_CHARS].strip()


def _notes(settings: Mapping[str, str]) -> Iterator[str]:
    unused = [name for name in settings if name not in _SILENT]
    if unused:
        names = ", ".join(name[:_MAX_VALUE_CHARS] for name in unused[:_MAX_UNUSED])
        yield f"Not used: {names}{', …' if len(unused) > _MAX_UNUSED else ''}."
    if "Denoising strength" in settings and "Hires upscale" not in settings:
        yield "It was painted over another picture, which is not in the file."


class _Reader:
    """Reads settings within limits; appends a note for each that is impossible."""

    def __init__(self, settings: Mapping[str, str], notes: list[str]) -> None:
        self._settings = settings
        self._notes = notes

    def integer(self, name: str, low: int, high: int) -> int | None:
        """The setting, if it is a number within these limits."""
        text = self._settings.get(name)
        if text is not None and _INTEGER.fullmatch(text) and low <= int(text) <= high:
            return int(text)
        self._reject(name, text)
        return None

    def number(self, name: str, low: float, high: float) -> float | None:
        """The setting, if it is a number within these limits."""
        text = self._settings.get(name)
        if text is not None and _NUMBER.fullmatch(text) and low <= float(text) <= high:
            return float(text)
        self._reject(name, text)
        return None

    def size(self) -> tuple[int, int] | None:
        """Width and height, if pictures can have them."""
        text = self._settings.get("Size")
        match = None if text is None else _SIZE.fullmatch(text)
        if match is not None:
            width, height = int(match[1]), int(match[2])
            if all(side % SIZE_MULTIPLE == 0 for side in (width, height)) and (
                min(width, height) >= MIN_SIZE and max(width, height) <= MAX_SIZE
            ):
                return width, height
        self._reject("Size", text)
        return None

    def sampler(self) -> NamedSampler:
        """The sampler with the schedule, or the nearest one that there is."""
        text = self._settings.get("Sampler")
        if text is None:
            return NO_SAMPLER
        named = find_sampler(text, self._settings.get("Schedule type", ""))
        if named.sampler is None:
            self._reject("Sampler", text)
        elif named.schedule not in ("", FLOW_SCHEDULE):
            schedule = named.schedule[:_MAX_VALUE_CHARS]
            self._notes.append(schedule_not_offered(schedule, named.sampler))
        return named

    def _reject(self, name: str, text: str | None) -> None:
        if text is not None:
            self._notes.append(
                f"{name} {text[:_MAX_VALUE_CHARS]} is not possible here; the usual value is used."
            )
