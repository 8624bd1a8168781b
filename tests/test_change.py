"""Change it…: words about a picture, from the Apps menu and in replies."""

import pytest

from bot.playground import Message, Person
from bot.playground.model.intents import Intent
from engine.contract import Edit, Recipe
from tests.bot_harness import BotHarness, eventually, is_finished
from tests.changing import EDITOR, PAINTER
from tests.deletion import DELETION_NOTE, delete
from tests.fake_engine import FakeEngine
from tests.test_remix import form

NIGHT = "make it night"


def painted(engine: FakeEngine) -> tuple[Recipe, ...]:
    """The recipes of the last job."""
    return tuple(work.recipe for work in engine.paints[-1].recipes)


async def answer(harness: BotHarness, reply: Message) -> Message:
    """The bot's reply to a reply, once it is complete."""

    def replies() -> list[Message]:
        messages = harness.discord.messages(reply.channel)
        return [item for item in messages if item.reference is reply and is_finished(item)]

    await harness.discord.until(replies, why="a reply")
    return replies()[-1]


def mention(harness: BotHarness, words: str) -> str:
    """The words after a mention of the bot."""
    return f"<@{harness.discord.world.bot.id}> {words}"


async def single(harness: BotHarness, nth: int = 2) -> Message:
    """The message with one picture of a new result."""
    return await harness.result(await harness.ada.click(await harness.imagine(), f"U{nth}"))


