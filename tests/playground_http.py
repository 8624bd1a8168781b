"""A bare REST client for the tests of the local Discord."""

import io
import json
from typing import Any

import aiohttp

from bot.playground import Playground

Json = dict[str, Any]


class Http:
    """A bare REST client."""

    def __init__(self, session: aiohttp.ClientSession, here: Playground) -> None:
        self.session = session
        self.here = here
        self.headers = {"Authorization": f"Bot {here.token}"}

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:  # noqa: ANN401
        """Make one request; answer status and JSON."""
        headers = self.headers | more.pop("headers", {})
        address = self.here.api + path
        async with self.session.request(method, address, headers=headers, **more) as response:
            text = await response.text()
            if text:
                assert response.headers["Content-Type"] == "application/json"
            return response.status, json.loads(text) if text else None

    async def post(self, payload: Json, files: list[bytes] | None = None) -> tuple[int, Any]:
        """Post to the default channel."""
        path = f"/channels/{self.here.channel.id}/messages"
        if files is None:
            return await self.call("POST", path, json=payload)
        form = aiohttp.FormData()
        form.add_field("payload_json", json.dumps(payload))
        for number, data in enumerate(files):
            form.add_field(f"files[{number}]", io.BytesIO(data), filename=f"{number}.png")
        return await self.call("POST", path, data=form)
