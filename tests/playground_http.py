"""A plain HTTP client for the tests of the playground's REST API."""

import io
import json
from typing import Any

import aiohttp

from bot.playground import Playground

Json = dict[str, Any]


class Http:
    """A REST client with the bot's token."""

    def __init__(self, session: aiohttp.ClientSession, playground: Playground) -> None:
        self.session = session
        self.playground = playground
        self.headers = {"Authorization": f"Bot {playground.token}"}

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:  # noqa: ANN401 # any JSON
        """Send a request; return status and JSON."""
        headers = self.headers | options.pop("headers", {})
        url = self.playground.api + path
        async with self.session.request(method, url, headers=headers, **options) as response:
            text = await response.text()
            if text:
                assert response.headers["Content-Type"] == "application/json"
            return response.status, json.loads(text) if text else None

    async def post(self, payload: Json, files: list[bytes] | None = None) -> tuple[int, Any]:
        """Create a message in the default channel."""
        path = f"/channels/{self.playground.channel.id}/messages"
        return await self.send("POST", path, payload, files)

    async def patch(
        self, message_id: str, payload: Json, files: list[bytes] | None = None
    ) -> tuple[int, Any]:
        """Edit a message in the default channel."""
        path = f"/channels/{self.playground.channel.id}/messages/{message_id}"
        return await self.send("PATCH", path, payload, files)

    async def send(
        self, method: str, path: str, payload: Json, files: list[bytes] | None
    ) -> tuple[int, Any]:
        """Send a JSON body, as multipart if there are files."""
        if files is None:
            return await self.call(method, path, json=payload)
        form = aiohttp.FormData()
        form.add_field("payload_json", json.dumps(payload))
        for index, data in enumerate(files):
            form.add_field(f"files[{index}]", io.BytesIO(data), filename=f"{index}.png")
        return await self.call(method, path, data=form)
