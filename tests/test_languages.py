"""People read the bot in their language: stories with catalogs that mark each translation."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from bot.i18n import LANGUAGES, catalogs, from_english, in_language, stored
from bot.playground import Person
from engine.contract import Omission
from engine.contract.images.decode_result import DecodeResult, DecodeStatus
from engine.contract.images.refusals import InvalidImage, check_decoded
from tests.bot_harness import BotHarness
from tests.deletion import ephemeral_response
from tests.fake_engine import FakeEngine
from tests.reporting import report, response_text
from tests.translations import LIMITS, dump, messages, template

CACHES = (catalogs.catalog, catalogs.translation, stored._patterns)


@functools.cache
def marked(language: str) -> bytes:
    """A catalog whose translations are the messages with the language before them."""
    catalog = Catalog(locale=language)
    for message in messages(template()):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        texts = [_marked(language, text, message.context) for text in ids]
        count = catalog.num_plurals
        string = texts[0] if isinstance(message.id, str) else (texts[-1:] * count)[:count]
        catalog.add(message.id, string, context=message.context)
    return dump(catalog)


def _marked(language: str, text: str, context: str | None) -> str:
    if context in ("command name", "option name"):
        return f"{language.lower()}_{text}"[:32]
    return f"{language}: {text}"[: LIMITS.get(context or "", 2000)]


@pytest.fixture(autouse=True)
def marked_catalogs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Read catalogs of this module in place of the bot's."""
    monkeypatch.setattr(catalogs, "FOLDER", tmp_path / "locales")
    for language in LANGUAGES:
        path = catalogs.catalog_path(language)
        path.parent.mkdir(parents=True)
        path.write_bytes(marked(language))
    for cache in CACHES:
        cache.cache_clear()
    yield
    for cache in CACHES:
        cache.cache_clear()


@pytest.fixture
def greta(harness: BotHarness) -> Person:
    """A user whose Discord is German."""
    person = harness.discord.person("Greta")
    person.user.locale = "de"
    return person


async def refusal(harness: BotHarness, person: Person) -> str:
    """The sentence for a request that is not possible."""
    return await harness.refusal(await person.invoke("settings", {"value": "x"}, checked=False))


async def test_commands_have_names_in_all_languages(harness: BotHarness) -> None:
    """And descriptions, options and choices. The names of values, such as samplers, have none."""
    commands = {command["name"]: command for command in harness.discord.commands.all()}
    imagine = commands["imagine"]
    assert imagine["name_localizations"]["de"] == "de_imagine"
    assert imagine["name_localizations"]["es-419"] == "es_imagine"
    assert set(imagine["name_localizations"]) == {"de", "fr", "es-ES", "es-419", "ja", "pt-BR"}
    options = {option["name"]: option for option in imagine["options"]}
    assert options["aspect"]["name_localizations"]["ja"] == "ja_aspect"
    assert options["aspect"]["description_localizations"]["fr"].startswith("fr: ")
    assert commands["Show recipe"]["name_localizations"]["pt-BR"] == "pt_BR: Show recipe"
    [where] = [o for o in commands["settings"]["options"] if o["name"] == "for"]
    assert where["choices"][0]["name_localizations"]["de"] == "de: me"


async def test_a_user_reads_private_replies_in_their_language(
    harness: BotHarness, greta: Person
) -> None:
    """Others read English, to the letter; so does a user whose language the bot does not speak."""
    assert await refusal(harness, greta) == "de: Choose a setting."
    assert await refusal(harness, harness.ada) == "Choose a setting."
    greta.user.locale = "sv-SE"
    assert await refusal(harness, greta) == "Choose a setting."


async def test_answers_that_are_edits_are_translated(harness: BotHarness, greta: Person) -> None:
    """Of a command, and of a form."""
    answer = await response_text(harness, await greta.slash("privacy delete"))
    assert answer.startswith("de: I store no jobs and no pictures of yours")
    grid = await harness.imagine()
    assert (await report(harness, greta, grid)).startswith("de: Thank you. Your report is saved")


async def test_the_setting_of_a_user_counts_before_their_discord(
    harness: BotHarness, greta: Person
) -> None:
    """At once, for the response too, and after a restart."""
    panel = await ephemeral_response(
        await greta.invoke("settings", {"setting": "language", "value": "Français"})
    )
    assert "fr: Next" not in panel.content
    assert await refusal(harness, greta) == "fr: Choose a setting."
    await harness.stop()
    await harness.start()
    assert await refusal(harness, greta) == "fr: Choose a setting."
    [row] = harness.query("SELECT value FROM preferences WHERE name = 'language'")
    assert tuple(row) == ('"fr"',)


