"""Check the configs of text encoders as loading does, without their weights."""

from collections.abc import Mapping
from typing import Any, Final

from engine.errors import ModelCorrupt, first_line
from engine.weights.model_files import ModelFiles
from engine.weights.model_folder import LOAD_ERRORS
from engine.weights.readme import one_line

_CLIP: Final = ("clip_text_model", "clip")
"""The second one is the config of a whole CLIP, of which transformers reads a part."""
_CLASSES: Final[Mapping[str, str]] = {
    "clip_text_model": "CLIPTextConfig",
    "t5": "T5Config",
    "qwen3": "Qwen3Config",
}
"""The class of transformers for each `model_type`."""


def check_text_encoder(
    files: ModelFiles, component: str, config: Mapping[str, Any], model_type: str
) -> None:
    """Raise ModelCorrupt, with a sentence for the operator, if this config of a text encoder is not
    of this type, or has a value of a wrong type.

    The latter is not checked without transformers. Other values may be wrong too, which is noticed
    when the weights are loaded.
    """
    allowed = _CLIP if model_type in _CLIP else (model_type,)
    actual = config.get("model_type", model_type)
    if actual not in allowed:
        raise ModelCorrupt(
            f"The {component} of the model {files.name} has the model_type "
            f"{one_line(str(actual))} in its config.json; it must be {' or '.join(allowed)}."
        )
    quantization = config.get("quantization_config")
    if quantization is not None and not isinstance(quantization, dict):
        return  # `check_weights` refuses it
    try:
        import transformers
    except ImportError:
        return
    try:
        values = config.get("text_config", config) if actual == _CLIP[1] else config
        getattr(transformers, _CLASSES[model_type]).from_dict(values)
    except LOAD_ERRORS as error:
        raise ModelCorrupt(
            f"The config.json of the {component} of the model {files.name} is damaged: "
            f"{first_line(error)}"
        ) from error
