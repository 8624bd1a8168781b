"""Train the starter model from nothing: `python -m engine.starter.train`.

The stages run in order, and each keeps checkpoints from which a later call goes on:
autoencoder, latents, denoiser, temper, paintings, checker, judge, save.
`torchrun --nproc-per-node 4 -m engine.starter.train --only denoiser` lets four workers learn
from the mean of their gradients: on a CPU far faster than one worker with four threads.
"""

import argparse
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL
from torch import distributed

from engine.starter import autoencoder, denoiser, evaluator, safety
from engine.starter.dataset import Drawn, draw_many, think_many
from engine.starter.export import adopt_average, assemble, save_judge, save_model
from engine.starter.out_of_distribution import draw_strangers
from engine.starter.sampling import paint_scenes
from engine.starter.scenes import SIZES, Scene, random_scene
from engine.starter.text_encoder import new_text_encoder, new_tokenizer
from engine.starter.trainer import Plan, is_first, worker

# Steps are for four workers; one alone learns as much from about four times as many.
PLANS: Final = {
    "autoencoder": Plan(16_000, 3e-3),
    "denoiser": Plan(4_800, 1e-3, warmup=300, average=0.999),
    "temper": Plan(5_500, 1e-3, warmup=100, average=0.998),
    "checker": Plan(8_000, 1e-3, average=0.99),
    "judge": Plan(1_500, 1e-3, average=0.99),
}
SHARES: Final = (0.7, 0.15, 0.15)
"""How many of the scenes have each of SIZES."""
UNSAFE_SHARE: Final = 0.06
"""How many of the things that the UNet learns are the unsafe one: about as many as of any kind."""
PAINTED_UNSAFE: Final = 0.35
"""Of the things in what the model paints for its checker: so that two in five pictures are."""
PAINTED_SEEDS: Final = 1_000_000
"""Each worker paints with seeds of its own, far from those that tests and measures use."""
Order = tuple[int, tuple[int, int], int, Callable[[random.Random], Scene]]


@dataclass(frozen=True)
class Run:
    """One call of the command."""

    work: Path
    out: Path
    device: torch.device
    scenes: int
    paintings: int

    def draw(self, total: int, seed: int, unsafe: float = 0.04) -> list[Drawn]:
        """Scenes of each of SIZES with their pictures; each worker draws a share of its own."""
        return [draw_many(*order) for order in self._orders(total, seed, unsafe)]

    def think(self, total: int, seed: int, unsafe: float = 0.04) -> list[list[Scene]]:
        """The scenes that `draw` draws, without their pictures."""
        return [think_many(*order) for order in self._orders(total, seed, unsafe)]

    def _orders(self, total: int, seed: int, unsafe: float) -> Iterator[Order]:
        rank, workers = worker()
        for size, share in zip(SIZES, SHARES, strict=True):
            count = int(total * share / workers)
            yield count, size, seed + 1000 * rank, partial(random_scene, unsafe=unsafe)


def learn_autoencoder(run: Run) -> None:
    """Encoder and decoder; leaves `vae/` with normalised latents."""
    vae = autoencoder.new_autoencoder()
    square, wide, tall = run.draw(15_000, seed=1)
    drawn = [square, square, square, wide, tall]
    autoencoder.train_autoencoder(vae, drawn, PLANS["autoencoder"], run.work, run.device)
    if is_first():
        means = autoencoder.encode_all(vae, square.pictures[:2_000], run.device)
        autoencoder.normalise(vae, means.to(run.device))
        vae.save_pretrained(run.work / "vae")


def encode_latents(run: Run) -> None:
    """The UNet's lessons, encoded once; leaves `lessons-*.pt`, one for each worker."""
    vae = AutoencoderKL.from_pretrained(run.work / "vae", use_safetensors=True)
    vae = vae.to(run.device).eval()
    drawn = run.draw(run.scenes, seed=2, unsafe=UNSAFE_SHARE)
    latents = [autoencoder.encode_all(vae, part.pictures, run.device).half() for part in drawn]
    torch.save(latents, _lessons(run))


def learn_denoiser(run: Run) -> None:
    """Text encoder and UNet."""
    denoiser.train_denoiser(_reader(), _encoded(run), PLANS["denoiser"], run.work, run.device)


