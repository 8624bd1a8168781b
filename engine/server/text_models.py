"""Load the models that write texts, which the operator has named, or the starter's own."""

import os
from collections.abc import Iterable
from typing import Final

from engine.texts import TextModels
from engine.weights.model_folder import STARTERS

EXPANDER_VARIABLE: Final = "IMAGINE_EXPANDER"
CAPTIONER_VARIABLE: Final = "IMAGINE_CAPTIONER"


def load_text_models(models: Iterable[str]) -> TextModels:
    """Those of IMAGINE_EXPANDER and IMAGINE_CAPTIONER, which are hub ids or folders.

    If a starter is among these models, its classifier describes pictures in place of a captioner.
    Raises EngineError, with a sentence for the operator.
    """
    expander = os.environ.get(EXPANDER_VARIABLE)
    captioner = os.environ.get(CAPTIONER_VARIABLE)
    texts = TextModels()
    if expander:
        from engine.texts import language_model

        texts = texts._replace(expander=language_model.load(expander))
    if captioner:
        from engine.texts import image_to_text

        return texts._replace(captioner=image_to_text.load(captioner))
    if not set(STARTERS).isdisjoint(models):
        from engine.starter.scene_captioner import load_scene_captioner

        return texts._replace(captioner=load_scene_captioner())
    return texts
