"""From checkpoints to the plain diffusers folder that the project ships."""

from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from engine.starter.autoencoder import new_autoencoder
from engine.starter.denoiser import Reader, new_scheduler
from engine.starter.evaluator import Judge
from engine.starter.safety import new_checker, new_feature_extractor
from engine.starter.trainer import adopt

MODEL_FOLDER: Final = "model"
JUDGE_FILE: Final = "judge.safetensors"


def save_model(work: Path, out: Path, reader: Reader) -> None:
    """Write `out/model` from the checkpoints in `work`; a stage not yet run stays untrained.

    UNet and VAE are stored in fp16, and diffusers loads them in fp32 unless told otherwise; the
    two transformers parts are stored in fp32, because transformers loads a part as it is stored.
    """
    pipeline = assemble(work, reader)
    pipeline.unet.half()
    pipeline.vae.half()
    pipeline.save_pretrained(out / MODEL_FOLDER)


def assemble(work: Path, reader: Reader) -> StableDiffusionPipeline:
    """The model as far as the checkpoints in `work` go, in fp32."""
    for stage in ("denoiser", "tempered"):
        adopt_average(work / f"{stage}.pt", reader)
    checker = new_checker()
    if (work / "checker-final.pt").exists():
        checker.load_state_dict(torch.load(work / "checker-final.pt", weights_only=True))
    return StableDiffusionPipeline(
        vae=_vae(work),
        text_encoder=reader.text_encoder,
        tokenizer=reader.tokenizer,
        unet=reader.unet,
        scheduler=new_scheduler(),
        safety_checker=checker,
        feature_extractor=new_feature_extractor(),
    )


def save_judge(judge: Judge, out: Path) -> None:
    """Write the classifier, in fp16."""
    save_file({k: v.half().contiguous() for k, v in judge.state_dict().items()}, out / JUDGE_FILE)


def load_judge(folder: Path) -> Judge:
    """The classifier as `save_judge` wrote it, in fp32."""
    judge = Judge()
    judge.load_state_dict({k: v.float() for k, v in load_file(folder / JUDGE_FILE).items()})
    return judge.eval()


def _vae(work: Path) -> AutoencoderKL:
    folder = work / "vae"
    if not folder.exists():
        return new_autoencoder()
    return AutoencoderKL.from_pretrained(folder, use_safetensors=True)


def adopt_average(checkpoint: Path, reader: Reader) -> None:
    """Give the reader the averaged weights of a checkpoint, if there is one."""
    if not checkpoint.exists():
        return
    state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    adopt(reader.parameters(), state["averages"])
