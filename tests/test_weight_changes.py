"""LoHa, LoKr and DoRA: the pictures of weights that are changed as their authors say."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file

from engine.contract import Recipe
from engine.core.engine_core import EngineCore
from tests import tiny_model
from tests.diffusers_pipeline import assert_alike, text_image
from tests.engine_parts import job, load_engine_core, painted_images, recipe, rendered_images

_HOME: Final = TemporaryDirectory()
_RANK: Final = 2
_ALPHA: Final = 1.5
KINDS: Final = ("loha", "loha-tucker", "lokr", "lokr-tucker", "dora-rows", "lokr-dora-columns")
Tensors = dict[str, torch.Tensor]


class Writer:
    """Random tensors of one kind for the layers of a model, and the changes of their weights."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._generator = torch.Generator().manual_seed(KINDS.index(kind))

    def _random(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self._generator)

    def write(self, layer: Any) -> tuple[Tensors, torch.Tensor]:  # noqa: ANN401 - linear or Conv2d
        """The tensors for a layer, and the change of its weight."""
        weight = layer.weight.detach()
        size = 0.3 * float(weight.std())
        make = getattr(self, f"_{self._kind.partition('-')[0]}")
        tensors, change = make(weight.shape, size)
        change = change.reshape(weight.shape)
        if "dora" in self._kind:
            tensors["dora_scale"], change = self._normed(weight, change)
        return tensors, change

    def _normed(
        self, weight: torch.Tensor, change: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        axes = [axis for axis in range(weight.dim()) if axis != ("columns" in self._kind)]
        norm, changed = torch.linalg.vector_norm, weight + change
        norms = norm(weight, dim=axes, keepdim=True)
        norms = norms * (1 + 0.2 * self._random(*norms.shape).abs())
        return norms, changed * norms / norm(changed, dim=axes, keepdim=True) - weight

    def _dora(self, shape: torch.Size, size: float) -> tuple[Tensors, torch.Tensor]:
        outputs, inputs, *kernel = shape
        down = self._random(_RANK, inputs, *kernel)
        up = self._random(outputs, _RANK, *[1] * len(kernel)) * size
        change = up.flatten(1) @ down.flatten(1) * (_ALPHA / _RANK)
        return {"lora_down.weight": down, "lora_up.weight": up}, change

    def _loha(self, shape: torch.Size, size: float) -> tuple[Tensors, torch.Tensor]:
        tensors: Tensors = {}
        factors: list[torch.Tensor] = []
        for n in "12":
            a, b, core, factor = self._factor(shape, size**0.5)
            tensors |= {f"hada_w{n}_a": a, f"hada_w{n}_b": b}
            if core is not None:
                tensors[f"hada_t{n}"] = core
            factors.append(factor)
        return tensors, factors[0] * factors[1] * (_ALPHA / _RANK)

    def _lokr(self, shape: torch.Size, size: float) -> tuple[Tensors, torch.Tensor]:
        outputs, inputs, *kernel = shape
        first = self._random(2, 4) * size
        a, b, core, factor = self._factor((outputs // 2, inputs // 4, *kernel), 1.0)
        tensors = {"lokr_w1": first, "lokr_w2_a": a, "lokr_w2_b": b}
        if core is not None:
            tensors["lokr_t2"] = core
        second = factor.reshape(outputs // 2, inputs // 4, *kernel)
        change = torch.einsum("ac,bd...->abcd...", first, second)
        return tensors, change * (_ALPHA / _RANK)

    def _factor(
        self, shape: tuple[int, ...], size: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """Two matrices, the tensor between them, and their product."""
        outputs, inputs, *kernel = shape
        if "tucker" in self._kind and kernel == [3, 3]:
            a, b = self._random(_RANK, outputs) * size, self._random(_RANK, inputs)
            core = self._random(_RANK, _RANK, 3, 3) / 3
            return a, b, core, torch.einsum("ijxy,io,jc->ocxy", core, a, b)
        a = self._random(outputs, _RANK) * size
        b = self._random(_RANK, inputs * (kernel[0] * kernel[1] if kernel else 1))
        return a, b, None, a @ b


@cache
def folder() -> Path:
    """That of a tiny model."""
    return tiny_model.save(Path(_HOME.name) / "sd")


@cache
def changes(kind: str) -> dict[str, torch.Tensor]:
    """Write a file; the changes of the UNet's weights by the paths of its layers."""
    unet = DiffusionPipeline.from_pretrained(folder(), safety_checker=None).unet
    writer = Writer(kind)
    tensors: Tensors = {}
    changed: Tensors = {}
    for path, layer in unet.named_modules():
        if "attentions" in path or path.endswith((".conv1", ".time_emb_proj")):
            if not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                continue
            own, changed[path] = writer.write(layer)
            own["alpha"] = torch.tensor(_ALPHA)
            name = f"lora_unet_{path.replace('.', '_')}"
            tensors |= {f"{name}.{role}": tensor for role, tensor in own.items()}
    loras = Path(_HOME.name) / "loras"
    loras.mkdir(exist_ok=True)
    save_file(tensors, loras / f"{kind}.safetensors")
    return changed


@cache
def core() -> EngineCore:
    """An engine core with a tiny model and all of these files."""
    for kind in KINDS:
        changes(kind)
    _save_peft()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGINE_LORAS", str(Path(_HOME.name) / "loras"))
        return load_engine_core(str(folder()))


def _save_peft() -> None:
    torch.manual_seed(3)
    painter = DiffusionPipeline.from_pretrained(folder(), safety_checker=None)
    painter.unet.add_adapter(
        LoraConfig(
            r=4,
            lora_alpha=3,
            use_dora=True,
            init_lora_weights=False,
            target_modules=["to_q", "to_v", "to_out.0", "conv1", "proj_in"],
        )
    )
    state = get_peft_model_state_dict(painter.unet)
    for name, tensor in state.items():
        tensor.mul_(1.2 if "magnitude" in name else 0.4)
    painter.save_lora_weights(
        Path(_HOME.name) / "loras",
        unet_lora_layers=state,
        weight_name="peft.safetensors",
        **_collate_lora_metadata({"unet": painter.unet}),
    )


def adapted(**scales: float) -> Recipe:
    """A recipe with these adapters."""
    card = core().model.card
    adapters = tuple(card.adapter(name.replace("_", "-"), scale) for name, scale in scales.items())
    return recipe(core(), adapters=adapters, row_class=8)


def diffusers_picture(recipe: Recipe) -> Image.Image:
    """That of diffusers' pipeline, with changed weights or, of peft's file, with the adapter."""
    painter = DiffusionPipeline.from_pretrained(folder(), safety_checker=None)
    for adapter in recipe.adapters:
        if adapter.name == "peft":
            painter.load_lora_weights(
                Path(_HOME.name) / "loras", weight_name="peft.safetensors", adapter_name="peft"
            )
            painter.set_adapters(["peft"], [adapter.scale])
            continue
        for path, change in changes(adapter.name).items():
            painter.unet.get_submodule(path).weight.data += adapter.scale * change
    return text_image(painter, recipe)


@pytest.mark.parametrize(
    "scales",
    [
        *({kind.replace("-", "_"): 1.0} for kind in KINDS),
        {"loha": -0.6, "lokr_dora_columns": 0.5},
        {"peft": 1.0},
        {"peft": 0.6},
    ],
    ids=str,
)
def test_pictures_are_those_of_changed_weights(scales: dict[str, float]) -> None:
    """Of linear layers and convolutions; several at once add up, and scales are proportions of the
    change, but for DoRA in peft's format, which diffusers loads."""
    painted = adapted(**scales)
    [ours] = rendered_images(job(painted), core())
    assert_alike(ours, diffusers_picture(painted))
    [plain] = rendered_images(job(adapted()), core())
    with pytest.raises(AssertionError):
        assert_alike(ours, plain)


def test_company_changes_no_bit() -> None:
    """Pictures with different ones share batches with plain pictures."""
    recipes = [adapted(), adapted(loha=1.0), adapted(lokr=0.5, peft=0.3), adapted(dora_rows=0.7)]
    mixed = [image.sha256 for image in painted_images(job(*recipes), core())]
    alone = [painted_images(job(each), core())[0].sha256 for each in reversed(recipes)]
    assert mixed == alone[::-1]
    assert len(set(mixed)) == len(mixed)
