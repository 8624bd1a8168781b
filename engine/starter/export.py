"""Export checkpoints as the diffusers folder that is part of the project."""

from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from engine.errors import UsageError
from engine.models.checkpoint_loading import load_from_checkpoint
from engine.starter.checkpoint import text_encoder_tensors, unet_tensors
from engine.starter.denoiser import TextConditioner, new_scheduler
from engine.starter.safety import new_checker, new_feature_extractor
from engine.starter.scene_classifier import CLASSIFIER_FILE, SceneClassifier
from engine.starter.trainer import load_ema
from engine.weights.checkpoints import read_checkpoint
from engine.weights.model_folder import FEW_STEP_STARTER_FILE

MODEL_FOLDER: Final = "model"
EDIT_FILE: Final = "starter-edit.safetensors"
"""The variant for edits by words, in MODEL_FOLDER."""


def save_model(work: Path, out: Path, conditioner: TextConditioner) -> None:
    """Write `out/model` from the checkpoints in `work`. Raises UsageError if one is missing.

    UNet and VAE are stored in fp16, and diffusers loads them in fp32 by default. The two components
    of transformers are stored in fp32, because transformers loads the stored dtype.
    """
    checker = new_checker()
    checkpoint = written_by_a_stage(work / "checker-final.pt")
    checker.load_state_dict(torch.load(checkpoint, "cpu", weights_only=True))
    pipeline = assemble(work, conditioner, checker)
    pipeline.unet.half()
    pipeline.vae.half()
    pipeline.save_pretrained(out / MODEL_FOLDER)


def assemble(
    work: Path,
    conditioner: TextConditioner,
    checker: StableDiffusionSafetyChecker | None = None,
) -> StableDiffusionPipeline:
    """The pipeline with the weights of the checkpoints in `work`, in fp32. Raises UsageError if one
    of them is missing."""
    vae = written_by_a_stage(work / "vae")
    load_ema_checkpoint(work / "distilled.pt", conditioner)
    return StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(vae, use_safetensors=True),
        text_encoder=conditioner.text_encoder,
        tokenizer=conditioner.tokenizer,
        unet=conditioner.unet,
        scheduler=new_scheduler(),
        safety_checker=checker,
        feature_extractor=new_feature_extractor(),
        requires_safety_checker=checker is not None,
    )


def load_conditioner(folder: Path) -> TextConditioner:
    """Text encoder and UNet of the model in this folder, in fp32."""
    return TextConditioner(
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        CLIPTextModel.from_pretrained(folder / "text_encoder", use_safetensors=True),
        UNet2DConditionModel.from_pretrained(folder / "unet", use_safetensors=True),
    )


def save_conditioner(model: TextConditioner, out: Path) -> None:
    """Write text encoder and UNet of the finished model, the UNet in fp16."""
    folder = out / MODEL_FOLDER
    model.text_encoder.save_pretrained(folder / "text_encoder")
    model.unet.half().save_pretrained(folder / "unet")


def save_few_steps(student: UNet2DConditionModel, out: Path) -> None:
    """Write the few-step student as a checkpoint with its UNet alone, in fp16."""
    _save_checkpoint(unet_tensors(student), out / MODEL_FOLDER / FEW_STEP_STARTER_FILE.name)


def save_edit(model: TextConditioner, out: Path) -> None:
    """Write the variant for edits as a checkpoint with its UNet and its text encoder, in fp16."""
    tensors = unet_tensors(model.unet) | text_encoder_tensors(model.text_encoder)
    _save_checkpoint(tensors, out / MODEL_FOLDER / EDIT_FILE)


def load_edit(out: Path) -> TextConditioner:
    """The networks that `save_edit` wrote, in fp32."""
    folder = out / MODEL_FOLDER
    checkpoint = read_checkpoint(folder / EDIT_FILE, EDIT_FILE)
    return TextConditioner(
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        load_from_checkpoint(
            CLIPTextModel, checkpoint, "text_encoder", folder / "text_encoder", torch.float32
        ),
        load_from_checkpoint(
            UNet2DConditionModel, checkpoint, "unet", folder / "unet", torch.float32
        ),
    )


def _save_checkpoint(tensors: dict[str, Tensor], file: Path) -> None:
    save_file(
        {name: tensor.half().cpu().contiguous() for name, tensor in tensors.items()},
        file,
        {"modelspec.license": "mit"},
    )


def load_few_steps(out: Path) -> UNet2DConditionModel:
    """The UNet that `save_few_steps` wrote, in fp32."""
    folder = out / MODEL_FOLDER
    file = folder / FEW_STEP_STARTER_FILE.name
    return load_from_checkpoint(
        UNet2DConditionModel,
        read_checkpoint(file, file.stem),
        "unet",
        folder / "unet",
        torch.float32,
    )


def save_decoder(vae: AutoencoderKL, out: Path) -> None:
    """Write the VAE of the finished model, in fp16."""
    vae.half().save_pretrained(out / MODEL_FOLDER / "vae")


def save_classifier(classifier: SceneClassifier, out: Path) -> None:
    """Write the classifier, in fp16."""
    save_file(
        {k: v.half().contiguous() for k, v in classifier.state_dict().items()},
        out / CLASSIFIER_FILE,
    )


def load_ema_checkpoint(checkpoint: Path, module: nn.Module) -> None:
    """Load the averaged weights of a checkpoint, whatever device it was made on. Raises UsageError
    if it does not exist."""
    checkpoint = written_by_a_stage(checkpoint)
    state: dict[str, Any] = torch.load(checkpoint, "cpu", weights_only=True)
    load_ema(module.parameters(), state["averages"])


def written_by_a_stage(path: Path) -> Path:
    """The path. Raises UsageError if there is nothing, since untrained weights are of no use."""
    if not path.exists():
        raise UsageError(
            f"{path} does not exist: first run the stage of the training that writes it."
        )
    return path
