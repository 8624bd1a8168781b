"""/privacy: what is kept of a person, and its deletion, as people live through it."""

import asyncio
import json
import random
import time

import pytest
from PIL import Image

from bot.db.erasure import REVIEW_SECONDS
from bot.engine_client.supervisor import supervised_engine
from bot.errors import ExitCode, FatalError
from bot.messages import privacy_text
from bot.messages.delivery import EDIT_SECONDS
from bot.playground import Channel, Fault, Interaction, Message, Upload
from bot.services.replay import replay
from bot.storage import FileStorage
from tests.deletion import LEFT, WISH, answer, delete, files, left_nothing, marks, question
from tests.fake_engine import FakeEngine, flat
from tests.house import House, eventually, is_finished, settings_for
from tests.samples import encoded

MARKER = "quokkafruit"


def sketch(colour: str = "red") -> Upload:
    """A small picture to paint over."""
    return Upload("a.png", encoded(Image.new("RGB", (64, 64), colour)))


# Showing


async def test_nothing_is_said_to_be_nothing(house: House) -> None:
    """To somebody who never asked for anything; there is nothing to delete either."""
    shown = await answer(await house.ada.slash("privacy show"))
    assert "no jobs and no pictures" in shown.content
    assert shown.attachments == []
    assert (await question(house, house.ada)).content == privacy_text.NOTHING


async def test_a_person_is_shown_what_is_kept(house: House) -> None:
    """In numbers, since when, for how long; and all of it but the pictures as a file."""
    await house.imagine(prompt=MARKER, count=2, sketch=sketch())
    await house.imagine(count=1, negative="rain")
    await house.imagine(house.discord.person("Ben"), prompt="a blue house")
    shown = await answer(await house.ada.slash("privacy show"))
    assert "2 jobs, 3 pictures and 1 sketch of yours, since <t:" in shown.content
    assert "kept until you delete it" in shown.content
    assert "none of your words" in shown.content
    first, second = json.loads(shown.attachments[0].data)
    assert first["recipes"][0]["prompt"] == MARKER
    assert second["recipes"][0]["negative"] == "rain"
    assert first["person"] == second["person"] == str(house.ada.id)
    sums = [each["sha256"] for each in first["pictures"]]
    assert sums == [row["sha256"] for row in house.query("SELECT sha256 FROM pictures LIMIT 2")]
    assert "blue" not in shown.attachments[0].data.decode()


# Deleting


async def test_all_of_a_person_goes(house: House) -> None:
    """Words, ids, pictures and sketches, from the record and from the disk; statistics stay."""
    await house.imagine(prompt=MARKER, negative="rain", count=2, sketch=sketch(), seed=4711)
    grid = await house.imagine(count=1)
    await house.result(await house.ada.click(grid, "U1"))
    assert len(files(house)) == 4
    told = await delete(house)
    assert "Deleted: 2 jobs, 3 pictures and 1 sketch." in told
    assert files(house) == set()
    assert house.query("SELECT * FROM pictures") == house.query("SELECT * FROM posts") == []
    first, second = house.query("SELECT * FROM jobs ORDER BY rowid")
    for job in (first, second):
        assert (job["person"], job["channel"], job["guild"], job["message"]) == (0, 0, None, None)
        assert (job["application"], job["token"], job["erased"]) == (None, None, "wish")
        assert job["status"] == "done"
    assert [recipe["steps"] for recipe in json.loads(first["recipes"])] == [4, 4]
    assert {recipe["seed"] for recipe in json.loads(first["recipes"])} == {0}


async def test_what_is_deleted_is_in_no_file_any_more(house: House) -> None:
    """Not in the database, nor in the log beside it: neither words nor ids."""
    words = [f"{MARKER}{nth}" for nth in range(20)]
    grids = [await house.imagine(prompt=word, negative=f"not{word}", count=1) for word in words]
    asked = house.query("SELECT request FROM jobs")
    ids: list[str | int] = [row["request"].split(":")[1] for row in asked]
    ids += [str(house.ada.id), *(grid.id for grid in grids), grids[0].channel.id]
    assert set(marks(house.data, *words, *ids)) >= {*words, *(grid.id for grid in grids)}
    await delete(house)
    await eventually(lambda: not marks(house.data, MARKER, *ids))
    await asyncio.to_thread(house.execute, "UPDATE charges SET at = at - 86400")
    await eventually(lambda: not marks(house.data, house.ada.id))  # its share of the day is over
    for grid in grids:  # Discord still has them
        assert MARKER in grid.content


