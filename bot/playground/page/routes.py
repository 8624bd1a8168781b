"""The web page of the playground: its files, its live stream, and what people do on it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from bot.playground.client.options import PlainValue, parse_values
from bot.playground.client.person import Person
from bot.playground.client.slash_parser import first_file_option, parse_command
from bot.playground.errors import ApiError, Json, NotAcknowledged, PlaygroundError
from bot.playground.model.attachments import Upload
from bot.playground.model.guild import Channel
from bot.playground.model.interactions import Interaction
from bot.playground.model.state import Message
from bot.playground.page.event_stream import PageStream, places
from bot.playground.page.facade import Facade
from bot.playground.page.requests import read_form, read_json

Act = Callable[[Person, Json], Awaitable[web.Response]]
Handler = Callable[[web.Request], Awaitable[web.Response]]
STATIC = Path(__file__).parents[1] / "static"
PEOPLE = ("Ada", "Ben", "Mod", "Admin")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
FAILED = "This interaction failed"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Page:
    """Serves the page and acts for whoever sits before it."""

    def __init__(self, discord: Facade, *, local_only: bool) -> None:
        self._discord = discord
        self._local_only = local_only
        self._viewers: set[PageStream] = set()

    def add_routes(self, app: web.Application) -> None:
        """Serve at the root, and below /playground."""
        app.router.add_get("/", self._index)
        app.router.add_static("/static", STATIC)
        app.router.add_get("/playground/people", self._people)
        app.router.add_get("/playground/live", self._live)
        app.router.add_post("/playground/send", self._send)
        actions: dict[str, Act] = {
            "click": self._click,
            "use": self._use,
            "submit": self._submit,
            "complete": self._complete,
            "react": self._react,
            "dismiss": self._dismiss,
        }
        for name, act in actions.items():
            app.router.add_post(f"/playground/{name}", self._acting(act))

    def close(self) -> None:
        """End all live streams."""
        for viewer in self._viewers:
            viewer.closed = True
        self._discord.world.changes.notify()

    def _check_host(self, request: web.Request) -> None:
        """Refuse other websites, also those whose name someone points at this machine."""
        host = request.host.rsplit(":", 1)[0] if ":" in request.host else request.host
        if self._local_only and host not in LOCAL_HOSTS:
            raise web.HTTPForbidden(text="The playground answers only to this machine.")
        if request.method == "POST" and "X-Playground" not in request.headers:
            raise web.HTTPForbidden(text="Only the playground's own page may do that.")

    async def _index(self, request: web.Request) -> web.StreamResponse:
        self._check_host(request)
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return web.FileResponse(STATIC / "index.html", headers=headers)

    async def _people(self, request: web.Request) -> web.Response:
        self._check_host(request)
        for name in PEOPLE:
            self._discord.person(name, moderator=name == "Mod", admin=name == "Admin")
        return web.json_response(
            {
                "people": [person.name for person in self._discord.people],
                "channels": places(self._discord.world, self._discord.people[0]),
            }
        )

    async def _live(self, request: web.Request) -> web.StreamResponse:
        self._check_host(request)
        person = self._person(request.query.get("as"))
        viewer = PageStream(
            self._discord, person, self._channel(person, request.query.get("channel"))
        )
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        self._viewers.add(viewer)
        try:
            with suppress(ConnectionResetError):  # the page was closed
                await viewer.run(response)
        finally:
            self._viewers.discard(viewer)
        return response

    async def _send(self, request: web.Request) -> web.Response:
        self._check_host(request)
        try:
            fields, uploads = await read_form(request)
            person = self._person(fields.get("as"))
            channel = self._channel(person, fields.get("channel"))
            text = fields.get("text", "")
            if not text.startswith("/"):
                await person.say(text, *uploads, where=channel)
                return _done()
            interaction = await self._slash(person, channel, text, uploads)
        except (PlaygroundError, ApiError) as error:
            return _refused(str(error))
        return await _awaited(interaction, "The application did not respond")

    async def _slash(
        self, person: Person, channel: Channel, text: str, uploads: list[Upload]
    ) -> Interaction:
        typed = parse_command(person.offered(channel), text)
        values: dict[str, PlainValue] = parse_values(typed.used.options, typed.texts)
        option = first_file_option(typed.used.options)
        if uploads and option is None:
            raise PlaygroundError(f"/{typed.used.name} takes no file.")
        if uploads and option:
            values[option] = uploads[0]
        return await person.invoke(typed.used.name, values, where=channel)

    def _acting(self, act: Act) -> Handler:
        """Answers a JSON request of the page by letting its person act."""

        async def handle(request: web.Request) -> web.Response:
            self._check_host(request)
            try:
                asked = await read_json(request)
                return await act(self._person(asked.get("as")), asked)
            except (PlaygroundError, ApiError) as error:
                return _refused(str(error))

        return handle

    async def _click(self, person: Person, asked: Json) -> web.Response:
        message = self._message(asked)
        interaction = await person.click(message, custom_id=str(asked.get("custom_id")))
        return await _awaited(interaction, FAILED)

    async def _use(self, person: Person, asked: Json) -> web.Response:
        interaction = await person.use(str(asked.get("command")), self._message(asked))
        return await _awaited(interaction, FAILED)

    async def _submit(self, person: Person, asked: Json) -> web.Response:
        values = asked.get("values")
        opened = self._interaction(asked)
        interaction = await person.submit(opened, values if isinstance(values, dict) else {})
        return await _awaited(interaction, "Something went wrong. Try again.")

    async def _complete(self, person: Person, asked: Json) -> web.Response:
        channel = self._channel(person, str(asked.get("channel")))
        typed = parse_command(person.offered(channel), str(asked.get("text")))
        option = str(asked.get("option"))
        text = typed.texts.pop(option, "")
        others = parse_values(typed.used.options, typed.texts)
        name = typed.used.name
        interaction = await person.complete(name, option, text, where=channel, others=others)
        await interaction.acknowledged()
        return web.json_response({"choices": interaction.choices or []})

    async def _react(self, person: Person, asked: Json) -> web.Response:
        act = person.react if asked.get("on") else person.unreact
        await act(self._message(asked), str(asked.get("emoji")))
        return _done()

    async def _dismiss(self, person: Person, asked: Json) -> web.Response:
        await person.delete(self._message(asked))
        return _done()

    def _person(self, name: str | None) -> Person:
        for person in self._discord.people:
            if person.name == name:
                return person
        raise web.HTTPNotFound(text="There is nobody of that name here.")

    def _channel(self, person: Person, wanted: str | None) -> Channel:
        if wanted == "dm":
            return person.dm
        for channel in self._discord.world.channels.values():
            if str(channel.id) == wanted and person.enters(channel):
                return channel
        raise web.HTTPNotFound(text="There is no such channel.")

    def _interaction(self, asked: Json) -> Interaction:
        wanted = str(asked.get("interaction"))
        found = self._discord.interactions.find(int(wanted) if wanted.isdecimal() else 0)
        if found is None:
            raise PlaygroundError("That form is no longer open.")
        return found

    def _message(self, asked: Json) -> Message:
        wanted = str(asked.get("message"))
        message = self._discord.world.messages.get(int(wanted) if wanted.isdecimal() else 0)
        if message is None:
            raise PlaygroundError("That message is gone.")
        return message


async def _awaited(interaction: Interaction, otherwise: str) -> web.Response:
    try:
        await interaction.acknowledged()
    except NotAcknowledged:
        return _refused(otherwise)
    if interaction.modal is not None:
        return web.json_response({"form": interaction.modal, "interaction": str(interaction.id)})
    return _done()


def _done() -> web.Response:
    return web.json_response({})


def _refused(sentence: str) -> web.Response:
    return web.json_response({"error": sentence})
