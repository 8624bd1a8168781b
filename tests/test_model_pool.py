"""Models that do not fit on the device together."""

from pathlib import Path

import pytest
import torch

from engine.core.model_pool import ModelPool
from engine.core.placement import MIN_SLICE_SECONDS
from engine.models.base import DiffusionModel
from tests import tiny_model
from tests.budget_device import load_within
from tests.engine_parts import recipe


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The folders of three models of equal size; the third has other weights."""
    folder = tmp_path_factory.mktemp("models")

    def change(pipeline: object) -> None:
        for parameter in pipeline.unet.parameters():  # type: ignore[attr-defined] # diffusers is untyped
            parameter.mul_(1.01)

    return [
        str(tiny_model.save(folder / "one")),
        str(tiny_model.save(folder / "two")),
        str(tiny_model.save(folder / "three", change=change)),
    ]


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


def residents(pool: ModelPool) -> list[int]:
    """The indices of the models on the device."""
    return [index for index, model in enumerate(pool.models) if model.is_resident]


def predict(model: DiffusionModel) -> torch.Tensor:
    """The output of a forward pass with fixed inputs."""
    with torch.inference_mode():
        conditioning = model.encode_prompt(recipe(guidance=1.0))
        latents = torch.linspace(-1, 1, 4 * 8 * 8).reshape(1, 4, 8, 8)
        return model.predict(latents, torch.tensor([500.0]), conditioning).clone()


def test_moved_weights_give_the_same_bits(names: list[str]) -> None:
    """A model on the host cannot be used by mistake."""
    [model] = load_within(names[:1], 1.0)
    with torch.inference_mode():
        image = model.decode_latents(torch.zeros(1, 4, 8, 8).fill_(0.3))
        before, verdicts = predict(model), model.check_safety(image)
    for _ in range(2):
        model.to_host()
        assert not model.is_resident
        with pytest.raises(RuntimeError):
            predict(model)
        model.to_device()
        assert torch.equal(predict(model), before)
    assert model.check_safety(image) == verdicts


def test_the_weights_of_the_checker_move_too(tmp_path: Path) -> None:
    """Also those of a checker that is not part of the pipeline."""
    [model] = load_within([str(tiny_model.save_xl(tmp_path / "xl"))], 1.0)
    with torch.inference_mode():
        image = model.decode_latents(torch.zeros(1, 4, 8, 8).fill_(0.3))
    before = model.check_safety(image)
    model.to_host()
    assert [verdict.score for verdict in model.check_safety(image)] == [None]
    model.to_device()
    assert model.check_safety(image) == before


def test_models_that_fit_are_never_moved(names: list[str]) -> None:
    """All of them are ready at once."""
    pool = ModelPool(load_within(names, 3.0))
    assert pool.ready(dict.fromkeys(pool.models, 0.0)) == set(pool.models)
    assert pool.moves == 0


def test_the_model_that_has_work_is_moved_to_the_device(names: list[str]) -> None:
    """The least recently used one makes room; a model in use or in its time slice does not."""
    clock = Clock()
    first, second, third = models = load_within(names, 2.0)
    third.to_host()
    pool = ModelPool(models, clock)
    clock.now = 1.0
    with pool.use(second):
        pass
    clock.now = 2.0
    assert pool.ready({third: 2.0}) == {second, third}
    assert residents(pool) == [1, 2]
    with pool.use(second):
        work = {first: 2.0, third: 2.0}
        assert pool.ready(work) == {third}, "the second starts nothing more"
        assert residents(pool) == [1, 2]
    assert pool.ready(work) == {first, third}
    assert pool.ready({second: 2.0} | work) == {first, third}, "their slices have not ended"
    clock.now += MIN_SLICE_SECONDS
    assert second in pool.ready({second: 2.0} | work)
    assert pool.moves == 3


def test_all_others_make_room_for_a_large_batch(names: list[str]) -> None:
    """Those in use stay."""
    first, second, third = models = load_within(names, 3.0)
    pool = ModelPool(models)
    with pool.use(second):
        assert pool.make_room(third)
        assert residents(pool) == [1, 2]
        assert not pool.make_room(third)
    pool.place(first)
    assert residents(pool) == [0, 1, 2]