async def test_one_can_think_better_of_it(house: House) -> None:
    """Nothing is deleted unless the red button is pressed."""
    await house.imagine()
    asked = await question(house, house.ada)
    assert "permanently" in asked.content and "1 job and 4 pictures" in asked.content
    await house.ada.click(asked, "Keep it")
    await house.discord.until(lambda: not asked.buttons, why="it is kept")
    assert asked.content == "Nothing was deleted."
    assert len(house.query(LEFT)) == 1 and len(files(house)) == 4


async def test_it_works_in_direct_messages_and_after_a_restart(house: House) -> None:
    """The question waits for its answer as long as one likes."""
    await house.imagine()
    asked = await question(house, house.ada, where=house.ada.dm)
    await house.stop()
    await house.start()
    await house.ada.click(asked, "Delete everything")
    await house.discord.until(lambda: not asked.buttons, why="it is deleted")
    assert "Deleted: 1 job and 4 pictures." in asked.content
    assert house.query(LEFT) == []


async def test_twice_is_as_good_as_once(house: House) -> None:
    """Also at the same moment."""
    await house.imagine()
    questions = [await question(house, house.ada) for _ in range(2)]
    await asyncio.gather(*(house.ada.click(each, "Delete everything") for each in questions))
    for each in questions:
        await house.discord.until(lambda: not each.buttons, why="both are answered")  # noqa: B023
        assert "Deleted" in each.content or each.content == privacy_text.NOTHING
    assert house.query(LEFT) == [] and files(house) == set()
    assert (await question(house, house.ada)).content == privacy_text.NOTHING
    assert "Deleted" in await delete_again(house)


async def delete_again(house: House) -> str:
    """What comes later is kept, and can be deleted as well."""
    await house.imagine()
    assert len(house.query(LEFT)) == 1
    return await delete(house)


# What is left on Discord


@pytest.mark.parametrize("label", ["U1", "V2", "🔄"])
async def test_an_old_button_tells_the_truth(house: House, label: str) -> None:
    """To whoever presses it."""
    grid = await house.imagine()
    await delete(house)
    pressed = await house.discord.person("Ben").click(grid, label)
    assert WISH in await house.refusal(pressed)


@pytest.mark.parametrize("emoji", ["🔁", "1️⃣", "✉️"])
async def test_a_reaction_to_an_old_message_is_told_the_truth(house: House, emoji: str) -> None:
    """Of a grid, and of a picture at full size: they themselves say which job they show."""
    grid = await house.imagine()
    single = await house.result(await house.ada.click(grid, "U2"))
    await delete(house)
    for message in (grid, single):
        before = len(house.discord.messages())
        await house.ada.react(message, emoji)
        await house.discord.until(
            lambda: len(house.discord.messages()) > before,  # noqa: B023
            why="an answer",
        )
        said = house.discord.messages()[-1]
        assert said.reference is message and WISH in said.content


async def test_old_messages_can_still_be_deleted(house: House) -> None:
    """By who asked for them and by moderators, and by nobody else."""
    first, second = await house.imagine(), await house.imagine()
    reacted = await house.imagine()
    single = await house.result(await house.ada.click(reacted, "U1"))
    await house.ada.react(reacted, "1️⃣")
    await house.discord.until(lambda: len(house.discord.messages()) == 5, why="variations")
    born = house.discord.messages()[-1]
    await house.discord.until(lambda: is_finished(born), why="they are painted")
    await delete(house)
    ben, mo = house.discord.person("Ben"), house.discord.person("Mo", moderator=True)
    for message in (first, second, single, born):
        await ben.react(message, "❌")
    for message in (first, single, born):
        await house.ada.react(message, "❌")
    await mo.react(second, "❌")
    await house.discord.until(
        lambda: house.discord.messages() == [reacted], why="all but one are gone"
    )