async def test_results_are_in_the_language_of_the_server(
    harness: BotHarness, greta: Person, engine: FakeEngine
) -> None:
    """All can read them, so the user's language does not count; the channel's setting does."""
    harness.discord.set_locale("ja")
    message = await harness.imagine(greta)
    assert "ja: guidance" in message.content and "de:" not in message.content
    assert "U1" in message.buttons
    boss = harness.discord.person("Boss", admin=True)
    values = {"setting": "language", "value": "Deutsch", "for": "channel"}
    await ephemeral_response(await boss.invoke("settings", values))
    assert "de: guidance" in (await harness.imagine(greta)).content


async def test_direct_messages_are_in_the_language_of_the_user(
    harness: BotHarness, greta: Person
) -> None:
    """The result in a DM has the same language as a refusal there."""
    message = await harness.result(
        await greta.slash("imagine", where=greta.dm, prompt="a red house", seed=7)
    )
    assert "de: guidance" in message.content


async def test_what_is_stored_is_english(harness: BotHarness, greta: Person) -> None:
    """The note of a request is translated for those who read it, also after a restart."""
    harness.discord.set_locale("fr")
    message = await harness.imagine(greta, prompt="a red house --cfg 400")
    assert "de:" not in message.content
    assert "fr: The guidance 400 was lowered to" in message.content.replace("\\", "")
    [row] = harness.query("SELECT plan FROM jobs")
    assert "fr:" not in str(row["plan"]) and "de:" not in str(row["plan"])


def test_a_stored_sentence_is_found_with_its_values() -> None:
    """The longest message that matches counts; several sentences are translated one by one."""
    with in_language("de"):
        assert from_english("You have reported this already. It is recorded.") == (
            "de: You have reported this already. It is recorded."
        )
        lowered = "The guidance 40 was lowered to 30, the most there is."
        assert from_english(lowered) == f"de: {lowered[:-18]}de: the most there is."
        two = "That picture no longer exists. Please try again in a while."
        assert from_english(two) == (
            "de: That picture no longer exists. de: Please try again in a while."
        )
        assert from_english("A sentence of nobody.") == "A sentence of nobody."
    assert from_english("That picture no longer exists.") == "That picture no longer exists."


def engine_sentences() -> Iterator[str]:
    """Some that the engine says."""
    yield Omission(prompt=1).sentence
    yield Omission(negative=3).sentence
    too_small = DecodeResult(DecodeStatus.TOO_SMALL, width=4, height=4)
    for result in (too_small, DecodeResult(DecodeStatus.UNKNOWN_FORMAT)):
        try:
            check_decoded(result, b"")
        except InvalidImage as error:
            yield str(error)


@pytest.mark.parametrize("sentence", list(engine_sentences()))
def test_sentences_of_the_engine_are_translated(sentence: str) -> None:
    """They are English in the engine, and in the catalogs."""
    with in_language("de"):
        assert from_english(sentence).startswith("de: ")


async def test_help_shows_names_as_the_reader_types_them(
    harness: BotHarness, greta: Person
) -> None:
    """A command is found by its name in their language, and in English."""
    listed = await ephemeral_response(await greta.slash("help"))
    assert "`/de_imagine` de: " in listed.content
    for name in ("/de_settings", "settings"):
        page = await ephemeral_response(await greta.invoke("help", {"command": name}))
        assert page.content.startswith("**/de_settings**")
        assert "`de_for`" in page.content and "de: this channel" in page.content


async def test_a_setting_takes_values_in_the_language_of_its_user(
    harness: BotHarness, greta: Person
) -> None:
    """The menu, too; it is stored as in English."""
    values = {"setting": "remix", "value": "de: on"}
    panel = await ephemeral_response(await greta.invoke("settings", values))
    assert "**de: on**" in panel.content
    values = {"setting": "remix", "value": "de: reset"}
    await ephemeral_response(await greta.invoke("settings", values))
    assert harness.query("SELECT * FROM preferences") == []
    editor = await ephemeral_response(await greta.invoke("settings", {"setting": "aspect"}))
    await greta.choose(editor, "v1:settings:user:choose:aspect", "wide")
    await harness.discord.until(lambda: "wide" in editor.content, why="the panel")
    [row] = harness.query("SELECT value FROM preferences")
    assert tuple(row) == ('"wide"',)
