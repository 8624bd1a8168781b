"""Train the starter's IP-Adapter: with an example, a UNet must do what it does with the caption.

The teachers are the UNets themselves, the starter's and the few-step student's, with the caption of
the wanted scene and without example. First the adapter's attention learns what theirs to the
caption adds to that to the prompt, from records, so that no UNet runs (`train_attention`); then it
learns their noise predictions as a whole (`train_predictions`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from engine.starter.caption_tokens import tokens_of
from engine.starter.few_steps import GUIDANCE, StepTargets
from engine.starter.steering.batches import SteeringBatch, SteeringSampler
from engine.starter.steering.data import Part
from engine.starter.steering.examples import plain_caption, scene_of
from engine.starter.steering.image_adapter import (
    ImageAdapter,
    chosen_rows,
    codes,
    cross_attention,
    example_pixels,
)
from engine.starter.trainer import TrainingConfig, autocast, train

CHANGED_SHARE: Final = 0.25
"""Share of the examples of another scene than the wanted one, of which the prompt says what
differs."""
WORDLESS_SHARE: Final = 0.8
"""Share without prompt, among the examples of the wanted scene."""
STRENGTHS: Final = (GUIDANCE, 1.0)
"""How many times an error of each UNet's prediction is in what its sampler uses: the starter paints
with guidance, the few-step student without."""
RECORDS: Final = 4_000
"""Rows that are recorded of each UNet."""
RECORDED: Final = 32
"""Rows that are recorded in one forward pass."""
_SEED: Final = 31
"""Of the records."""


@dataclass(frozen=True)
class Teachers:
    """The starter's UNet and the few-step student's, in this order, and what encodes prompts; none
    of them is changed."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unets: Sequence[UNet2DConditionModel]


@dataclass(frozen=True)
class Conditions:
    """What a UNet paints from, and what it must paint, of n rows."""

    image_embeds: Tensor
    codes: Tensor
    """(n, EMBEDDING): those that the encoder has of the examples, and those that it should have."""
    prompt_embeds: Tensor
    caption_embeds: Tensor
    """(n, MAX_TOKENS, WIDTH), of the prompt and of the full caption of the wanted scene."""


@dataclass(frozen=True)
class Records:
    """Of one UNet and n rows of one size: the codes of the examples, (n, EMBEDDING), and of each
    layer the queries and what attention to the caption adds to attention to the prompt, before
    the output's projection, (n, positions, width); all fp16."""

    codes: Tensor
    queries: list[Tensor]
    differences: list[Tensor]


class _Source:
    """Samples rows for each UNet, with the noise of its sampler's timesteps."""

    def __init__(
        self,
        teachers: Teachers,
        adapter: ImageAdapter,
        parts: Sequence[Part],
        batch: int,
        device: torch.device,
    ) -> None:
        names = ("examples", "labels", "prompts", "captions")
        captioned = [part | {"captions": _captions(teachers, part)} for part in parts]
        self._samplers = [
            SteeringSampler(captioned, "latents", names, batch, device, timesteps)
            for timesteps in (None, StepTargets().timesteps)
        ]
        self._teachers, self._adapter, self._device = teachers, adapter, device
        self._empty = tokens_of(teachers.tokenizer, [""]).to(device)

    @torch.no_grad()
    def sample(self, nth: int, generator: torch.Generator) -> tuple[SteeringBatch, Conditions]:
        """A batch for the nth UNet."""
        batch = self._samplers[nth].sample(generator)
        is_changed = batch.chances()[:, 0] < CHANGED_SHARE
        examples = is_changed.long()
        prompts = batch.one_of(chosen_rows(batch, "prompts", examples)).long()
        is_wordless = ~is_changed & (batch.chances()[:, 0] < WORDLESS_SHARE)
        prompts = torch.where(is_wordless[:, None], self._empty, prompts)
        with autocast(self._device):
            image_embeds = self._adapter.embeds(example_pixels(batch, examples))
            tokens = torch.cat([prompts, batch.rows["captions"].long()])
            embeds = self._teachers.text_encoder(tokens).last_hidden_state
        code_targets = codes(chosen_rows(batch, "labels", examples))
        return batch, Conditions(image_embeds.float(), code_targets, *embeds.float().chunk(2))


def _captions(teachers: Teachers, part: Part) -> Tensor:
    """The tokens, (n, MAX_TOKENS), of the full captions of a part's scenes."""
    scenes = [scene_of(classes) for classes in part["labels"][:, 0].tolist()]
    return tokens_of(teachers.tokenizer, [plain_caption(scene) for scene in scenes])