async def test_a_message_of_somebody_else_is_none_of_our_business(house: House) -> None:
    """Reactions to it are not answered, and it is not looked at."""
    said = await house.ada.say("hello")
    before = len(house.discord.requests)
    await house.ada.react(said, "🔁")
    grid = await house.imagine()
    await house.ada.react(grid, "1️⃣")
    await house.discord.until(lambda: len(house.discord.messages()) == 3, why="variations")
    routes = {request.route for request in house.discord.requests[before:]}
    assert not any(route.endswith("/messages/{message_id}") for route in routes)


async def test_a_replay_tells_the_truth(house: House, engine: FakeEngine) -> None:
    """With the code of a picture that is not known."""
    await house.imagine()
    name = house.query("SELECT id FROM pictures")[0]["id"]
    await delete(house)
    await house.stop()
    with pytest.raises(FatalError, match=WISH) as caught:
        await replay(
            settings_for(house.discord, house.data),
            name,
            None,
            lambda _: supervised_engine(engine.launch),
        )
    assert caught.value.exit is ExitCode.UNKNOWN_PICTURE


# Others


async def test_others_keep_what_is_theirs(house: House) -> None:
    """Ben's picture, with its file, and its buttons work."""
    ben = house.discord.person("Ben")
    await house.imagine()
    theirs = await house.imagine(ben, prompt="a blue house")
    await delete(house)
    assert len(files(house)) == 4
    assert (await house.result(await house.ada.click(theirs, "U1"))).attachments
    assert "U4" in (await house.result(await ben.click(theirs, "V1"))).buttons
    assert [row["person"] for row in house.query(LEFT)] == [ben.id, ben.id]


async def test_a_variation_stays_with_who_asked_for_it(house: House, engine: FakeEngine) -> None:
    """It is shown and varied as before; that its parent cannot be varied again is said."""
    ben = house.discord.person("Ben")
    grid = await house.imagine()
    varied = await house.result(await ben.click(grid, "V1"))
    await delete(house)
    single = await house.result(await ben.click(varied, "U2"))
    assert single.attachments[0].data == flat(engine.paints[1].recipes[1])
    assert "U4" in (await house.result(await ben.click(varied, "V3"))).buttons
    said = await house.refusal(await ben.click(varied, "🔄"))
    assert said.startswith("These are variations of another picture.") and WISH in said


async def test_a_sketch_of_two_goes_with_the_second(house: House) -> None:
    """The first one's deletion leaves it to the other, who can go on with it."""
    ben = house.discord.person("Ben")
    await house.imagine(sketch=sketch())
    theirs = await house.imagine(ben, sketch=sketch())
    (name,) = (each for each in files(house) if each.startswith("sources/"))
    await delete(house)
    assert name in files(house)
    assert "U1" in (await house.result(await ben.click(theirs, "🔄"))).buttons
    await delete(house, ben)
    assert files(house) == set()


async def test_a_variation_keeps_the_sketch(house: House) -> None:
    """Ben's variation of Ada's picture over Ada's sketch can be varied again."""
    ben = house.discord.person("Ben")
    grid = await house.imagine(sketch=sketch())
    varied = await house.result(await ben.click(grid, "V1"))
    await delete(house)
    assert "U1" in (await house.result(await ben.click(varied, "V2"))).buttons


# What is going on


async def test_what_waits_and_runs_is_stopped_first(house: House, engine: FakeEngine) -> None:
    """Each message says what became of it, and nothing of what was asked for stays on it."""
    engine.gate.clear()
    asked = [await house.ada.slash("imagine", prompt=f"{MARKER} {nth}") for nth in range(3)]
    await house.discord.until(
        lambda: all(one.response and one.response.buttons for one in asked), why="all are shown"
    )
    await delete(house)
    engine.gate.set()
    for one in asked:
        message = await house.result(one)
        assert message.buttons == [] and message.attachments == []
        assert WISH in message.content and MARKER not in message.content
    await left_nothing(house)
    assert len(engine.cancels) == len(engine.paints)
    assert len([m for m in house.discord.messages() if not m.ephemeral]) == 3


