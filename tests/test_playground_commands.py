"""Registering application commands, and their validation."""

from typing import Any

import pytest

from bot.playground import Playground
from bot.playground.model.state import APPLICATION_ID, GUILD_ID
from tests.playground_http import Http

Json = dict[str, Any]


def command(**overrides: object) -> Json:
    """A valid command with overrides."""
    return {"name": "paint", "description": "Paint", "type": 1} | overrides


def option(name: str = "prompt", **overrides: object) -> Json:
    """A valid string option with overrides."""
    return {"name": name, "description": "What", "type": 3} | overrides


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
}


@pytest.mark.parametrize("commands", BAD_COMMANDS.values(), ids=BAD_COMMANDS.keys())
async def test_a_bad_command_is_refused(http: Http, commands: list[Json]) -> None:
    """An invalid command is a 400 with code 50035, and no command is registered."""
    status, body = await http.call("PUT", f"/applications/{APPLICATION_ID}/commands", json=commands)
    assert (status, body["code"]) == (400, 50035)
    assert http.playground.commands.all() == []


@pytest.mark.parametrize(("type", "limit"), [(1, 100), (2, 15), (3, 15)])
async def test_commands_of_a_type_are_limited(http: Http, type: int, limit: int) -> None:
    """One more than the limit is refused (30032), at once and one by one."""
    path = f"/applications/{APPLICATION_ID}/commands"
    shared = command(type=type, description="Paint" if type == 1 else "")
    commands = [shared | {"name": f"c{n}"} for n in range(limit + 1)]
    status, body = await http.call("PUT", path, json=commands)
    assert (status, body["code"]) == (400, 30032)
    assert (await http.call("PUT", path, json=commands[:limit]))[0] == 200
    status, body = await http.call("POST", path, json=commands[limit])
    assert (status, body["code"]) == (400, 30032)
    assert (await http.call("POST", path, json=commands[0]))[0] == 200


LOCALIZED: Json = {
    "name_localizations": {"de": "malen"},
    "description_localizations": {"de": "Malen"},
    "options": [
        option(
            name_localizations={"de": "bild"},
            choices=[{"name": "A house", "name_localizations": {"de": "Ein Haus"}, "value": "a"}],
        )
    ],
}


@pytest.mark.parametrize("scope", ["", f"/guilds/{GUILD_ID}"])
async def test_lists_are_in_the_locale_of_the_request(http: Http, scope: str) -> None:
    """All localizations are listed only with `with_localizations`; other routes return them."""
    path = f"/applications/{APPLICATION_ID}{scope}/commands"
    _, created = await http.call("POST", path, json=command(**LOCALIZED))
    assert created["name_localizations"] == {"de": "malen"}
    _, [listed] = await http.call("GET", path)
    assert not {key for key in listed if "locali" in key}
    assert listed["options"] == [option(choices=[{"name": "A house", "value": "a"}])]
    for headers in ({"X-Discord-Locale": "de"}, {"Accept-Language": "de, en;q=0.5"}):
        _, [listed] = await http.call("GET", path, headers=headers)
        assert (listed["name_localized"], listed["description_localized"]) == ("malen", "Malen")
        assert listed["options"][0]["name_localized"] == "bild"
        assert listed["options"][0]["choices"][0]["name_localized"] == "Ein Haus"
    _, commands = await http.call("GET", f"{path}?with_localizations=true")
    assert commands == [created]
    assert (await http.call("GET", f"{path}/{created['id']}"))[1] == created


async def test_commands_can_be_created_edited_and_deleted(
    playground: Playground, http: Http
) -> None:
    """Commands are created, edited and deleted; overwriting keeps the ids of existing names."""
    base = f"/applications/{APPLICATION_ID}/guilds/{GUILD_ID}/commands"
    status, created = await http.call("POST", base, json=command(options=[option()]))
    assert status == 201
    url = f"{base}/{created['id']}"
    assert (await http.call("PATCH", url, json={"description": "New"}))[1]["description"] == "New"
    assert (await http.call("GET", url))[1]["options"][0]["name"] == "prompt"
    _, commands = await http.call("PUT", base, json=[command(), command(name="other")])
    assert commands[0]["id"] == created["id"]
    assert (await http.call("DELETE", url))[0] == 204
    assert (await http.call("GET", url))[0] == 404
    assert [c["name"] for c in playground.commands.all()] == ["other"]


async def test_two_hundred_creates_a_day(playground: Playground, http: Http) -> None:
    """The 201st new name in a day is refused (30034); the next day it is accepted."""
    base = f"/applications/{APPLICATION_ID}/commands"
    for batch in range(2):
        names = [command(name=f"c{batch}-{n}") for n in range(100)]
        assert (await http.call("PUT", base, json=names))[0] == 200
    status, body = await http.call("PUT", base, json=[command()])
    assert (status, body["code"]) == (400, 30034)
    playground.clock.advance(24 * 3600)
    assert (await http.call("PUT", base, json=[command()]))[0] == 200