def train_attention(
    teachers: Teachers,
    adapter: ImageAdapter,
    parts: Sequence[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train the adapter's attention on records of both UNets. Image encoder and UNets are
    unchanged."""
    freeze(teachers, adapter, device)

    @cache  # a training that is complete needs no records
    def records() -> list[tuple[int, Records, list[Tensor]]]:
        source = _Source(teachers, adapter, parts, RECORDED, device)
        return [
            (nth, part, _scales(unet, part))
            for nth, unet in enumerate(teachers.unets)
            for part in _recorded(source, unet, nth)
        ]

    def loss_at(step: int, generator: torch.Generator) -> Tensor:
        chosen = [part for part in records() if part[0] == step % len(teachers.unets)]
        sizes = torch.tensor([float(len(part.codes)) for _, part, _ in chosen])
        nth, part, scales = chosen[int(torch.multinomial(sizes, 1, generator=generator))]
        rows = torch.randint(len(part.codes), (config.batch,), generator=generator)
        rows = rows.to(device)
        tokens = adapter.image_tokens(part.codes[rows].float())
        losses = []
        for i, layer in enumerate(cross_attention(teachers.unets[nth])):
            query, difference = part.queries[i][rows].float(), part.differences[i][rows].float()
            added = attention(layer, query, *adapter.keys_and_values(i, tokens))
            losses.append(_projected(layer, added - difference) / scales[i])
        return torch.stack(losses).mean()

    train(
        "image_adapter", adapter, loss_at, config, folder, parameters=adapter.adapter_parameters()
    )


def train_predictions(
    teachers: Teachers,
    adapter: ImageAdapter,
    parts: Sequence[Part],
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
) -> None:
    """Train the adapter, so that the noise predictions with an example are as those with the
    caption. Image encoder and UNets are unchanged."""
    freeze(teachers, adapter, device)
    source = cache(lambda: _Source(teachers, adapter, parts, config.batch, device))

    def loss_at(step: int, generator: torch.Generator) -> Tensor:
        nth = step % len(teachers.unets)
        batch, conditions = source().sample(nth, generator)

        def predict(prompt_embeds: Tensor, image_embeds: Tensor) -> Tensor:
            added = {"image_embeds": [image_embeds[:, None]]}
            unet = teachers.unets[nth]
            with autocast(device):
                predicted: Tensor = unet(
                    batch.noisy, batch.timesteps, prompt_embeds, added_cond_kwargs=added
                ).sample
            return predicted.float()

        nothing = torch.zeros_like(conditions.image_embeds)
        with torch.no_grad():
            target = predict(conditions.caption_embeds, nothing)
        predicted = predict(conditions.prompt_embeds, conditions.image_embeds)
        errors = (STRENGTHS[nth] * (predicted - target)).square().mean(dim=1)
        return (errors * batch.weights).mean()

    parameters = adapter.adapter_parameters()
    train("image_adapter_whole", adapter, loss_at, config, folder, parameters=parameters)


def freeze(teachers: Teachers, adapter: ImageAdapter, device: torch.device) -> None:
    """Let gradients reach the adapter's own parameters only, and move all to the device."""
    for network in (teachers.text_encoder, *teachers.unets, adapter):
        network.to(device).eval().requires_grad_(False)
    for parameter in adapter.adapter_parameters():
        parameter.requires_grad_()


def attention(layer: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The layer's attention, (n, positions, width), before the output's projection."""
    heads = [x.unflatten(-1, (layer.heads, -1)).transpose(1, 2) for x in (query, key, value)]
    return F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


def _recorded(source: _Source, unet: UNet2DConditionModel, nth: int) -> list[Records]:
    """Records of rows of the nth UNet: one for each size of pictures."""
    parts: dict[torch.Size, list[Records]] = {}
    for step in range(-(-RECORDS // RECORDED)):
        generator = torch.Generator().manual_seed(_SEED * 1_000_003 + 2 * step + nth)
        batch, conditions = source.sample(nth, generator)
        recorded = record_attention(unet, batch.noisy, batch.timesteps, conditions)
        parts.setdefault(batch.noisy.shape, []).append(recorded)
    return [_joined(records) for records in parts.values()]


@torch.no_grad()
def record_attention(
    unet: UNet2DConditionModel, noisy: Tensor, timesteps: Tensor, conditions: Conditions
) -> Records:
    """Records of a forward pass with the captions and without examples."""
    nothing = torch.zeros_like(conditions.image_embeds)[:, None]
    layers = cross_attention(unet)
    watched = [_Watched(layer) for layer in layers]
    added = {"image_embeds": [nothing]}
    with autocast(noisy.device):
        unet(noisy, timesteps, conditions.caption_embeds, added_cond_kwargs=added)
    differences = []
    for layer, hooks in zip(layers, watched, strict=True):
        hooks.end()
        keys, values = (to(conditions.prompt_embeds) for to in (layer.to_k, layer.to_v))
        differences.append((hooks.attended - attention(layer, hooks.query, keys, values)).half())
    queries = [hooks.query.half() for hooks in watched]
    return Records(conditions.codes.half(), queries, differences)


class _Watched:
    """A layer's queries and what it attends to, before the output's projection, in one pass."""

    def __init__(self, layer: Attention) -> None:
        self.query = self.attended = torch.empty(0)
        self._hooks = [
            layer.to_q.register_forward_hook(self._keep_query),
            layer.to_out[0].register_forward_pre_hook(self._keep_attended),
        ]

    def _keep_query(self, _to_q: nn.Module, _inputs: object, query: Tensor) -> None:
        self.query = query.float()

    def _keep_attended(self, _to_out: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.attended = inputs[0].float()

    def end(self) -> None:
        """Remove the hooks."""
        for hook in self._hooks:
            hook.remove()


def _joined(records: Sequence[Records]) -> Records:
    def layers(of_rows: Iterable[list[Tensor]]) -> list[Tensor]:
        return [torch.cat(tensors) for tensors in zip(*of_rows, strict=True)]

    return Records(
        torch.cat([part.codes for part in records]),
        layers(part.queries for part in records),
        layers(part.differences for part in records),
    )


def _scales(unet: UNet2DConditionModel, records: Records) -> list[Tensor]:
    """The mean squared effect of the captions on each layer's output."""
    rows = zip(cross_attention(unet), records.differences, strict=True)
    with torch.no_grad():
        return [_projected(layer, difference[:256].float()) for layer, difference in rows]


def _projected(layer: Attention, attended: Tensor) -> Tensor:
    """The mean square of what the layer's projection makes of this."""
    return F.linear(attended, layer.to_out[0].weight).square().mean()
