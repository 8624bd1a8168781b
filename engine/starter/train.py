"""Train the starter model from scratch: `python -m engine.starter.train`.

The stages run in order, and each can be resumed from its checkpoints:
autoencoder, latents, denoiser, distill_guidance, paintings, checker, classifier, save, refine,
save_refined, paths, student, save_student, decoder, save_decoder, and those of
`engine.starter.steering.stages`. Those after `save` need only the finished model.
`torchrun --nproc-per-node 4 -m engine.starter.train --only denoiser` averages the gradients of four
processes, which is far faster on a CPU than one process with four threads.
"""

import argparse
import copy
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL
from torch import distributed

from engine.errors import EngineError
from engine.starter import autoencoder, decoder, denoiser, evaluator, few_steps, safety
from engine.starter.dataset import RenderedScenes, render_scenes
from engine.starter.export import (
    MODEL_FOLDER,
    assemble,
    load_conditioner,
    load_ema_checkpoint,
    load_few_steps,
    save_classifier,
    save_conditioner,
    save_decoder,
    save_few_steps,
    save_model,
    written_by_a_stage,
)
from engine.starter.out_of_distribution import draw_out_of_distribution
from engine.starter.run import Run
from engine.starter.sampling import paint_scenes
from engine.starter.scene_classifier import SceneClassifier
from engine.starter.scenes import SIZES, random_scene
from engine.starter.steering.stages import STEERING_STAGES
from engine.starter.text_encoder import new_text_encoder, new_tokenizer
from engine.starter.trainer import is_main_process, rank_and_world_size

UNSAFE_SHARE: Final = 0.06
"""Share of skulls among the things in the UNet's training scenes: about that of any other kind."""
PAINTED_UNSAFE: Final = 0.35
"""Share of skulls among the things in pictures painted for the checker: two in five are unsafe."""
PAIR_COUNTS: Final = (1, 2, 2)
"""Numbers of things in the scenes for `refine` and the student: pairs are more difficult."""
PAIR_WEIGHTS: Final = {"robot": 6, "cat": 4, "castle": 2, "bird": 2, "house": 2}
"""How many times as many of these there are in the scenes for `refine` and the student: small ones
are more difficult than other things."""
DECODED_COUNTS: Final = (1, 2, 2, 2)
"""The same for the decoder's scenes: in pairs, things are small."""
PATHS_IN_FILE: Final = 256
PAINTED_SEEDS: Final = 1_000_000
"""The seeds of each process start at a multiple of this; tests and evaluation use smaller seeds."""
PLAIN_SCENE: Final = partial(random_scene, unsafe=UNSAFE_SHARE)
PAINTED_SCENE: Final = partial(random_scene, unsafe=PAINTED_UNSAFE)
PAIR_SCENE: Final = partial(
    random_scene, unsafe=UNSAFE_SHARE, counts=PAIR_COUNTS, weights=PAIR_WEIGHTS
)


def train_autoencoder_stage(run: Run) -> None:
    """Train the autoencoder; writes `vae/` with normalised latents."""
    vae = autoencoder.new_autoencoder()
    square, wide, tall = run.render(15_000, seed=1)
    scenes = [square, square, square, wide, tall]
    autoencoder.train_autoencoder(vae, scenes, run.config("autoencoder"), run.work, run.device)
    if is_main_process():
        means = autoencoder.encode_all(vae, square.pictures[:2_000], run.device)
        autoencoder.normalise(vae, means.to(run.device))
        vae.save_pretrained(run.work / "vae")


def encode_latents(run: Run) -> None:
    """Encode the UNet's training pictures; writes `latents-*.pt`, one for each process."""
    folder = written_by_a_stage(run.work / "vae")
    vae = AutoencoderKL.from_pretrained(folder, use_safetensors=True)
    scenes = run.render(run.scenes, 2, PLAIN_SCENE)
    torch.save([part.latents for part in _encode(run, vae, scenes)], _latents_file(run))


def _encode(run: Run, vae: AutoencoderKL, scenes: list[RenderedScenes]) -> list[denoiser.Encoded]:
    vae = vae.to(run.device).eval()
    return [
        denoiser.Encoded(part.scenes, autoencoder.encode_all(vae, part.pictures, run.device).half())
        for part in scenes
    ]


def train_denoiser_stage(run: Run) -> None:
    """Train text encoder and UNet."""
    denoiser.train_denoiser(
        _conditioner(), _load_encoded(run), run.config("denoiser"), run.work, run.device
    )