async def test_words_become_a_remix_without_a_model_that_edits(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """They extend the prompt of one picture, or of all of a result."""
    grid = await harness.imagine()
    asked = await form(harness, await harness.ada.use("Change it…", grid))
    result = await harness.result(await harness.ada.submit(asked, {"words": "at night"}))
    assert result.content.startswith("Remix: **a red house, at night**")
    assert [item.seed for item in painted(engine)] == [7, 8, 9, 10]
    asked = await form(harness, await harness.ada.use("Change it…", grid))
    await harness.result(await harness.ada.submit(asked, {"words": "in snow", "which": "3"}))
    assert {item.seed for item in painted(engine)} == {9}


async def test_words_become_an_edit(harness: BotHarness, engine: FakeEngine) -> None:
    """If a model edits; the form asks for one picture of several."""
    await harness.stop()
    engine.models = (PAINTER, EDITOR)
    await harness.start()
    grid = await harness.imagine()
    asked = await form(harness, await harness.ada.use("Change it…", grid))
    result = await harness.result(await harness.ada.submit(asked, {"words": NIGHT, "which": "2"}))
    assert result.content.startswith(f"Edited: **{NIGHT}**")
    assert isinstance(painted(engine)[0].source, Edit)
    rows = harness.query("SELECT parent, relation FROM lineage")
    assert {(row["parent"][-2:], row["relation"]) for row in rows} == {("-2", "edit")}


async def test_a_refusal_repeats_the_words(harness: BotHarness) -> None:
    """In private, without their Markdown."""
    grid = await harness.imagine()
    asked = await form(harness, await harness.ada.use("Change it…", grid))
    await delete(harness)
    refusal = await harness.refusal(await harness.ada.submit(asked, {"words": "*night*"}))
    assert DELETION_NOTE in refusal and refusal.endswith("You wrote: \\*night\\*")
    chat = await harness.ada.say("hello")
    assert "no picture of mine" in await harness.refusal(await harness.ada.use("Change it…", chat))


async def test_a_reply_with_a_mention_changes_the_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Of anybody, without the intent for the content of messages; once, and after a restart."""
    assert all(not s.intents & Intent.MESSAGE_CONTENT for s in harness.discord.gateway.sessions)
    picture = await single(harness)
    await harness.stop()
    await harness.start()
    ben = harness.discord.person("Ben")
    reply = await ben.say(mention(harness, "at night"), reply_to=picture)
    result = await answer(harness, reply)
    assert result.content.startswith("Remix: **a red house, at night**")
    assert f"<@{ben.id}>" in result.content and result.pings == frozenset()
    assert {item.seed for item in painted(engine)} == {8}
    harness.discord.sockets.drop()  # the event is sent again
    await harness.discord.until(lambda: harness.discord.online, why="a resumed session")
    await harness.imagine()
    assert len(engine.paints) == 3


async def test_the_author_replies_without_the_mention(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """What others say about a picture paints nothing, nor does what is no reply."""
    grid = await harness.imagine()
    ben = harness.discord.person("Ben")
    await ben.say("how nice", reply_to=grid)
    await harness.ada.say(mention(harness, "hello"))
    reply = await harness.ada.say("at night", reply_to=grid)
    result = await answer(harness, reply)
    assert result.content.startswith("Remix: **a red house, at night**")
    assert len(engine.paints) == 2


@pytest.mark.parametrize("words", ["Thanks, that's amazing!", "❤️", "sehr schön", "#2 nice"])
async def test_remarks_paint_nothing(harness: BotHarness, engine: FakeEngine, words: str) -> None:
    """Discord mentions the bot in each reply to it; who wrote the mention gets a 👍."""
    grid = await harness.imagine()
    thanks = await harness.ada.say(words, reply_to=grid)
    addressed = await harness.ada.say(mention(harness, words), reply_to=grid)
    await harness.discord.until(lambda: addressed.reactions, why="a reaction")
    await harness.imagine()
    assert len(engine.paints) == 2
    assert [list(item.reactions) for item in (thanks, addressed)] == [[], ["👍"]]
    assert len(harness.discord.messages()) == 4  # no answer


@pytest.mark.parametrize("words", [f"#2 {NIGHT}", f"2: {NIGHT}"])
async def test_a_reply_names_one_of_several_pictures(
    harness: BotHarness, engine: FakeEngine, words: str
) -> None:
    """An edit needs one; without a number a reply that vanishes says how."""
    await harness.stop()
    engine.models = (PAINTER, EDITOR)
    await harness.start()
    grid = await harness.imagine()
    question = await answer(harness, await harness.ada.say(NIGHT, reply_to=grid))
    assert "Begin with its number" in question.content
    result = await answer(harness, await harness.ada.say(words, reply_to=grid))
    assert result.content.startswith(f"Edited: **{NIGHT}**")
    rows = harness.query("SELECT DISTINCT parent FROM lineage")
    assert [row["parent"][-2:] for row in rows] == ["-2"]


async def test_a_reply_in_direct_messages(harness: BotHarness, engine: FakeEngine) -> None:
    """There the words need no mention."""
    grid = await harness.result(
        await harness.ada.slash("imagine", where=harness.ada.dm, prompt="a house")
    )
    result = await answer(harness, await harness.ada.say("at night", reply_to=grid))
    assert result.content.startswith("Remix: **a house, at night**")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "The instruction is empty"),
        ("\u200b\u202e", "The instruction is empty"),
        ("x" * 1000, "at most 1000 are allowed"),
        ("#9 at night", "That picture no longer exists"),
    ],
)
async def test_a_bad_reply_gets_one_sentence(
    harness: BotHarness, engine: FakeEngine, words: str, sentence: str
) -> None:
    """Nothing is painted."""
    grid = await harness.imagine()
    reply = await harness.ada.say(mention(harness, words), reply_to=grid)
    assert sentence in (await answer(harness, reply)).content
    assert len(engine.paints) == 1


async def test_a_reply_to_a_deleted_job_is_ignored(harness: BotHarness, ben: Person) -> None:
    """Nothing connects the message with anything, so nothing happens."""
    grid = await harness.imagine()
    await delete(harness)
    await ben.say(mention(harness, NIGHT), reply_to=grid)
    await harness.imagine(ben)
    assert len(harness.query("SELECT 1 FROM jobs WHERE erased IS NULL")) == 1
    await eventually(lambda: len(harness.discord.messages()) == 3)
