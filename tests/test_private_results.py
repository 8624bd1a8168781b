"""Results that only their user sees."""

from bot.domain.limits import MAX_TOKEN_WAIT, out_of_time
from bot.messages.job_messages import LAST_WORD_SECONDS
from bot.messages.message_client import TOKEN_SECONDS
from bot.playground import Interaction, Message
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.test_fork import asked, steps_of


async def private(harness: BotHarness) -> Interaction:
    """A request for a private result."""
    return await harness.ada.slash("imagine", prompt="a house", private=True, seed=7)


async def painting(harness: BotHarness, engine: FakeEngine) -> Interaction:
    """A private job that shows its progress until the engine's gate opens."""
    engine.gate.clear()
    interaction = await private(harness)
    await harness.discord.until(
        lambda: interaction.response and "Painting" in interaction.response.content, why="progress"
    )
    return interaction


async def clicked(harness: BotHarness, message: Message, label: str) -> Message:
    """The response to a click by Ada."""
    return await harness.result(await harness.ada.click(message, label))


async def test_a_private_result_and_what_its_buttons_make(harness: BotHarness) -> None:
    """Others see nothing of it, neither while it is painted nor later."""
    message = await harness.result(await private(harness))
    assert message.ephemeral and len(message.attachments) == 1
    assert message.buttons == ALL_BUTTONS
    made = [await clicked(harness, message, label) for label in ("U2", "V1", "🔄")]
    made.append(await clicked(harness, made[0], "V subtle"))
    made.append(await clicked(harness, made[2], "U1"))
    assert all(message.ephemeral and message.attachments for message in made)
    assert harness.discord.messages() == []
    assert harness.discord.dms(harness.ada) == []


async def test_a_flag_makes_a_result_private(harness: BotHarness) -> None:
    """As the option does; other results are public."""
    interaction = await harness.ada.slash("imagine", prompt="a house --private")
    assert (await harness.result(interaction)).ephemeral
    assert not (await harness.imagine()).ephemeral


async def test_a_modal_of_a_private_result_is_private(harness: BotHarness) -> None:
    """What it asks for too."""
    message = await harness.result(await private(harness))
    strip = await steps_of(harness, message)
    assert strip.ephemeral
    modal = await asked(harness, strip, 2)
    forked = await harness.result(await harness.ada.submit(modal, {"prompt": "a boat"}))
    assert forked.ephemeral and forked.content.startswith("Fork: ")
    assert harness.discord.messages() == []


async def test_a_private_result_survives_a_restart(harness: BotHarness, engine: FakeEngine) -> None:
    """Its token is stored."""
    interaction = await painting(harness, engine)
    await harness.stop()
    await harness.start()
    engine.gate.set()
    message = await harness.result(interaction)
    assert message.ephemeral and "U1" in message.buttons
    assert (await clicked(harness, message, "V1")).ephemeral
    assert harness.discord.messages() == []


async def test_a_private_job_that_outlasts_the_token(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its message says so while it can; the job costs nothing."""
    interaction = await painting(harness, engine)
    harness.clock_offset = TOKEN_SECONDS - LAST_WORD_SECONDS + 1
    message = await harness.result(interaction)
    assert out_of_time(is_private=True, guild_id=None) in message.content
    await harness.stop()
    assert harness.query("SELECT * FROM usage") == []


async def test_a_private_result_is_never_posted_in_the_channel(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Also if its token expires while the bot is down; the job ends, and costs nothing."""
    await painting(harness, engine)
    await harness.stop()
    harness.clock_offset = 15 * 60.0
    harness.discord.clock.advance(15 * 60.0)
    await harness.start()
    engine.gate.set()
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE delivered_at IS NOT NULL"))
    await harness.stop()
    assert harness.discord.messages() == []
    assert harness.query("SELECT * FROM usage") == []


async def test_a_queue_that_is_longer_than_the_token_lives(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """A private job is refused, a public one accepted."""
    await harness.imagine()
    await eventually(lambda: harness.query("SELECT * FROM usage WHERE work > 0"))
    change = "UPDATE usage SET seconds = ?"
    await harness.execute(change, 2 * MAX_TOKEN_WAIT)
    engine.gate.clear()
    await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: len(harness.query("SELECT * FROM jobs")) == 2)
    refused = await harness.refusal(await private(harness))
    assert "Discord gives me only 15 minutes for a message that you alone can see." in refused
    accepted = await harness.ada.slash("imagine", prompt="a house")
    engine.gate.set()
    await harness.result(accepted)
