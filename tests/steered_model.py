"""A model card that offers each means of steering, for tests of the bot."""

import msgspec

from engine.contract import (
    AdapterCard,
    Backend,
    ControlCard,
    ImageAdapterCard,
    Preprocessor,
    ReferenceRole,
)
from tests.fake_engine import MODEL

STEERED = msgspec.structs.replace(
    MODEL,
    name="steered",
    revision="5" * 40,
    backends=(Backend.OPENVINO, Backend.TORCH),
    adapters=(
        AdapterCard(name="neon", revision="a1", triggers=("neon light",)),
        AdapterCard(name="pencil", revision="a2", triggers=("pencil drawing", "hatching")),
        AdapterCard(name="plain", revision="a3"),
    ),
    controls=(
        ControlCard(
            kind="scribble",
            revision="c1",
            preprocessors=(Preprocessor.SCRIBBLE, Preprocessor.EDGES, Preprocessor.NONE),
        ),
    ),
    image_adapter=ImageAdapterCard(name="ip", revision="i1", roles=tuple(ReferenceRole)),
    can_inpaint=True,
)
"""Takes all of it."""
