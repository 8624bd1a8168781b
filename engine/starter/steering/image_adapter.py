"""The starter's image encoder and IP-Adapter, which take a picture as an example."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from engine.starter.safety import MEAN, SIDE, STD
from engine.starter.steering.batches import SteeringBatch, SteeringSampler
from engine.starter.steering.data import Part
from engine.starter.steering.examples import LABEL_SIZES
from engine.starter.text_encoder import WIDTH
from engine.starter.trainer import TrainingConfig, autocast, train

EMBEDDING: Final = 192
"""Numbers in the embedding of a picture."""
IMAGE_TOKENS: Final = 4
"""Of the original IP-Adapter; diffusers expects so many."""
CODE: Final = 4.0
"""The number in an embedding that says that a picture is of a class."""
ENCODER_WIDTH: Final = 128
ADAPTER_FOLDER: Final = "ip_adapter"
ADAPTER_FILE: Final = "ip-adapter.safetensors"
ENCODER_FOLDER: Final = "image_encoder"


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
    """The trained parts: the image encoder, and the parts of an IP-Adapter, which are in all of
    these UNets of one architecture.

    The image tokens have no bias, so that the embedding 0, which pipelines use for the negative
    prompt, has no effect at all.
    """

    def __init__(self, unets: Sequence[UNet2DConditionModel], folder: Path | None = None) -> None:
        """With the weights in `folder`, as far as there are any, else with untrained ones."""
        super().__init__()
        self.image_encoder = _image_encoder(folder)
        first, *others = unets
        stored = None if folder is None else folder / ADAPTER_FOLDER / ADAPTER_FILE
        weights = new_adapter_weights(first)
        if stored is not None and stored.exists():
            weights = read_adapter_weights(stored)
        for unet in unets:
            unet._load_ip_adapter_weights([weights], low_cpu_mem_usage=False)
        self.projection = first.encoder_hid_proj
        self.attention = nn.ModuleList(_adapted(first).values())
        for unet in others:
            unet.encoder_hid_proj = self.projection
            for name, processor in _adapted(unet).items():
                shared = first.attn_processors[name]
                processor.to_k_ip, processor.to_v_ip = shared.to_k_ip, shared.to_v_ip
        layer = self.projection.image_projection_layers[0]
        self._biases = (layer.image_embeds.bias, layer.norm.bias)
        with torch.no_grad():
            for bias in self._biases:
                bias.zero_()

    def adapter_parameters(self) -> list[nn.Parameter]:
        """What the training of the IP-Adapter changes."""
        fixed = {id(bias) for bias in self._biases}
        modules = (self.projection, self.attention)
        return [p for module in modules for p in module.parameters() if id(p) not in fixed]

    def embeds(self, pixels: Tensor) -> Tensor:
        """The embeddings, (n, EMBEDDING), of normalised pictures, (n, 3, SIDE, SIDE)."""
        image_embeds: Tensor = self.image_encoder(pixels).image_embeds
        return image_embeds

    def image_tokens(self, image_embeds: Tensor) -> Tensor:
        """The tokens, (n, IMAGE_TOKENS, WIDTH), of embeddings, (n, EMBEDDING)."""
        tokens: Tensor = self.projection.image_projection_layers[0](image_embeds)
        return tokens

    def keys_and_values(self, nth: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Those, (n, IMAGE_TOKENS, width), of image tokens in the nth attention layer."""
        processor = self.attention[nth]
        return processor.to_k_ip[0](tokens), processor.to_v_ip[0](tokens)  # type: ignore[index, operator]

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


def _image_encoder(folder: Path | None) -> CLIPVisionModelWithProjection:
    stored = None if folder is None else folder / ADAPTER_FOLDER / ENCODER_FOLDER
    if stored is None or not stored.exists():
        return new_image_encoder()
    loaded = CLIPVisionModelWithProjection.from_pretrained(stored, use_safetensors=True)
    return loaded.float()


def _adapted(unet: UNet2DConditionModel) -> dict[str, nn.Module]:
    """The attention processors with parts of an IP-Adapter, by name."""
    processors = unet.attn_processors
    return {name: p for name, p in processors.items() if hasattr(p, "to_k_ip")}


def new_adapter_weights(unet: UNet2DConditionModel) -> dict[str, dict[str, Tensor]]:
    """Untrained weights of an IP-Adapter: those of the UNet's attention to prompts."""
    projection = nn.Linear(EMBEDDING, IMAGE_TOKENS * WIDTH)
    image_proj = {f"proj.{name}": tensor.data for name, tensor in projection.named_parameters()}
    image_proj |= {"norm.weight": torch.ones(WIDTH), "norm.bias": torch.zeros(WIDTH)}
    attention = {}
    for i, layer in enumerate(cross_attention(unet)):
        attention[f"{2 * i + 1}.to_k_ip.weight"] = layer.to_k.weight.detach().clone()
        attention[f"{2 * i + 1}.to_v_ip.weight"] = layer.to_v.weight.detach().clone() * 0.1
    return {"image_proj": image_proj, "ip_adapter": attention}


def read_adapter_weights(file: Path) -> dict[str, dict[str, Tensor]]:
    """The weights that `save_image_adapter` wrote, in fp32."""
    weights: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(file).items():
        group, key = name.split(".", 1)
        weights[group][key] = tensor.float()
    return weights


def cross_attention(unet: UNet2DConditionModel) -> list[Attention]:
    """The layers that attend to prompts, in the order of the attention processors."""
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    return [unet.get_submodule(name.removesuffix(".processor")) for name in names]


def codes(labels: Tensor) -> Tensor:
    """The embeddings, (n, EMBEDDING), of pictures of these classes, (n, len(LABEL_SIZES)): CODE for
    each class of a picture, and otherwise 0. So all classes are equally easy to learn from, and
    nothing else is in an embedding."""
    columns = [F.one_hot(labels[:, i], count) for i, count in enumerate(LABEL_SIZES)]
    code = CODE * torch.cat(columns, dim=1).float()
    return F.pad(code, (0, EMBEDDING - code.shape[1]))


def train_image_encoder(
    adapter: ImageAdapter,
    parts: list[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train the encoder, so that its embeddings are the codes of what is in a picture."""
    sampler = SteeringSampler(parts, "latents", ("examples", "labels"), config.batch, device)

    def loss_at(_step: int, generator: torch.Generator) -> Tensor:
        batch = sampler.sample(generator)
        nth = batch.below(2)
        pixels = example_pixels(batch, nth)
        with autocast(device):
            image_embeds = adapter.embeds(pixels)
        return F.mse_loss(image_embeds.float(), codes(chosen_rows(batch, "labels", nth)))

    adapter.to(device).train()
    parameters = adapter.image_encoder.parameters()
    train("image_encoder", adapter, loss_at, config, folder, parameters=parameters)
    adapter.eval()


def chosen_rows(batch: SteeringBatch, name: str, nth: Tensor) -> Tensor:
    """The rows, (n, ...), of the chosen examples."""
    return batch.rows[name][torch.arange(len(nth), device=nth.device), nth]


def example_pixels(batch: SteeringBatch, nth: Tensor) -> Tensor:
    """The chosen examples as the encoder's input, with a little noise and other contrast."""
    pixels = chosen_rows(batch, "examples", nth).float() / 255
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