@pytest.mark.parametrize("chance", range(8))
async def test_a_job_that_finishes_in_that_moment_leaves_nothing(
    house: House, engine: FakeEngine, chance: int
) -> None:
    """Whichever is first: there is one visible ending and no trace in record and folder."""
    moment = random.Random(chance)
    engine.gate.clear()
    asked = [
        await house.ada.invoke("imagine", {"prompt": MARKER, "sketch": sketch(colour)})
        for colour in ("red", "blue")
    ]
    await eventually(lambda: len(engine.paints) == 2)
    private = await question(house, house.ada)
    await house.ada.click(private, "Delete everything")
    await asyncio.sleep(moment.uniform(0, 0.06))
    engine.gate.set()
    await house.discord.until(lambda: not private.buttons, why="it is deleted")
    for one in asked:
        message = await house.result(one)
        assert WISH in message.content or "U1" in message.buttons
    await left_nothing(house)
    assert not marks(house.data, MARKER)
    assert len([m for m in house.discord.messages() if not m.ephemeral]) == 2


async def test_a_result_on_its_way_is_taken_back(house: House, engine: FakeEngine) -> None:
    """Discord is slow to take the grid, and meanwhile it is deleted."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt=MARKER, steps=1)  # shows no progress
    await house.discord.until(lambda: asked.response and asked.response.buttons, why="it is shown")
    await asyncio.sleep(EDIT_SECONDS)  # so that the next edit is the result
    path = f"{asked.token}/messages/@original"
    house.discord.faults.next("PATCH", path, Fault(delay=1.0))
    engine.gate.set()
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE status = 'done'"))
    await delete(house)
    message = await house.result(asked)
    await house.discord.until(lambda: WISH in message.content, why="the grid is taken back")
    assert message.attachments == [] and message.buttons == []
    await left_nothing(house)


async def test_a_result_that_discord_refused_is_not_tried_again(house: House) -> None:
    """Between two tries it is deleted: the second says so."""
    asked = await house.ada.slash("imagine", prompt=MARKER)
    path = f"{asked.token}/messages/@original"
    house.discord.faults.next("PATCH", path, Fault(drop=True), times=2)
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE status = 'done'"))
    await delete(house)
    await house.discord.until(
        lambda: asked.response and WISH in asked.response.content, why="it is said", timeout=40
    )
    await left_nothing(house)


async def test_an_answer_on_its_way_is_no_second_message(house: House) -> None:
    """A job is deleted before its first answer has reached Discord."""
    await house.imagine()
    private = await question(house, house.ada)
    answered = asyncio.Event()
    house.discord.faults.next("POST", "/callback", Fault(until=answered))
    asked = await house.ada.slash("imagine", prompt=MARKER)
    await eventually(lambda: len(house.query("SELECT * FROM jobs")) == 2)
    await house.ada.click(private, "Delete everything")
    answered.set()
    message = await house.result(asked)
    assert WISH in message.content
    assert len([m for m in house.discord.messages() if not m.ephemeral]) == 2
    await left_nothing(house)


async def test_a_sketch_that_comes_too_late_is_not_kept(house: House) -> None:
    """Its job was deleted while it was fetched."""
    held = sketch()
    fetched = asyncio.Event()
    house.discord.faults.next("GET", "/ephemeral-attachments/", Fault(until=fetched))
    house.discord.faults.next("GET", "/attachments/", Fault(until=fetched))
    asked = await house.ada.invoke("imagine", {"prompt": MARKER, "sketch": held})
    await house.discord.until(lambda: asked.response and asked.response.buttons, why="it is shown")
    assert house.query("SELECT sketch FROM jobs")[0]["sketch"] is not None
    await delete(house)
    assert house.query("SELECT sketch FROM jobs")[0]["sketch"] is None
    fetched.set()
    await eventually(lambda: files(house))
    await left_nothing(house)


async def test_a_sketch_that_is_just_being_saved_is_not_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow disk: the list of what must go is worked off before the file is there."""
    save = FileStorage.save_source

    def slowly(self: FileStorage, png: bytes) -> str:
        time.sleep(1.5)
        return save(self, png)

    monkeypatch.setattr(FileStorage, "save_source", slowly)
    await house.ada.invoke("imagine", {"prompt": MARKER, "sketch": sketch()})
    await eventually(lambda: house.query("SELECT * FROM removals"))
    await delete(house)
    await eventually(lambda: not house.query("SELECT * FROM removals"))
    assert files(house) == set()
    await eventually(lambda: files(house))
    await left_nothing(house)


