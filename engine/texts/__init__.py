"""Models that write texts: they continue prompts, and describe pictures. They run on the CPU."""

from typing import Final, NamedTuple

from engine.contract import TextModelCards
from engine.texts.base import Captioner, Expander

NO_EXPANDER: Final = (
    "No language model that expands prompts is installed. Whoever runs the bot adds one with the "
    "setting IMAGINE_EXPANDER."
)
NO_CAPTIONER: Final = (
    "No model that describes pictures is installed. Whoever runs the bot adds one with the setting "
    "IMAGINE_CAPTIONER, such as IMAGINE_CAPTIONER=Salesforce/blip-image-captioning-large."
)


class TextModels(NamedTuple):
    """Those that are loaded."""

    expander: Expander | None = None
    captioner: Captioner | None = None

    @property
    def cards(self) -> TextModelCards:
        """For the bot."""
        return TextModelCards(
            expander=None if self.expander is None else self.expander.card,
            captioner=None if self.captioner is None else self.captioner.card,
        )
