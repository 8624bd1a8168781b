"""Evaluate what steers the starter: `python -m engine.starter.steering.evaluate`.

It paints new scenes with diffusers' own pipelines and prints the numbers of
`engine/starter/steering/README.md`. Things in styled pictures are recognised by classifiers of
styled renderings, which it trains first.
"""

import argparse
import copy
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
)
from numpy.typing import NDArray
from PIL import Image

from engine.models.defaults import STARTER_EDIT_GUIDANCE, STARTER_IMAGE_GUIDANCE
from engine.starter.captions import PLACE_WORDS, TIME_WORDS, full_caption
from engine.starter.evaluator import share
from engine.starter.export import load_edit
from engine.starter.sampling import BATCH, STEPS, Painter, Pictures, as_tensor, load_painter
from engine.starter.scene_classifier import (
    Prediction,
    SceneClassifier,
    classify,
    load_classifier,
)
from engine.starter.scenes import (
    PLACES,
    TIMES,
    Generators,
    Scene,
    draw_scene_with,
    random_scene,
)
from engine.starter.steering.edits import draw_pair, instruction, random_pair
from engine.starter.steering.image_adapter import ADAPTER_FILE, ADAPTER_FOLDER
from engine.starter.steering.line_pen import Hand
from engine.starter.steering.measures import (
    changed_fact,
    facts_changed,
    has_style,
    lines_followed,
    pixels_changed,
    same_things,
)
from engine.starter.steering.scribbles import drawn_scribble
from engine.starter.steering.style_classifier import style_classifier
from engine.starter.steering.style_loras import LORA_FOLDER
from engine.starter.steering.styles import STYLES, TRIGGERS
from engine.weights.model_folder import FEW_STEP_STARTER, STARTER

HERE: Final = Path(__file__).parents[1]
SIZE: Final = (128, 128)
WORK: Final = Path(".train")
_EVALUATED_HAND: Final = Hand(width=4.0, wobble=1.5, gaps=0.05, details=0.8)
Call = Callable[[slice, list[torch.Generator]], Any]