async def test_what_is_said_again_by_discord_is_not_asked_for_again(
    house: House, engine: FakeEngine
) -> None:
    """The gateway replays an interaction and a reaction whose jobs were deleted."""
    grid = await house.imagine(house.discord.person("Ben"))
    await house.ada.react(grid, "1️⃣")
    await eventually(lambda: len(engine.paints) == 2)
    await house.imagine()
    wanted = [
        event
        for event in house.events
        if event.name in ("INTERACTION_CREATE", "MESSAGE_REACTION_ADD")
    ]
    await eventually(lambda: not house.query("SELECT * FROM jobs WHERE delivered_at IS NULL"))
    await delete(house)
    for event in wanted:
        house.discord.world.emit(event.name, event.data, event.channel)
    await house.imagine(house.discord.person("Cy"))
    assert len(engine.paints) == 4


# Moderators


@pytest.fixture
async def mods(house: House) -> Channel:
    """The moderators' channel."""
    channel = house.discord.add_channel("mods")
    eve = house.discord.person("Eve", admin=True)
    await answer(await eve.slash("admin moderators", channel=channel))
    return channel


async def told(house: House, asked: Interaction) -> str:
    """The private answer, when it says something."""
    await house.discord.until(
        lambda: asked.ephemerals and asked.ephemerals[-1].content not in ("", "…"),
        why="a private answer",
    )
    return asked.ephemerals[-1].content


def cards(house: House, channel: Channel) -> list[Message]:
    """What the moderators are shown."""
    return [one for one in house.discord.messages(channel) if "Reported" in one.content]


async def test_what_was_reported_is_deleted_after_the_moderators_have_looked(
    house: House, mods: Channel
) -> None:
    """The person is told so; until then it works as before, and all else goes at once."""
    ben, mo = house.discord.person("Ben"), house.discord.person("Mo", moderator=True)
    reported, other = await house.imagine(), await house.imagine(count=1)
    asked = await ben.use("🚩 Report", reported)
    await asked.acknowledged()
    assert "Thank you" in await told(house, await ben.submit(asked, {"reason": "ugly"}))
    private = await question(house, house.ada)
    assert "1 job of yours was reported" in private.content
    said = await delete(house)
    assert "Deleted: 1 job and 1 picture. 1 job of yours was reported" in said
    assert WISH in await house.refusal(await ben.click(other, "U1"))
    assert (await house.result(await ben.click(reported, "U1"))).attachments
    (card,) = cards(house, mods)
    assert f"<@{house.ada.id}>" in card.content
    assert "Dismissed" in await told(house, await mo.click(card, "Dismiss"))
    await eventually(lambda: not house.query(LEFT))
    assert WISH in await house.refusal(await ben.click(reported, "U1"))
    assert WISH in await told(house, await mo.click(card, "Remove"))
    await left_nothing(house)


async def test_a_deleted_picture_cannot_be_reported_but_its_message_removed(
    house: House, mods: Channel
) -> None:
    """Both menus tell the truth; a flag is as silent as ever."""
    ben, mo = house.discord.person("Ben"), house.discord.person("Mo", moderator=True)
    grid = await house.imagine()
    await delete(house)
    assert WISH in await told(house, await ben.use("🚩 Report", grid))
    await ben.react(grid, "🚩")
    assert "Removed this message." in await told(house, await mo.use("Remove picture", grid))
    assert grid.deleted
    assert [m for m in house.discord.messages() if not m.ephemeral] == []


async def test_the_card_of_a_deleted_picture_says_so(house: House, mods: Channel) -> None:
    """Nobody looked at it for so long that it went: moderators can only put it aside."""
    ben, mo = house.discord.person("Ben"), house.discord.person("Mo", moderator=True)
    grid = await house.imagine()
    await ben.react(grid, "🚩")
    await house.discord.until(lambda: cards(house, mods), why="a card")
    await eventually(lambda: not house.query("SELECT 1 FROM jobs WHERE delivered_at IS NULL"))
    await asyncio.to_thread(house.execute, "UPDATE reports SET at = at - ?", REVIEW_SECONDS)
    await delete(house)
    (card,) = cards(house, mods)
    assert WISH in await told(house, await mo.click(card, "Block user"))
    assert house.query("SELECT * FROM blocks") == []
    assert "Dismissed" in await told(house, await mo.click(card, "Dismiss"))
    await house.discord.until(lambda: WISH in card.content, why="the card is new")
    assert card.buttons == [] and f"<@{house.ada.id}>" not in card.content
