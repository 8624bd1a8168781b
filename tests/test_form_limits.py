"""Discord's limits of the texts in forms, in all languages."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from bot.domain.setting_values import Offer
from bot.i18n import LANGUAGES, in_language
from tests.fake_engine import MODEL
from tests.panel_views import forms

OFFER: Final = Offer(models=(MODEL,), aspects=("wide",), commands=(), max_count=16)
LABEL: Final = 18
"""The type of a component that has a label."""


def too_long(component: dict[str, Any]) -> Iterator[str]:
    """The texts of a component and those inside of it that Discord would refuse."""
    is_label = component.get("type") == LABEL
    limits = {"label": 45 if is_label else 100, "description": 100, "placeholder": 100}
    texts = ((component.get(name) or "", limit) for name, limit in limits.items())
    yield from (text for text, limit in texts if len(text) > limit)
    inner = component.get("component")
    children = [*component.get("components", ()), *component.get("options", ())]
    for child in [*children, *([inner] if inner else [])]:
        yield from too_long(child)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_forms_fit(language: str) -> None:
    """A form that does not is not shown at all."""
    with in_language(language):
        payloads = [form.to_dict() for form in forms("j1", OFFER)]
    titles = [payload["title"] for payload in payloads if len(payload["title"]) > 45]
    assert [*titles, *(text for payload in payloads for text in too_long(payload))] == []
