"""Report pictures and read the moderators' cards; the fixtures are in conftest."""

from pathlib import Path

from bot.playground import Channel, Interaction, Message, Person
from tests.house import House


async def response_text(house: House, interaction: Interaction) -> str:
    """The text of the last ephemeral response, once it is not a placeholder."""
    await house.discord.until(
        lambda: interaction.ephemerals and interaction.ephemerals[-1].content not in ("", "…"),
        why="an ephemeral response",
    )
    return interaction.ephemerals[-1].content


async def report(house: House, person: Person, message: Message, reason: str = "ugly") -> str:
    """Report by the context menu and the modal; return the text of the response."""
    interaction = await person.use("🚩 Report", message)
    await interaction.acknowledged()
    if interaction.modal is not None:
        interaction = await person.submit(interaction, {"reason": reason})
    return await response_text(house, interaction)


def cards(house: House, channel: Channel) -> list[Message]:
    """All cards in this channel."""
    return [message for message in house.discord.messages(channel) if "Reported" in message.content]


def card_in(house: House, channel: Channel) -> Message:
    """The only card in this channel."""
    (card,) = cards(house, channel)
    return card


def picture_files(house: House) -> list[Path]:
    """The stored pictures."""
    return list((house.data / "pictures").rglob("*.png"))


def actions(house: House) -> list[str]:
    """The actions in the audit log, the oldest first."""
    return [row["action"] for row in house.query("SELECT action FROM audit_log ORDER BY id")]
