"""Client themes that messages share."""

import pytest

from tests.playground_forms import Rule, codes, text, v2
from tests.playground_http import Http

Json = dict[str, object]


def theme(**fields: object) -> Json:
    """A message with a theme."""
    values: Json = {"colors": ["5865f2"], "gradient_angle": 0, "base_mix": 58}
    return {"shared_client_theme": values | fields}


LENGTH, HIGH, CHOICES = "BASE_TYPE_BAD_LENGTH", "NUMBER_TYPE_MAX", "BASE_TYPE_CHOICES"
RULES: dict[str, Rule] = {
    "no colors": Rule(theme(colors=[]), "colors", LENGTH, theme(base_theme=4)),
    "six colors": Rule(theme(colors=["5865f2"] * 6), "colors", LENGTH, theme(colors=["0" * 6] * 5)),
    "a color": Rule(theme(colors=["red"]), "colors.0", LENGTH, theme(colors=["ff0000"])),
    "an angle": Rule(theme(gradient_angle=361), "gradient_angle", HIGH, theme(gradient_angle=360)),
    "a mix": Rule(theme(base_mix=101), "base_mix", HIGH, theme(base_mix=100)),
    "a base theme": Rule(theme(base_theme=5), "base_theme", CHOICES, theme(base_theme=None)),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
async def test_a_theme_is_refused_at_the_path(http: Http, rule: Rule) -> None:
    """A 400 with the error at its path; the nearest valid theme is a message by itself."""
    status, body = await http.post(rule.refused)
    assert (status, body["code"]) == (400, 50035)
    assert codes(body, f"shared_client_theme.{rule.path}") == [rule.code]
    status, message = await http.post(rule.accepted)
    assert (status, message["content"]) == (200, "")
    sent = rule.accepted["shared_client_theme"]
    base_theme = sent.get("base_theme") or 0
    assert message["shared_client_theme"] == sent | {"base_theme": base_theme}


async def test_components_v2_have_no_theme(http: Http) -> None:
    """Both together are refused, and an edit keeps the theme."""
    status, body = await http.post(v2(text()) | theme())
    assert (status, body["code"]) == (400, 50035)
    assert len(codes(body, "shared_client_theme")) == 1
    _, message = await http.post(theme())
    status, edited = await http.patch(message["id"], {"content": "x"})
    assert (status, edited["shared_client_theme"]) == (200, message["shared_client_theme"])