def distill_guidance(run: Run) -> None:
    """Train text encoder and UNet so that guidance 5 acts as guidance 2 did."""
    conditioner = _conditioner()
    load_ema_checkpoint(run.work / "denoiser.pt", conditioner)
    denoiser.distill_guidance(
        conditioner, _load_encoded(run), run.config("distill_guidance"), run.work, run.device
    )


def _load_encoded(run: Run) -> list[denoiser.Encoded]:
    latents = torch.load(_latents_file(run), weights_only=True)
    scenes = run.sample(run.scenes, 2, PLAIN_SCENE)
    return [denoiser.Encoded(*pair) for pair in zip(scenes, latents, strict=True)]


def _latents_file(run: Run) -> Path:
    rank, world_size = rank_and_world_size()
    return run.work / f"latents-{rank}-of-{world_size}.pt"


def paint(run: Run) -> None:
    """Paint pictures with the model, two in five unsafe; writes `paintings-*.pt`."""
    scenes = run.sample(run.paintings, 6, PAINTED_SCENE)[0]
    pipeline = assemble(run.work, _conditioner()).to(run.device)
    pipeline.set_progress_bar_config(disable=True)
    painted = paint_scenes(pipeline, scenes, seed=PAINTED_SEEDS * (1 + rank_and_world_size()[0]))
    torch.save(painted.pictures, _paintings(run))


