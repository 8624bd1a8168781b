"""The starter's image encoder and IP-Adapter, which take a picture as an example."""

from pathlib import Path
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from engine.starter.caption_tokens import tokens_of
from engine.starter.denoiser import TextConditioner
from engine.starter.safety import MEAN, SIDE, STD
from engine.starter.steering.batches import SteeringBatch, SteeringSampler, guided_loss
from engine.starter.steering.data import Part
from engine.starter.steering.examples import LABEL_SIZES
from engine.starter.text_encoder import WIDTH
from engine.starter.trainer import TrainingConfig, autocast, train

EMBEDDING: Final = 192
"""Numbers in the embedding of a picture."""
IMAGE_TOKENS: Final = 4
"""Of the original IP-Adapter; diffusers expects so many."""
ENCODER_WIDTH: Final = 128
ADAPTER_FOLDER: Final = "ip_adapter"
ADAPTER_FILE: Final = "ip-adapter.safetensors"
ENCODER_FOLDER: Final = "image_encoder"
WORDLESS_SHARE: Final = 0.65
"""Share of the pictures without prompt, among those whose example has the same scene."""
PICTURELESS_SHARE: Final = 0.1
"""Share of the pictures without example."""
LABEL_WEIGHT: Final = 0.05
"""Weight of the loss of the classes that the embedding must show."""


def new_image_encoder() -> CLIPVisionModelWithProjection:
    """An untrained vision tower, whose input is that of the safety checker: (3, SIDE, SIDE)."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=ENCODER_WIDTH,
            intermediate_size=ENCODER_WIDTH * 4,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=SIDE,
            patch_size=8,
            projection_dim=EMBEDDING,
        )
    )


class ImageAdapter(nn.Module):
    """The trained parts: the image encoder, classifiers of its embeddings, and the parts of an
    IP-Adapter, which are in the UNet."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        unet._load_ip_adapter_weights([new_adapter_weights(unet)], low_cpu_mem_usage=False)
        self.image_encoder = new_image_encoder()
        self.heads = nn.ModuleList(nn.Linear(EMBEDDING, count) for count in LABEL_SIZES)
        self.projection = unet.encoder_hid_proj
        self.attention = nn.ModuleList(
            processor for processor in unet.attn_processors.values() if _is_adapted(processor)
        )

    def embeds(self, pixels: Tensor) -> Tensor:
        """The embeddings, (n, EMBEDDING), of normalised pictures, (n, 3, SIDE, SIDE)."""
        image_embeds: Tensor = self.image_encoder(pixels).image_embeds
        return image_embeds

    def label_loss(self, image_embeds: Tensor, labels: Tensor) -> Tensor:
        """The loss of the classes, (n, len(LABEL_SIZES)), of these embeddings."""
        losses = [
            F.cross_entropy(head(image_embeds), labels[:, i]) for i, head in enumerate(self.heads)
        ]
        return torch.stack(losses).sum()

    def tensors(self) -> dict[str, Tensor]:
        """The weights by their names in the files of the IP-Adapter project."""
        layer = self.projection.image_projection_layers[0]
        named = {
            f"image_proj.{name.replace('image_embeds', 'proj')}": tensor
            for name, tensor in layer.state_dict().items()
        }
        for i, processor in enumerate(self.attention):
            for key in ("to_k_ip", "to_v_ip"):
                named[f"ip_adapter.{2 * i + 1}.{key}.weight"] = getattr(processor, key)[0].weight
        return named


def _is_adapted(processor: object) -> bool:
    return hasattr(processor, "to_k_ip")


def new_adapter_weights(unet: UNet2DConditionModel) -> dict[str, dict[str, Tensor]]:
    """Untrained weights of an IP-Adapter: those of the UNet's attention to prompts."""
    projection = nn.Linear(EMBEDDING, IMAGE_TOKENS * WIDTH)
    image_proj = {f"proj.{name}": tensor.data for name, tensor in projection.named_parameters()}
    image_proj |= {"norm.weight": torch.ones(WIDTH), "norm.bias": torch.zeros(WIDTH)}
    attention = {}
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for i, name in enumerate(names):
        layer = unet.get_submodule(name.removesuffix(".processor"))
        attention[f"{2 * i + 1}.to_k_ip.weight"] = layer.to_k.weight.detach().clone()
        attention[f"{2 * i + 1}.to_v_ip.weight"] = layer.to_v.weight.detach().clone() * 0.1
    return {"image_proj": image_proj, "ip_adapter": attention}


