"""The starter's variant for edits by words (InstructPix2Pix), and its training."""

import copy
from pathlib import Path
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from engine.starter.autoencoder import CHANNELS
from engine.starter.denoiser import GUIDANCE_RATIO, TextConditioner
from engine.starter.steering.data import Part
from engine.starter.steering.edit_batches import Pairs, PairSampler
from engine.starter.steering.instruction_labels import LABEL_SIZES, UNSTATED
from engine.starter.text_encoder import WIDTH
from engine.starter.trainer import TrainingConfig, autocast, train

WORDLESS_EVERY: Final = 4
"""One step in so many trains without instructions."""
DROPPED: Final = 0.25
"""Share of the pictures without source, in steps without instructions (Brooks et al. 2023, arXiv
2211.09800, section 3.2.1)."""
LABEL_WEIGHT: Final = 0.05
"""Weight of the loss of the classes that the instruction's embedding must show."""
KEPT_WEIGHT: Final = 0.3
"""Weight of the loss that keeps embeddings as they were, as long as no UNet is trained."""


def new_edit_unet(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The UNet with as many input channels more, for the source's latents, which have no effect
    yet."""
    edit = UNet2DConditionModel.from_config(unet.config, in_channels=2 * CHANNELS)
    weights = unet.state_dict()
    widened = torch.zeros_like(edit.conv_in.weight)
    widened[:, :CHANNELS] = weights["conv_in.weight"]
    edit.load_state_dict(weights | {"conv_in.weight": widened})
    return edit


class EditTraining(nn.Module):
    """The trained parts: the UNet, a text encoder of its own, because that of the starter has
    learned to overlook words such as `replace`, and classifiers of its embeddings."""

    def __init__(self, model: TextConditioner) -> None:
        super().__init__()
        self.text_encoder, self.unet = model.text_encoder, model.unet
        self.heads = nn.ModuleList(nn.Linear(WIDTH, count) for count in LABEL_SIZES)

    def label_loss(self, embeds: Tensor, tokens: Tensor, labels: Tensor) -> Tensor:
        """The loss of the classes, (n, len(LABEL_SIZES)), of embedded instructions, from their
        first end token, which follows all their words."""
        ends = (tokens == self.text_encoder.config.eos_token_id).int().argmax(dim=1)
        last = embeds[torch.arange(len(embeds), device=embeds.device), ends]
        losses = [
            F.cross_entropy(head(last), labels[:, i], ignore_index=UNSTATED, reduction="sum")
            for i, head in enumerate(self.heads)
        ]
        return torch.stack(losses).sum() / len(labels)


def train_instructions(
    training: EditTraining,
    parts: list[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train the text encoder alone, so that its embeddings show what an instruction asks for."""
    sampler = PairSampler(parts, config.batch, device)
    training.to(device)
    original = copy.deepcopy(training.text_encoder).eval()

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        tokens, labels = sampler.sample_instructions(generator)
        with torch.no_grad():
            before = original(tokens).last_hidden_state
        embeds = training.text_encoder(tokens).last_hidden_state
        drift = F.mse_loss(embeds, before)
        return training.label_loss(embeds, tokens, labels) + KEPT_WEIGHT * drift

    parameters = [*training.text_encoder.parameters(), *training.heads.parameters()]
    training.text_encoder.train()
    train("instructions", training, loss_at, config, folder, parameters=parameters)


def train_edit(
    training: EditTraining,
    empty: Tensor,
    parts: list[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train UNet and text encoder to edit pictures by instructions; `empty` are the tokens, (1,
    MAX_TOKENS), of the empty prompt.

    With an instruction, the target is GUIDANCE_RATIO times as far from the prediction without it
    as the noise, which distils guidance as `denoiser.distill_guidance` does.
    """
    sampler = PairSampler(parts, config.batch, device)
    training.to(device).unet.to(memory_format=torch.channels_last)
    empty = empty.to(device)

    def predict(batch: Pairs, embeds: Tensor) -> Tensor:
        inputs = torch.cat([batch.noisy, batch.source], dim=1)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with autocast(device):
            predicted: Tensor = training.unet(inputs, batch.timesteps, embeds).sample
        return predicted.float()

    def without_words(batch: Pairs) -> Tensor:
        embeds = training.text_encoder(empty).last_hidden_state
        return predict(batch, embeds.expand(len(batch.noisy), -1, -1))

    def loss_at(step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        if step % WORDLESS_EVERY == WORDLESS_EVERY - 1:
            batch = batch.without_some_sources(DROPPED)
            return batch.loss(without_words(batch), batch.noise)
        with torch.no_grad():
            noise_pred_image = without_words(batch)
        target = torch.lerp(noise_pred_image, batch.noise, GUIDANCE_RATIO)
        embeds = training.text_encoder(batch.tokens).last_hidden_state
        loss = batch.loss(predict(batch, embeds), target) / GUIDANCE_RATIO**2
        return loss + LABEL_WEIGHT * training.label_loss(embeds, batch.tokens, batch.labels)

    training.train()
    train("edit", training, loss_at, config, folder)
    training.eval()
