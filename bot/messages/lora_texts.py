"""The list of LoRAs; pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from bot.domain.model_names import find_model, short_name
from bot.i18n import N_, _
from bot.messages.captions import escape
from bot.messages.moderation_cards import page
from engine.contract import AdapterCard, ModelCard

_MAX_NAME_CHARS: Final = 100
_MAX_TRIGGERS: Final = 10
_MAX_TRIGGER_CHARS: Final = 60
NONE: Final = N_(
    "There are no LoRAs for the models here. Whoever runs me can put some into the "
    "folder of `IMAGINE_LORAS`."
)


def listing(models: Sequence[ModelCard], name: str | None, number: int) -> str:
    """A page of the LoRAs, of all models or of the one of this name, with their trigger words.

    Raises Refused if there is no such model.
    """
    listed_models = models if name is None else [find_model(name, models)]
    lines: list[str] = []
    for adapters in dict.fromkeys(model.adapters for model in listed_models if model.adapters):
        fitting = [
            short_name(model, models) for model in listed_models if model.adapters == adapters
        ]
        lines.append(
            _("For {fitting}:").format(
                fitting=", ".join(escape(short, _MAX_NAME_CHARS) for short in fitting)
            )
        )
        lines.extend(map(_line, adapters))
    if lines:
        return page([*lines, *_usage(listed_models)], number)
    return (
        _(NONE)
        if name is None
        else _("There is no LoRA for the model {model}.").format(
            model=short_name(listed_models[0], models)
        )
    )


def _line(adapter: AdapterCard) -> str:
    name = f"- **{escape(adapter.name, _MAX_NAME_CHARS)}**"
    triggers = [escape(word, _MAX_TRIGGER_CHARS) for word in adapter.triggers[:_MAX_TRIGGERS]]
    return f"{name}: {', '.join(triggers)}" if triggers else name


def _usage(models: Sequence[ModelCard]) -> Iterator[str]:
    example = next(model.adapters[0].name for model in models if model.adapters)
    yield (
        _(
            "Use one by the option `loras` of /imagine, or write `<lora:{example}:0.8>` "
            "into the prompt. What follows a name here are words for the prompt that "
            "bring it out."
        ).format(example=example)
    )
