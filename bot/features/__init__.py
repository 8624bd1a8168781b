"""One module for each feature. It ends in its `exports`, which the client registers.

Modules without `exports` are helpers.
"""

from typing import Final

from bot.domain.registry import modules_of
from bot.features.exports import Exports

FEATURES: Final[tuple[Exports, ...]] = tuple(
    module.exports for module in modules_of(__name__, __path__) if hasattr(module, "exports")
)
"""All features. Their start-up work runs in this order, which is that of the modules' names."""