class Evaluation:
    """The finished weights in the folder `out`, and `count` new scenes."""

    def __init__(
        self,
        out: Path,
        device: torch.device,
        *,
        count: int,
        model: str = STARTER,
        work: Path = WORK,
        sheets: Path | None = None,
    ) -> None:
        self._out, self._device, self._work, self._sheets = out, device, work, sheets
        self._model: Painter = load_painter(model)
        self._classifier: SceneClassifier = load_classifier(HERE)
        self._rng = random.Random(950)  # noqa: S311 - a seed, not a secret
        self._scenes = [random_scene(self._rng, unsafe=0.0, counts=(1, 1, 2)) for _ in range(count)]
        self._prompts = [full_caption(scene, self._rng) for scene in self._scenes]

    def lines(self) -> None:
        """Print how well lines are followed, with the ControlNet and without."""
        rng = random.Random(951)  # noqa: S311 - a seed, not a secret
        sketches = [
            drawn_scribble(scene, SIZE, Generators.separate(f"e{i}"), _EVALUATED_HAND, rng)
            for i, scene in enumerate(self._scenes)
        ]
        controls = [Image.fromarray(sketch).convert("RGB") for sketch in sketches]
        folder = self._out / "controls" / "scribble"
        control = ControlNetModel.from_pretrained(folder, use_safetensors=True)
        controlled = self._load(StableDiffusionControlNetPipeline, controlnet=control)
        plain = self._load(StableDiffusionPipeline)
        followed = self._paint(
            lambda s, g: controlled(self._prompts[s], controls[s], **self._how(g))
        )
        wordless = self._paint(
            lambda s, g: controlled([""] * len(controls[s]), controls[s], **self._how(g))
        )
        free = self._paint(lambda s, g: plain(self._prompts[s], **self._how(g)))
        for name, pictures in (("", followed), (", no prompt", wordless), (", no control", free)):
            overlaps = [lines_followed(p, s) for p, s in zip(pictures, sketches, strict=True)]
            _print(f"lines followed{name}", float(np.mean(overlaps)))
        self._print_things("lines", self._scenes, followed)
        self._sheet("lines", [np.asarray(image) for image in controls], followed, wordless)

    def edits(self, guidance: float, image_guidance: float) -> None:
        """Print how many edits succeed."""
        pairs = [random_pair(s, SIZE, f"d{i}") for i, s in enumerate(self._scenes)]
        rng = random.Random(952)  # noqa: S311 - a seed, not a secret
        words = [instruction(pair, rng) for pair in pairs]
        drawings = [draw_pair(pair, SIZE, f"d{i}") for i, pair in enumerate(pairs)]
        sources = [before for before, _ in drawings]
        edit = load_edit(self._out)
        pipeline = self._load(
            StableDiffusionInstructPix2PixPipeline, unet=edit.unet, text_encoder=edit.text_encoder
        )
        settings = {
            "num_inference_steps": STEPS,
            "guidance_scale": guidance,
            "image_guidance_scale": image_guidance,
        }
        edited = self._paint(lambda s, g: pipeline(words[s], sources[s], **self._how(g) | settings))
        predictions = self._classify(edited)
        targets = np.stack([np.asarray(after) for _, after in drawings])
        outcomes: dict[str, list[tuple[bool, bool]]] = {}
        for i, pair in enumerate(pairs):
            fact, before = changed_fact(pair), np.asarray(sources[i])
            outcome = (
                pixels_changed(before, targets[i], edited[i])
                if fact == "number"
                else facts_changed(pair, predictions[i], edited[i])
            )
            outcomes.setdefault(fact, []).append(outcome)
        for fact in ("time", "place", "colour", "kind", "number"):
            if fact in outcomes:
                _print_outcomes(f"edits, {fact}", outcomes[fact])
        _print_outcomes("edits", [pair for facts in outcomes.values() for pair in facts])
        error = np.abs(edited.astype(np.float32) - targets).mean()
        print(f"edits: mean error {error:.2f} of 255 levels")  # noqa: T201 - the output
        self._sheet("edits", [np.asarray(source) for source in sources], edited, targets)

    def styles(self) -> None:
        """Print how many pictures have the style, with its LoRA and without, and in how many the
        things are recognised."""
        plain = self._load(StableDiffusionPipeline)
        free = self._paint(lambda s, g: plain(self._prompts[s], **self._how(g)))
        for style in STYLES:
            styled = self._load(StableDiffusionPipeline)
            styled.load_lora_weights(self._out / LORA_FOLDER, weight_name=f"{style}.safetensors")
            prompts = [f"{prompt}, {TRIGGERS[style]}" for prompt in self._prompts]
            pictures = self._paint(lambda s, g: styled(prompts[s], **self._how(g)))  # noqa: B023
            _print(
                f"{style}: pictures with the style", share([has_style(style, p) for p in pictures])
            )
            _print(f"{style}: without the LoRA", share([has_style(style, p) for p in free]))
            self._print_styled_kinds(style, pictures)
            self._sheet(style, free, pictures)

    def _print_styled_kinds(self, style: str, painted: Pictures) -> None:
        """Print in how many pictures the kinds are recognised, and in how many renderings."""
        classifier = style_classifier(style, load_classifier(HERE), self._work, self._device)
        rendered = [
            np.asarray(STYLES[style](draw_scene_with(scene, SIZE, Generators.separate(f"s{i}"))))
            for i, scene in enumerate(self._scenes)
        ]
        for name, pictures in (("", painted), (", rendered", np.stack(rendered))):
            predictions = classify(classifier, as_tensor(pictures))
            kinds, _ = same_things(self._scenes, predictions, pictures)
            _print(f"{style}: kinds{name}", share(kinds))

    def variations(self) -> None:
        """Print how far pictures agree with their examples, without a prompt and with one."""
        examples = [
            draw_scene_with(scene, SIZE, Generators.separate(f"v{i}"))
            for i, scene in enumerate(self._scenes)
        ]
        pipeline = self._load(StableDiffusionPipeline)
        pipeline.load_ip_adapter(self._out / ADAPTER_FOLDER, subfolder="", weight_name=ADAPTER_FILE)

        def example(part: slice) -> dict[str, Any]:
            [image] = examples[part]
            return {"ip_adapter_image": image}

        wordless = self._paint(lambda s, g: pipeline("", **self._how(g), **example(s)), batch=1)
        self._print_things("variations", self._scenes, wordless)
        rng = random.Random(953)  # noqa: S311 - a seed, not a secret
        settings = [(rng.choice(PLACES), rng.choice(TIMES)) for _ in examples]
        prompts = [
            f"{rng.choice(PLACE_WORDS[place])} {rng.choice(TIME_WORDS[time])}"
            for place, time in settings
        ]
        prompted = self._paint(
            lambda s, g: pipeline(prompts[s], **self._how(g), **example(s)), batch=1
        )
        targets = [
            Scene(scene.things, *setting)
            for scene, setting in zip(self._scenes, settings, strict=True)
        ]
        self._print_things("variations with a prompt", targets, prompted)
        self._sheet("variations", [np.asarray(image) for image in examples], wordless, prompted)

    def _how(self, generators: list[torch.Generator]) -> dict[str, Any]:
        return {
            "num_inference_steps": self._model.steps,
            "guidance_scale": self._model.guidance,
            "generator": generators,
        }

    def _load(self, pipeline_class: Any, **components: Any) -> Any:  # noqa: ANN401 - of diffusers
        """A pipeline with copies of the model's networks and these components."""
        parts = copy.deepcopy(self._model.pipeline.components) | components
        pipeline = pipeline_class(**parts, requires_safety_checker=False).to(self._device)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _paint(self, call: Call, batch: int = BATCH) -> Pictures:
        """The pictures of all scenes, `batch` at a time; with diffusers' IP-Adapter, all pictures
        of a batch have the same examples."""
        pictures: list[NDArray[np.uint8]] = []
        for start in range(0, len(self._scenes), batch):
            part = slice(start, min(start + batch, len(self._scenes)))
            generators = [
                torch.Generator().manual_seed(60_000 + i) for i in range(part.start, part.stop)
            ]
            pictures += [np.asarray(image) for image in call(part, generators).images]
        return np.stack(pictures)

    def _classify(self, pictures: Pictures) -> list[Prediction]:
        return classify(self._classifier, as_tensor(pictures))

    def _print_things(self, name: str, scenes: Sequence[Scene], pictures: Pictures) -> None:
        predictions = self._classify(pictures)
        kinds, colours = same_things(scenes, predictions, pictures)
        _print(f"{name}: kinds", share(kinds))
        _print(f"{name}: colours", share(colours))
        settings = [
            (s.place, s.time) == (p.place, p.time) for s, p in zip(scenes, predictions, strict=True)
        ]
        _print(f"{name}: place and time", share(settings))

    def _sheet(self, name: str, *columns: Iterable[NDArray[np.uint8]]) -> None:
        """Write the first pictures, with those that belong together side by side."""
        if self._sheets is None:
            return
        self._sheets.mkdir(parents=True, exist_ok=True)
        across = len(columns) * 3
        rows = min(12, -(-len(self._scenes) // 3))
        sheet = Image.new("RGB", (across * 132, rows * 132))
        for i, pictures in enumerate(zip(*columns, strict=True)):
            for j, picture in enumerate(pictures):
                x, y = (i % 3) * len(columns) + j, i // 3
                sheet.paste(Image.fromarray(picture), (x * 132, y * 132))
        sheet.save(self._sheets / f"{name}.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m engine.starter.steering.evaluate", description=__doc__
    )
    parts = ("lines", "edits", "styles", "variations")
    parser.add_argument("--only", choices=parts, help="one part (default: all)")
    parser.add_argument("--count", type=int, default=200, help="scenes")
    models = (STARTER, FEW_STEP_STARTER)
    parser.add_argument("--model", choices=models, default=STARTER, help="not of edits")
    parser.add_argument("--work", type=Path, default=WORK, help="the folder of classifiers")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder of finished weights")
    parser.add_argument("--sheets", type=Path, help="write pictures into this folder")
    parser.add_argument("--guidance", type=float, default=STARTER_EDIT_GUIDANCE, help="of edits")
    parser.add_argument(
        "--image-guidance", type=float, default=STARTER_IMAGE_GUIDANCE, help="of edits"
    )
    options = parser.parse_args()
    evaluation = Evaluation(
        options.out,
        torch.device(options.device),
        count=options.count,
        model=options.model,
        work=options.work,
        sheets=options.sheets,
    )
    runs: dict[str, Callable[[], None]] = {
        "lines": evaluation.lines,
        "edits": lambda: evaluation.edits(options.guidance, options.image_guidance),
        "styles": evaluation.styles,
        "variations": evaluation.variations,
    }
    for name, run in runs.items():
        if options.only in (None, name):
            run()


def _print_outcomes(name: str, outcomes: Sequence[tuple[bool, bool]]) -> None:
    """Print the shares of edits that did what was asked for, and that kept all else."""
    changes, others = zip(*outcomes, strict=True)
    _print(f"{name}: asked changed", share(changes))
    _print(f"{name}: others kept", share(others))


def _print(name: str, value: float) -> None:
    print(f"{name:44}{value:6.1%}")  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
