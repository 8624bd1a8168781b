"""Scheduler configs: a value that cannot be right is named, with what is allowed."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.__main__ import main
from engine.device import select_device
from engine.errors import ExitCode, ModelCorrupt
from engine.models import registry
from engine.models.defaults import STABLE_DIFFUSION_3, Z_IMAGE
from engine.models.scheduler_config import SCHEDULER_FILE, check_scheduler_config
from engine.schedulers import NOISE_SCHEDULE
from tests import tiny_flow_models, tiny_model


def write(folder: Path, **values: Any) -> None:  # noqa: ANN401 - any JSON
    """Change these keys of the scheduler config in this folder."""
    path = folder / SCHEDULER_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("prediction_type", "velocity", "is velocity; it must be epsilon, v_prediction or sample"),
        ("prediction_type", 7, "is 7; it must be epsilon"),
        ("prediction_type", "flow_prediction", "is flow_prediction; it must be epsilon"),
        ("beta_schedule", 7, "is 7; it must be linear, scaled_linear, squaredcos_cap_v2 or"),
        ("beta_schedule", "cosine", "is cosine; it must be linear"),
        ("num_train_timesteps", "many", "is many; it must be a whole number from 1 to 100000"),
        ("num_train_timesteps", 0, "is 0; it must be a whole number from 1"),
        ("num_train_timesteps", True, "is true; it must be a whole number"),
        ("beta_start", math.nan, "is NaN; it must be a number from 0 to 1"),
        ("beta_end", None, "is null; it must be a number from 0 to 1"),
        ("beta_end", 10**400, f"is {10**59}…; it must be a number from 0 to 1"),
        ("beta_end", math.inf, "is Infinity; it must be a number from 0 to 1"),
        ("trained_betas", [0, 0.0], "is [0, 0.0]; it must be null or a list of numbers from 0 to"),
        ("beta_end", 2, "is 2; it must be a number from 0 to 1"),
        ("trained_betas", [0.1, "x"], 'is [0.1, "x"]; it must be null or a list of numbers'),
        ("trained_betas", [], "is []; it must be null or a list"),
        ("timestep_spacing", "even", "is even; it must be linspace, leading or trailing"),
        ("steps_offset", -1, "is -1; it must be a whole number from 0"),
        ("rescale_betas_zero_snr", "yes", "is yes; it must be true or false"),
        ("timestep_scaling", "x" * 99, f"is {'x' * 60}…; it must be a number"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object, sentence: str) -> None:
    """With its file, its key, itself and what is allowed."""
    expected = f"The {key} in scheduler/scheduler_config.json of the model tiny {sentence}"
    with pytest.raises(ModelCorrupt, match=re.escape(expected)):
        check_scheduler_config("tiny", {key: value}, is_flow=False)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("shift", 0, "is 0; it must be a number from 0.001 to 1000"),
        ("shift", 10**400, f"is {10**59}…; it must be a number"),
        ("base_shift", "x", "is x; it must be a number"),
        ("max_image_seq_len", 1.5, "is 1.5; it must be a whole number"),
        ("time_shift_type", "cubic", "is cubic; it must be exponential or linear"),
        ("use_dynamic_shifting", 1, "is 1; it must be true or false"),
    ],
)
def test_a_wrong_value_of_flow_matching_is_named(key: str, value: object, sentence: str) -> None:
    """Likewise; keys of other noise schedules are not read."""
    check_scheduler_config("tiny", {"beta_schedule": 7}, is_flow=True)
    with pytest.raises(ModelCorrupt, match=re.escape(f"The {key} in {SCHEDULER_FILE} of the")):
        check_scheduler_config("tiny", {key: value}, is_flow=True)
    with pytest.raises(ModelCorrupt, match=re.escape(sentence)):
        check_scheduler_config("tiny", {key: value}, is_flow=True)


def test_all_keys_that_are_read_are_checked() -> None:
    """A list is the value of none but one."""
    for key in NOISE_SCHEDULE:
        with pytest.raises(ModelCorrupt, match=key):
            check_scheduler_config("tiny", {key: [[]]}, is_flow=False)


def test_a_schedule_without_noise_is_refused() -> None:
    """Betas that are all 0."""
    betas: dict[str, object] = {"beta_start": 0.0, "beta_end": 0}
    with pytest.raises(ModelCorrupt, match="of the model tiny are both 0; one must be larger"):
        check_scheduler_config("tiny", betas, is_flow=False)
    betas["beta_schedule"] = "squaredcos_cap_v2"
    check_scheduler_config("tiny", betas, is_flow=False)


@pytest.mark.parametrize(("base", "most"), [(256, 256), (4096, None), (None, 256)])
def test_shifts_need_a_range(base: int | None, most: int | None) -> None:
    """Dynamic shifting is a line from one number of tokens to another."""
    lengths = {"base_image_seq_len": base, "max_image_seq_len": most}
    config = {key: length for key, length in lengths.items() if length is not None}
    check_scheduler_config("tiny", config, is_flow=True)
    config["use_dynamic_shifting"] = True
    with pytest.raises(ModelCorrupt, match=r"max_image_seq_len in .* are both .* must differ"):
        check_scheduler_config("tiny", config, is_flow=True)


@pytest.mark.parametrize(
    ("max_side", "key", "values"),
    [
        (STABLE_DIFFUSION_3.max_tokens, "pos_embed_max_size", [None, 0, "16", True, 1.5]),
        (Z_IMAGE.max_tokens, "axes_lens", [None, [1024], "abc", [1024, 0, 64], [1, 2, "3"]]),
    ],
)
def test_positions_are_whole_numbers(
    max_side: Callable[[dict[str, object]], int], key: str, values: list[object]
) -> None:
    """What is allowed is said."""
    assert max_side({}) > 0
    for value in values:
        with pytest.raises(ValueError, match=f"the {key} of the transformer .* must be a"):
            max_side({key: value})


def test_wrong_positions_are_named_before_loading(tmp_path: Path) -> None:
    """In the words of the list of models."""
    folder = tiny_flow_models.save_z_image(tmp_path / "z-image")
    path = folder / "transformer" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"axes_lens": None}))
    with pytest.raises(ModelCorrupt, match="the axes_lens of the transformer are None; they must"):
        registry.load(str(folder), select_device())


def test_betas_that_are_not_read_may_be_anything() -> None:
    """Trained betas replace them."""
    config = {"trained_betas": [0.1] * 10, "beta_start": None, "beta_end": None}
    check_scheduler_config("tiny", config, is_flow=False)


def test_a_wrong_value_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a start with the model, and of the list of models."""
    folder = tiny_model.save(tmp_path / "tiny")
    write(folder, beta_schedule="cosine")
    sentence = f"The beta_schedule in {SCHEDULER_FILE} of the model {folder} is cosine; it must be"
    code = main(["paint", "x", "--model", str(folder), "--out", str(tmp_path / "out")])
    assert code == ExitCode.MODEL_CORRUPT
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    main(["models", "--model", str(folder)])
    assert sentence in capsys.readouterr().err


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    """Not only the place in it."""
    folder = tiny_model.save(tmp_path / "tiny")
    (folder / SCHEDULER_FILE).write_text("{,}")
    with pytest.raises(ModelCorrupt, match=f"{SCHEDULER_FILE} is not JSON: Expecting"):
        registry.load(str(folder), select_device())


def test_a_class_that_is_missing_is_named(tmp_path: Path) -> None:
    """With the one that the family has."""
    folder = tiny_flow_models.save_z_image(tmp_path / "z-image")
    write(folder, _class_name=None)
    expected = "_class_name in scheduler/scheduler_config.json must be FlowMatchEulerDiscrete"
    with pytest.raises(ModelCorrupt, match=expected):
        registry.load(str(folder), select_device())
