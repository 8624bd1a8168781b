"""Reference images change no other picture, and other pictures change nothing for them."""

import shutil
import threading
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from engine.contract import (
    Backend,
    Change,
    Img2Img,
    PictureOptions,
    PromptFormat,
    Recipe,
    Reference,
    ReferenceRole,
    Sampler,
    make_recipes,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.device import select_device
from engine.models import registry
from engine.models.latent_diffusion import LatentDiffusion
from engine.models.unet_diffusion import UnetDiffusion
from engine.weights.ip_adapters import IP_ADAPTER_VARIABLE
from tests.engine_parts import (
    Painted,
    load_engine_core,
    new_engine_core,
    recipe,
    run_together,
    sketch,
)
from tests.ip_adapter_writer import write_ip_adapter
from tests.reference_models import (
    adapter_file,
    digests,
    job_of,
    model_folder,
    picture,
    reference,
    reference_core,
    run_of,
)

COMMON: Final[dict[str, Any]] = {"row_class": 8, "prompt_format": PromptFormat.A1111}
LIKE, STYLE, BLEND = ReferenceRole.LIKE, ReferenceRole.STYLE, ReferenceRole.BLEND


def fresh_core(monkeypatch: pytest.MonkeyPatch) -> EngineCore:
    """An engine core of its own."""
    monkeypatch.setenv(IP_ADAPTER_VARIABLE, str(adapter_file(is_xl=False, is_plus=False)))
    return load_engine_core(str(model_folder(is_xl=False)))


def mixed_recipes(core: EngineCore) -> list[Recipe]:
    """Rows with other references, scales, prompts, sketches and changes, and plain ones."""
    first, second = picture(1), picture(2)
    references: list[tuple[Reference, ...]] = [
        (),
        (reference(core, first, 0.5, LIKE),),
        (reference(core, first, 1.5, LIKE), reference(core, second, 0.5, STYLE)),
        tuple(reference(core, picture(nth), 0.6, BLEND) for nth in range(5)),
    ]
    runs = [
        run_of(core, *group, seed=seed, guidance=1.0 if seed == 1 else 5.0, **COMMON)
        for seed, group in enumerate(references)
    ]
    long_prompt = "a red house (by the sea:1.3) " * 6
    change = Change(step=1, prompt="a blue tree", guidance=1.0, sampler=Sampler.DDIM)
    reference(core, sketch())  # makes its file known
    source = Img2Img(sha256(encode_png(sketch())), 0.7)
    return [
        *runs,
        msgspec.structs.replace(runs[2], prompt=long_prompt),
        msgspec.structs.replace(runs[0], prompt=long_prompt),
        msgspec.structs.replace(runs[3], changes=(change,)),
        msgspec.structs.replace(runs[2], source=source),
    ]


@pytest.mark.parametrize("kind", [{"is_xl": False}, {"is_xl": True, "is_plus": True}])
def test_company_changes_no_bit(kind: dict[str, bool]) -> None:
    """Pictures have equal pixels alone, again, together in any order, and in several jobs."""
    core = reference_core(**kind)
    runs = mixed_recipes(core)
    alone = [digests(core, run)[0] for run in runs]
    assert len(set(alone)) == len(alone)
    assert digests(core, *runs[::-1]) == alone[::-1]
    jobs = [job_of(*runs[nth::3], name=str(nth)) for nth in range(3)]
    for nth, painted in enumerate(run_together(core, *jobs)):
        assert isinstance(painted, Painted), painted
        assert [image.sha256 for image in painted.pictures] == alone[nth::3]


def test_references_change_no_plain_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither before nor after the layers read an image, also with OpenVINO."""
    monkeypatch.setenv("IMAGINE_CPU_BACKEND", "openvino")
    core = fresh_core(monkeypatch)
    assert isinstance(core.model, LatentDiffusion)
    with torch.inference_mode():
        core.model.prove_backends()
    assert Backend.OPENVINO in core.model.card.backends
    plain = [recipe(core, row_class=4, backend=backend) for backend in core.model.card.backends]
    before = digests(core, *plain)
    steered = run_of(core, reference(core, picture(1)), row_class=4)
    assert digests(core, steered)[0] not in before
    assert digests(core, *plain) == before
    core.model.to_host()
    core.model.to_device()
    assert digests(core, *plain) == before


def test_passes_in_other_threads_do_not_see_references() -> None:
    """Three engine cores paint with one model at the same time."""
    core = reference_core()
    plain = recipe(core, row_class=4)
    steered = run_of(core, reference(core, picture(1)), row_class=4)
    expected = {run: digests(core, run) * 6 for run in (plain, steered)}
    painted: list[tuple[Recipe, list[str]]] = []

    def paint(run: Recipe) -> None:
        own = new_engine_core(core.model)
        painted.append((run, [digests(own, run)[0] for _ in range(6)]))

    threads = [threading.Thread(target=paint, args=(run,)) for run in (plain, steered, plain)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(painted) == len(threads)
    assert all(found == expected[run] for run, found in painted)


def test_an_image_that_overflows_reaches_no_other_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layers compute NaN for its rows alone."""
    unet = UNet2DConditionModel.from_pretrained(model_folder(is_xl=False) / "unet")
    path = write_ip_adapter(tmp_path / "adapter", unet)
    tensors = load_file(path)
    key = "ip_adapter.1.to_k_ip.weight"
    save_file(tensors | {key: torch.full_like(tensors[key], 3e38)}, path)
    monkeypatch.setenv(IP_ADAPTER_VARIABLE, str(path))
    core = load_engine_core(str(model_folder(is_xl=False)))
    plain = recipe(core, row_class=8)
    alone = digests(core, plain)
    broken = run_of(core, reference(core, picture(1)), row_class=8)
    failed, painted = run_together(core, job_of(broken, name="a"), job_of(plain, name="b"))
    assert not isinstance(failed, Painted)
    assert isinstance(painted, Painted)
    assert [image.sha256 for image in painted.pictures] == alone


def test_its_weights_move_with_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """They count as the model's, and the picture is the same after they were on the host."""
    core = fresh_core(monkeypatch)
    run = run_of(core, reference(core, picture(1)))
    before = digests(core, run)
    monkeypatch.delenv(IP_ADAPTER_VARIABLE)
    plain = load_engine_core(str(model_folder(is_xl=False)))
    difference = core.model.memory_bytes - plain.model.memory_bytes
    tensors = load_file(adapter_file(is_xl=False, is_plus=False))
    assert difference > sum(tensor.nbytes for tensor in tensors.values())
    core.model.to_host()
    assert not core.model.is_resident
    core.model.to_device()
    assert digests(core, run) == before


def test_it_is_loaded_once_for_several_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights leave the device with the last model that uses it."""
    unet = UNet2DConditionModel.from_pretrained(model_folder(is_xl=False) / "unet")
    path = write_ip_adapter(tmp_path / "adapter", unet)
    save_file(load_file(path), path, {"of": "this test, so that no other model has it"})
    config = path.parent / "image_encoder" / "config.json"
    config.write_text(f"{config.read_text()} ")
    monkeypatch.setenv(IP_ADAPTER_VARIABLE, str(path))
    twin = shutil.copytree(model_folder(is_xl=False), tmp_path / "twin")
    models = registry.load_all([str(model_folder(is_xl=False)), str(twin)], select_device())
    first, second = models
    assert isinstance(first, UnetDiffusion)
    assert isinstance(second, UnetDiffusion)
    assert first._shared == second._shared
    core = new_engine_core(first)
    run = run_of(core, reference(core, picture(1)))
    before = digests(core, run)
    second.to_host()
    assert digests(core, run) == before
    first.to_host()
    assert not any(
        tensor.numel() for weights in first._shared for tensor in weights._weights._tensors
    )
    second.to_device()
    first.to_device()
    assert digests(core, run) == before


@pytest.mark.parametrize("setting", ["IMAGINE_OFFLOAD=all", "IMAGINE_WEIGHTS=float8"])
def test_a_denoiser_may_be_stored_in_other_ways(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the host, or in 8 bits: references act, and plain pictures stay as they are."""
    name, value = setting.split("=")
    monkeypatch.setenv(name, value)
    core = fresh_core(monkeypatch)
    plain, steered = recipe(core), run_of(core, reference(core, picture(1)))
    before = digests(core, plain)
    painted = digests(core, steered, plain)
    assert painted[1:] == before
    assert painted[:1] != before
    if value == "all":
        whole = reference_core()
        assert painted[:1] == digests(whole, run_of(whole, reference(whole, picture(1))))


def test_requests_with_references_are_run_by_torch() -> None:
    """OpenVINO's networks have no layers that read images."""
    core = reference_core()
    card = msgspec.structs.replace(core.model.card, backends=(Backend.OPENVINO, Backend.TORCH))
    references = [reference(core, picture(1))]
    options = PictureOptions(prompt="a house", count=1)
    runs = make_recipes(options, card, size=(64, 64), seed=1, references=references)
    assert [run.backend for run in runs] == [Backend.TORCH]
