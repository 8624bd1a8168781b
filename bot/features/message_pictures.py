"""The pictures in a message of anybody, for what the Apps menu does with one of them."""

from collections.abc import Iterator, Sequence
from typing import Final

import discord

from bot.attachments import sanitize
from bot.context import Interaction, services
from bot.errors import Refused

MAX_PICTURES: Final = 10
"""Of a message."""


def urls_in(
    interaction: Interaction, message: discord.Message, *, none: str, foreign: str
) -> list[str]:
    """The addresses of the pictures in a message, or in the message that it forwards, up to
    MAX_PICTURES.

    Raises Refused if there is none that could be used: with `foreign` if Discord shows one of
    another website, else with `none`.
    """
    contents: list[discord.Message | discord.MessageSnapshot] = [message]
    contents += message.message_snapshots
    uploads = [
        upload
        for content in contents
        for upload in content.attachments
        if (upload.content_type or "").startswith("image/")
    ]
    embedded = list(dict.fromkeys(url for content in contents for url in _embedded(content.embeds)))
    inputs = services(interaction).inputs
    urls = [
        *(upload.url for upload in uploads),
        *(url for url in embedded if inputs.is_attachment(url)),
    ]
    if not urls:
        raise Refused(foreign if embedded else none)
    if len(uploads) == len(urls) == 1:
        sanitize.check_size(uploads[0].size)
    by_path = {url.partition("?")[0]: url for url in reversed(urls)}
    return list(by_path.values())[::-1][:MAX_PICTURES]


def _embedded(embeds: Sequence[discord.Embed]) -> Iterator[str]:
    for embed in embeds:
        for url in (embed.image.url, embed.thumbnail.url):
            if url:
                yield url


async def offer(
    interaction: Interaction, question: str, urls: Sequence[str], view: discord.ui.View
) -> None:
    """Show the pictures in private, each with a button of the view; this message is their state."""
    await interaction.response.send_message(
        question,
        embeds=[discord.Embed().set_image(url=url) for url in urls],
        view=view,
        ephemeral=True,
    )


def offered_url(interaction: Interaction, nth: int, *, gone: str) -> str:
    """The address of a picture of such a message, by its number from 0. Raises Refused, with
    `gone`, if the message has lost it."""
    embeds = [] if interaction.message is None else interaction.message.embeds
    urls = [embed.image.url for embed in embeds if embed.image.url]
    if nth >= len(urls):
        raise Refused(gone)
    return urls[nth]