def train_image_encoder(
    adapter: ImageAdapter,
    parts: list[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train the encoder alone, so that its embeddings show what is in a picture."""
    sampler = SteeringSampler(parts, "latents", ("examples", "labels"), config.batch, device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        nth = batch.below(2)
        pixels = _pixels(batch, nth)
        with autocast(device):
            image_embeds = adapter.embeds(pixels)
        return adapter.label_loss(image_embeds.float(), _rows(batch, "labels", nth))

    adapter.to(device).train()
    parameters = [*adapter.image_encoder.parameters(), *adapter.heads.parameters()]
    train("image_encoder", adapter, loss_at, config, folder, parameters=parameters)


def train_image_adapter(
    model: TextConditioner,
    adapter: ImageAdapter,
    parts: list[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train encoder and adapter; all else of the model, whose UNet has the adapter's parts, is
    unchanged."""
    names = ("examples", "labels", "prompts")
    sampler = SteeringSampler(parts, "latents", names, config.batch, device)
    model.to(device).eval().requires_grad_(False)
    adapter.to(device).requires_grad_(True).train()
    empty = tokens_of(model.tokenizer, [""]).to(device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        nth = batch.below(2)
        tokens = batch.one_of(_rows(batch, "prompts", nth)).long()
        is_wordless = (nth == 0)[:, None] & (batch.chances() < WORDLESS_SHARE)
        tokens = torch.where(is_wordless, empty, tokens)
        is_pictureless = batch.chances() < PICTURELESS_SHARE
        pixels = _pixels(batch, nth)
        with autocast(device):
            image_embeds = adapter.embeds(pixels).float()
            embeds = model.text_encoder(torch.cat([empty.expand_as(tokens), tokens]))
        image_input = torch.where(is_pictureless, 0.0, image_embeds)
        image_input = torch.cat([torch.zeros_like(image_input), image_input])[:, None]

        def predict(noisy: Tensor, timesteps: Tensor) -> Tensor:
            with autocast(device):
                predicted: Tensor = model.unet(
                    noisy,
                    timesteps,
                    embeds.last_hidden_state,
                    added_cond_kwargs={"image_embeds": [image_input]},
                ).sample
            return predicted

        loss = guided_loss(batch, predict)
        return loss + LABEL_WEIGHT * adapter.label_loss(image_embeds, _rows(batch, "labels", nth))

    train("image_adapter", adapter, loss_at, config, folder)
    adapter.eval()


def _rows(batch: SteeringBatch, name: str, nth: Tensor) -> Tensor:
    """The rows, (n, ...), of the chosen examples."""
    return batch.rows[name][torch.arange(len(nth), device=nth.device), nth]


def _pixels(batch: SteeringBatch, nth: Tensor) -> Tensor:
    """The chosen examples as the encoder's input, with a little noise and other contrast."""
    pixels = _rows(batch, "examples", nth).float() / 255
    noise = torch.randn(pixels.shape, generator=batch.generator, device=pixels.device)
    contrast = 0.9 + 0.2 * batch.chances()[:, :, None, None]
    strength = 0.05 * batch.chances()[:, :, None, None]
    pixels = ((pixels - 0.5) * contrast + 0.5 + strength * noise).clamp(0, 1)
    return (pixels - MEAN[0]) / STD[0]


def save_image_adapter(adapter: ImageAdapter, out: Path) -> None:
    """Write adapter and image encoder, in fp16."""
    folder = out / ADAPTER_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.half().cpu().contiguous() for name, tensor in adapter.tensors().items()},
        folder / ADAPTER_FILE,
        {"modelspec.license": "mit"},
    )
    adapter.image_encoder.half().save_pretrained(folder / ENCODER_FOLDER)