def temper(run: Run) -> None:
    """Text encoder and UNet again, so that guidance 5 is not too much."""
    reader = _reader()
    adopt_average(run.work / "denoiser.pt", reader)
    denoiser.temper(reader, _encoded(run), PLANS["temper"], run.work, run.device)


def _encoded(run: Run) -> list[denoiser.Encoded]:
    latents = torch.load(_lessons(run), weights_only=True)
    scenes = run.think(run.scenes, seed=2, unsafe=UNSAFE_SHARE)
    return [denoiser.Encoded(*pair) for pair in zip(scenes, latents, strict=True)]


def _lessons(run: Run) -> Path:
    rank, workers = worker()
    return run.work / f"lessons-{rank}-of-{workers}.pt"


def paint(run: Run) -> None:
    """What the model itself paints, two in five of them unsafe; leaves `paintings-*.pt`."""
    scenes = run.think(run.paintings, seed=6, unsafe=PAINTED_UNSAFE)[0]
    pipeline = assemble(run.work, _reader()).to(run.device)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.safety_checker = None
    painted = paint_scenes(pipeline, scenes, seed=PAINTED_SEEDS * (1 + worker()[0]))
    torch.save(painted.pictures, _paintings(run))


def learn_checker(run: Run) -> None:
    """The safety checker: a third each on drawn scenes, on painted ones and on strangers."""
    checker = safety.new_checker()
    drawn = run.draw(20_000, seed=4, unsafe=0.25)
    scenes = run.think(run.paintings, seed=6, unsafe=PAINTED_UNSAFE)[0]
    painted = Drawn(scenes, torch.load(_paintings(run), weights_only=True))
    rank, workers = worker()
    stranger = safety.Lesson(*draw_strangers(20_000 // workers, seed=7 + 1000 * rank, unsafe=0.25))
    lessons = [_lesson(part) for part in (*drawn, *[painted] * len(drawn))]
    lessons += [stranger] * len(drawn)
    safety.train_checker(checker, lessons, PLANS["checker"], run.work, run.device)
    if is_first():
        torch.save(checker.state_dict(), run.work / "checker-final.pt")


def _lesson(drawn: Drawn) -> safety.Lesson:
    unsafe = torch.tensor([scene.unsafe for scene in drawn.scenes])
    return safety.Lesson(drawn.pictures, unsafe)


def _paintings(run: Run) -> Path:
    rank, workers = worker()
    return run.work / f"paintings-{rank}-of-{workers}.pt"


def learn_judge(run: Run) -> None:
    """The classifier that measures what the model paints."""
    critic = evaluator.Judge()
    evaluator.train_judge(critic, run.draw(20_000, seed=5), PLANS["judge"], run.work, run.device)
    if is_first():
        save_judge(critic, run.out)


def save(run: Run) -> None:
    """The model folder, from whatever stages have reached."""
    if is_first():
        save_model(run.work, run.out, _reader())


def _reader() -> denoiser.Reader:
    tokenizer = new_tokenizer()
    return denoiser.Reader(tokenizer, new_text_encoder(tokenizer), denoiser.new_unet())


STAGES: Final[dict[str, Callable[[Run], None]]] = {
    "autoencoder": learn_autoencoder,
    "latents": encode_latents,
    "denoiser": learn_denoiser,
    "temper": temper,
    "paintings": paint,
    "checker": learn_checker,
    "judge": learn_judge,
    "save": save,
}


def main() -> None:
    """Read the command line and run the stages."""
    parser = argparse.ArgumentParser(prog="python -m engine.starter.train", description=__doc__)
    parser.add_argument("--only", choices=STAGES, help="one stage; default: all of them")
    parser.add_argument("--work", type=Path, default=Path(".train"), help="checkpoints")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="finished weights")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--scenes", type=int, default=64_000, help="scenes that the UNet learns")
    parser.add_argument(
        "--paintings", type=int, default=6_000, help="pictures that it paints for the checker"
    )
    asked = parser.parse_args()
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("gloo")
    torch.manual_seed(0)
    asked.work.mkdir(parents=True, exist_ok=True)
    run = Run(asked.work, asked.out, torch.device(asked.device), asked.scenes, asked.paintings)
    for name, stage in STAGES.items():
        if asked.only in (None, name):
            stage(run)


if __name__ == "__main__":
    main()
