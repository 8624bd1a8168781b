"""Registering commands on the local Discord, and Discord's rules for them."""

from typing import Any

import pytest

from bot.playground import Playground
from bot.playground.model.state import APPLICATION_ID, GUILD_ID
from tests.playground_http import Http

Json = dict[str, Any]


def command(**more: object) -> Json:
    """A good command, changed."""
    return {"name": "paint", "description": "Paint", "type": 1} | more


def option(name: str = "prompt", **more: object) -> Json:
    """A good text option, changed."""
    return {"name": name, "description": "What", "type": 3} | more


BAD_COMMANDS: dict[str, list[Json]] = {
    "an uppercase name": [command(name="Paint")],
    "a name with a space": [command(name="paint it")],
    "a name of 33": [command(name="x" * 33)],
    "no description": [command(description="")],
    "two of one name": [command(), command()],
    "26 options": [command(options=[option(f"o{n}") for n in range(26)])],
    "required after optional": [command(options=[option("a"), option("b", required=True)])],
    "an option twice": [command(options=[option(), option()])],
    "choices and autocompletion": [
        command(options=[option(autocomplete=True, choices=[{"name": "a", "value": "a"}])])
    ],
    "the same choice twice": [command(options=[option(choices=[{"name": "a", "value": "a"}] * 2)])],
    "a range upside down": [command(options=[option(type=4, min_value=5, max_value=1)])],
    "a menu command with options": [{"name": "Use", "type": 3, "options": [option()]}],
    "more than 8000 characters": [
        command(
            options=[
                option(f"o{n}", choices=[{"name": f"{c}", "value": f"{c:0>99}"} for c in range(25)])
                for n in range(4)
            ]
        )
    ],
    "101 commands": [command(name=f"c{n}") for n in range(101)],
}


@pytest.mark.parametrize("commands", BAD_COMMANDS.values(), ids=BAD_COMMANDS.keys())
async def test_a_bad_command_is_refused(http: Http, commands: list[Json]) -> None:
    """Commands that Discord refuses are a 400 with code 50035, and none is registered."""
    status, answer = await http.call(
        "PUT", f"/applications/{APPLICATION_ID}/commands", json=commands
    )
    assert (status, answer["code"]) == (400, 50035)
    assert http.here.commands.all() == []


async def test_commands_can_be_made_changed_and_removed(here: Playground, http: Http) -> None:
    """One by one, in the guild or everywhere; overwriting keeps the ids of what stays."""
    base = f"/applications/{APPLICATION_ID}/guilds/{GUILD_ID}/commands"
    status, made = await http.call("POST", base, json=command(options=[option()]))
    assert status == 201
    one = f"{base}/{made['id']}"
    assert (await http.call("PATCH", one, json={"description": "New"}))[1]["description"] == "New"
    assert (await http.call("GET", one))[1]["options"][0]["name"] == "prompt"
    _, kept = await http.call("PUT", base, json=[command(), command(name="other")])
    assert kept[0]["id"] == made["id"]
    assert (await http.call("DELETE", one))[0] == 204
    assert (await http.call("GET", one))[0] == 404
    assert [c["name"] for c in here.commands.all()] == ["other"]


async def test_two_hundred_creates_a_day(here: Playground, http: Http) -> None:
    """New names are counted; the 201st in a day is refused (30034), the next day it is not."""
    base = f"/applications/{APPLICATION_ID}/commands"
    for turn in range(2):
        names = [command(name=f"c{turn}-{n}") for n in range(100)]
        assert (await http.call("PUT", base, json=names))[0] == 200
    status, answer = await http.call("PUT", base, json=[command()])
    assert (status, answer["code"]) == (400, 30034)
    here.clock.advance(24 * 3600)
    assert (await http.call("PUT", base, json=[command()]))[0] == 200
