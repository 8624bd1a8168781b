"""Report pictures and read the moderators' cards; the fixtures are in conftest."""

from pathlib import Path

from bot.playground import Channel, Interaction, Message, Person
from tests.bot_harness import BotHarness


async def response_text(harness: BotHarness, interaction: Interaction) -> str:
    """The text of the last ephemeral response, once it is not a placeholder."""
    await harness.discord.until(
        lambda: interaction.ephemerals and interaction.ephemerals[-1].content not in ("", "…"),
        why="an ephemeral response",
    )
    return interaction.ephemerals[-1].content


async def report(
    harness: BotHarness, person: Person, message: Message, reason: str = "ugly"
) -> str:
    """Report by the context menu and the modal; return the text of the response."""
    interaction = await person.use("🚩 Report", message)
    await interaction.acknowledged()
    if interaction.modal is not None:
        interaction = await person.submit(interaction, {"reason": reason})
    return await response_text(harness, interaction)


def cards(harness: BotHarness, channel: Channel) -> list[Message]:
    """All cards in this channel."""
    return [
        message for message in harness.discord.messages(channel) if "Reported" in message.content
    ]


def card_in(harness: BotHarness, channel: Channel) -> Message:
    """The only card in this channel."""
    (card,) = cards(harness, channel)
    return card


def picture_files(harness: BotHarness) -> list[Path]:
    """The stored pictures."""
    return list((harness.data / "pictures").rglob("*.png"))


def actions(harness: BotHarness) -> list[str]:
    """The actions in the audit log, the oldest first."""
    return [row["action"] for row in harness.query("SELECT action FROM audit_log ORDER BY id")]