def train_checker_stage(run: Run) -> None:
    """Train the checker: a third each rendered, painted and out-of-distribution pictures."""
    checker = safety.new_checker()
    rendered = run.render(20_000, 4, partial(random_scene, unsafe=0.25))
    scenes = run.sample(run.paintings, 6, PAINTED_SCENE)[0]
    painted = RenderedScenes(scenes, torch.load(_paintings(run), weights_only=True))
    rank, world_size = rank_and_world_size()
    foreign = safety.LabelledPictures(
        *draw_out_of_distribution(20_000 // world_size, seed=7 + 1000 * rank, unsafe=0.25)
    )
    datasets = [_labelled(part) for part in (*rendered, *[painted] * len(rendered))]
    datasets += [foreign] * len(rendered)
    safety.train_checker(checker, datasets, run.config("checker"), run.work, run.device)
    if is_main_process():
        torch.save(checker.state_dict(), run.work / "checker-final.pt")


def _labelled(rendered: RenderedScenes) -> safety.LabelledPictures:
    unsafe = torch.tensor([scene.is_unsafe for scene in rendered.scenes])
    return safety.LabelledPictures(rendered.pictures, unsafe)


def _paintings(run: Run) -> Path:
    rank, world_size = rank_and_world_size()
    return run.work / f"paintings-{rank}-of-{world_size}.pt"


def train_classifier_stage(run: Run) -> None:
    """Train the classifier that evaluates the model."""
    classifier = SceneClassifier()
    evaluator.train_classifier(
        classifier, run.render(20_000, seed=5), run.config("classifier"), run.work, run.device
    )
    if is_main_process():
        save_classifier(classifier, run.out)


def save(run: Run) -> None:
    """Write the model folder from the checkpoints."""
    if is_main_process():
        save_model(run.work, run.out, _conditioner())


def refine(run: Run) -> None:
    """Train the finished model further, on new scenes, most of which have two things."""
    scenes = run.render(run.scenes, 12, PAIR_SCENE)
    encoded = _encode(run, run.finished_vae(), scenes)
    config = run.config("refine")
    denoiser.distill_guidance(
        run.finished_model(), encoded, config, run.work, run.device, "refined"
    )


def save_refined(run: Run) -> None:
    """Write the UNet and the text encoder of the last checkpoint."""
    if is_main_process():
        model = load_conditioner(run.out / MODEL_FOLDER)
        load_ema_checkpoint(run.work / "refined.pt", model)
        save_conditioner(model, run.out)


def trace_paths(run: Run) -> None:
    """Follow the finished model from noise to pictures; writes `paths-*.pt`.

    A file that exists is kept, so that the stage can be resumed.
    """
    teacher = run.finished_model()
    rank = rank_and_world_size()[0]
    sizes = run.sample(run.paths, 8, PAIR_SCENE)
    for nth, (size, scenes) in enumerate(zip(SIZES, sizes, strict=True)):
        for start in range(0, len(scenes), PATHS_IN_FILE):
            file = run.work / f"paths-{rank}-{nth}-{start}.pt"
            if not file.exists():
                seed = PAINTED_SEEDS * (100 + rank) + 1000 * nth + start // PATHS_IN_FILE
                part = scenes[start : start + PATHS_IN_FILE]
                few_steps.save_paths(few_steps.trace(teacher, part, size, seed), file)


def train_student(run: Run) -> None:
    """Train the few-step student, which begins with the weights of the finished model."""
    rank = rank_and_world_size()[0]
    paths = [
        few_steps.load_paths(sorted(run.work.glob(f"paths-{rank}-{nth}-*.pt")))
        for nth in range(len(SIZES))
    ]
    teacher = run.finished_model()
    few_steps.train_student(
        teacher,
        copy.deepcopy(teacher.unet),
        [part for part in paths if part.prompts],
        run.config("student"),
        run.work,
        run.device,
    )


def save_student(run: Run) -> None:
    """Write the student as a checkpoint."""
    if is_main_process():
        student = denoiser.new_unet()
        load_ema_checkpoint(run.work / "student.pt", student)
        save_few_steps(student, run.out)


def train_decoder(run: Run) -> None:
    """Train the decoder further, for latents as the finished models paint them."""
    teacher = run.finished_model()
    student = denoiser.TextConditioner(
        teacher.tokenizer, teacher.text_encoder, load_few_steps(run.out)
    )
    small = partial(random_scene, unsafe=UNSAFE_SHARE, counts=DECODED_COUNTS, weights=PAIR_WEIGHTS)
    scenes = run.render(6_000, 9, small)
    single = partial(random_scene, unsafe=UNSAFE_SHARE, counts=(1,))
    rank, world_size = rank_and_world_size()
    for size in decoder.SMALL_SIZES:
        scenes.append(render_scenes(5_000 // world_size, size, 10 + 1000 * rank, single))
    decoder.train_decoder(
        run.finished_vae(),
        [teacher, student.to(run.device).eval()],
        scenes,
        run.config("decoder"),
        run.work,
        run.device,
    )


def save_trained_decoder(run: Run) -> None:
    """Write the VAE with the decoder of the last checkpoint."""
    if is_main_process():
        vae = run.finished_vae()
        load_ema_checkpoint(run.work / "decoder.pt", decoder.trained_parts(vae))
        save_decoder(vae, run.out)


def _conditioner() -> denoiser.TextConditioner:
    tokenizer = new_tokenizer()
    return denoiser.TextConditioner(tokenizer, new_text_encoder(tokenizer), denoiser.new_unet())


STAGES: Final[dict[str, Callable[[Run], None]]] = {
    "autoencoder": train_autoencoder_stage,
    "latents": encode_latents,
    "denoiser": train_denoiser_stage,
    "distill_guidance": distill_guidance,
    "paintings": paint,
    "checker": train_checker_stage,
    "classifier": train_classifier_stage,
    "save": save,
    "refine": refine,
    "save_refined": save_refined,
    "paths": trace_paths,
    "student": train_student,
    "save_student": save_student,
    "decoder": train_decoder,
    "save_decoder": save_trained_decoder,
    **STEERING_STAGES,
}


def main() -> None:
    """Run the stages of the command line."""
    parser = argparse.ArgumentParser(prog="python -m engine.starter.train", description=__doc__)
    parser.add_argument("--only", choices=STAGES, help="one stage (default: all)")
    parser.add_argument("--work", type=Path, default=Path(".train"), help="checkpoints")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="finished weights")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--scenes",
        type=int,
        default=64_000,
        help="training scenes of the UNet, or of what steers it",
    )
    parser.add_argument(
        "--paintings", type=int, default=6_000, help="pictures to paint for the checker"
    )
    parser.add_argument("--paths", type=int, default=12_000, help="paths for the student")
    parser.add_argument(
        "--batch", type=int, help="pictures in a batch of UNet, student (a GPU: 1024) or decoder"
    )
    parser.add_argument("--minutes", type=float, help="time of a training, instead of its steps")
    options = parser.parse_args()
    if options.minutes is not None and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        # Their clocks differ, and one that ends earlier leaves the others waiting for gradients.
        parser.error("--minutes is for a single process; without it, torchrun trains the steps")
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("gloo")
    torch.manual_seed(0)
    if torch.device(options.device).type != "cpu":  # many CPUs emulate it, far more slowly
        torch.set_float32_matmul_precision("high")
    options.work.mkdir(parents=True, exist_ok=True)
    run = Run(
        options.work,
        options.out,
        torch.device(options.device),
        options.scenes,
        options.paintings,
        options.paths,
        options.batch,
        options.minutes,
    )
    try:
        for name, stage in STAGES.items():
            if options.only in (None, name):
                stage(run)
    except EngineError as error:
        parser.exit(error.exit, f"{error}\n")


if __name__ == "__main__":
    main()
