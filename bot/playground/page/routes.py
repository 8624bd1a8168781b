"""HTTP routes of the web page: static files, the event stream and user actions."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from bot.playground.client.options import PlainValue, parse_values
from bot.playground.client.person import Person
from bot.playground.client.slash_parser import option_files, parse_command
from bot.playground.conditions.switches import find_condition
from bot.playground.conditions.table import CONDITIONS, Condition
from bot.playground.errors import ApiError, Json, NotAcknowledged, PlaygroundError
from bot.playground.model.guild import Channel
from bot.playground.model.interactions import Interaction
from bot.playground.model.messages import Message
from bot.playground.page.event_stream import PageStream, channel_list
from bot.playground.page.facade import PlaygroundFacade
from bot.playground.page.requests import Form, field_values, read_form, read_json
from bot.playground.rest.validation.localizations import LOCALES

Action = Callable[[Person, Json], Awaitable[web.Response]]
Handler = Callable[[web.Request], Awaitable[web.Response]]
STATIC = Path(__file__).parents[1] / "static"
PEOPLE = ("Ada", "Ben", "Mod", "Admin")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
INTERACTION_FAILED = "This interaction failed"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Page:
    """Serves the page and executes the actions of its user.

    With `local_only`, requests with another host name than localhost are refused.
    """

    def __init__(self, playground: PlaygroundFacade, *, local_only: bool) -> None:
        self._playground = playground
        self._local_only = local_only
        self._streams: set[PageStream] = set()

    def add_routes(self, app: web.Application) -> None:
        """Add routes at the root, below /static and below /playground."""
        app.router.add_get("/", self._index)
        app.router.add_static("/static", STATIC)
        app.router.add_get("/playground/people", self._people)
        app.router.add_get("/playground/live", self._live)
        app.router.add_post("/playground/send", self._send)
        actions: dict[str, Action] = {
            "click": self._click,
            "choose": self._choose,
            "use": self._use,
            "submit": self._submit,
            "complete": self._complete,
            "react": self._react,
            "clear": self._clear,
            "vote": self._vote,
            "dismiss": self._dismiss,
            "locale": self._set_locale,
            "elsewhere": self._go_elsewhere,
            "condition": self._set_condition,
            "all-off": self._end_conditions,
        }
        for name, action in actions.items():
            app.router.add_post(f"/playground/{name}", self._handler(action))

    def close(self) -> None:
        """End all event streams."""
        for stream in self._streams:
            stream.closed = True
        self._playground.world.changes.notify()

    def _check_origin(self, request: web.Request) -> None:
        """Raise HTTPForbidden for other websites, including those that use DNS rebinding."""
        host = request.host.rsplit(":", 1)[0] if ":" in request.host else request.host
        if self._local_only and host not in LOCAL_HOSTS:
            raise web.HTTPForbidden(text="The playground only accepts requests to localhost.")
        if request.method == "POST" and "X-Playground" not in request.headers:
            raise web.HTTPForbidden(text="Only the playground's own page may do that.")

    async def _index(self, request: web.Request) -> web.StreamResponse:
        self._check_origin(request)
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-store"}
        return web.FileResponse(STATIC / "index.html", headers=headers)

    async def _people(self, request: web.Request) -> web.Response:
        self._check_origin(request)
        people = [
            self._playground.person(name, moderator=name == "Mod", admin=name == "Admin")
            for name in PEOPLE
        ]
        people += [person for person in self._playground.people if person.name not in PEOPLE]
        return web.json_response(
            {
                "people": [person.name for person in people],
                "channels": channel_list(self._playground.world, people[0]),
                "conditions": [_condition_json(condition) for condition in CONDITIONS],
            }
        )

    async def _live(self, request: web.Request) -> web.StreamResponse:
        self._check_origin(request)
        person = self._person(request.query.get("as"))
        channel = self._channel(person, request.query.get("channel"))
        stream = PageStream(self._playground, person, channel)
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        self._streams.add(stream)
        try:
            with suppress(ConnectionResetError):  # the page was closed
                await stream.run(response)
        finally:
            self._streams.discard(stream)
        return response

    async def _send(self, request: web.Request) -> web.Response:
        self._check_origin(request)
        try:
            form = await read_form(request)
            person = self._person(form.fields.get("as"))
            channel = self._channel(person, form.fields.get("channel"))
            text = form.fields.get("text", "")
            if not text.startswith("/"):
                await self._say(person, channel, form)
                return _success()
            interaction = await self._slash(person, channel, text, form)
        except (PlaygroundError, ApiError) as error:
            return _failure(str(error))
        return await _interaction_response(interaction, "The application did not respond")

    async def _say(self, person: Person, channel: Channel, form: Form) -> None:
        """Send a message or a reply; `@` and the bot's name mention it, as in Discord's client."""
        bot = self._playground.world.bot
        text = form.message_text().replace(f"@{bot.name}", f"<@{bot.id}>")
        replied = form.fields.get("reply")
        reply_to = self._message({"message": replied}) if replied else None
        await person.say(text, *form.message_files(), where=channel, reply_to=reply_to)

    async def _slash(self, person: Person, channel: Channel, text: str, form: Form) -> Interaction:
        parsed_command = parse_command(person.available_commands(channel), text)
        command = parsed_command.command
        values: dict[str, PlainValue] = parse_values(command.options, parsed_command.texts)
        values |= option_files(command, form.option_uploads, form.uploads)
        return await person.invoke(command.name, values, where=channel)

    def _handler(self, action: Action) -> Handler:
        """Return a handler that executes the action for the user in the JSON body."""

        async def handle(request: web.Request) -> web.Response:
            self._check_origin(request)
            try:
                body = await read_json(request)
                return await action(self._person(body.get("as")), body)
            except (PlaygroundError, ApiError) as error:
                return _failure(str(error))

        return handle

    async def _click(self, person: Person, body: Json) -> web.Response:
        message = self._message(body)
        interaction = await person.click(message, custom_id=str(body.get("custom_id")))
        return await _interaction_response(interaction, INTERACTION_FAILED)

    async def _choose(self, person: Person, body: Json) -> web.Response:
        values = body.get("values")
        texts = [str(value) for value in values] if isinstance(values, list) else []
        menu = str(body.get("custom_id"))
        interaction = await person.choose(self._message(body), menu, *texts)
        return await _interaction_response(interaction, INTERACTION_FAILED)

    async def _use(self, person: Person, body: Json) -> web.Response:
        interaction = await person.use(str(body.get("command")), self._message(body))
        return await _interaction_response(interaction, INTERACTION_FAILED)

    async def _submit(self, person: Person, body: Json) -> web.Response:
        interaction = await person.submit(self._interaction(body), field_values(body))
        return await _interaction_response(interaction, "Something went wrong. Try again.")

    async def _complete(self, person: Person, body: Json) -> web.Response:
        channel = self._channel(person, str(body.get("channel")))
        parsed_command = parse_command(person.available_commands(channel), str(body.get("text")))
        option = str(body.get("option"))
        text = parsed_command.texts.pop(option, "")
        others = parse_values(parsed_command.command.options, parsed_command.texts)
        name = parsed_command.command.name
        interaction = await person.complete(name, option, text, where=channel, others=others)
        await interaction.acknowledged()
        return web.json_response({"choices": interaction.choices or []})

    async def _react(self, person: Person, body: Json) -> web.Response:
        action = person.react if body.get("on") else person.unreact
        await action(self._message(body), str(body.get("emoji")))
        return _success()

    async def _clear(self, person: Person, body: Json) -> web.Response:
        await person.clear_reactions(self._message(body))
        return _success()

    async def _vote(self, person: Person, body: Json) -> web.Response:
        answers = body.get("answers")
        answer_ids = [_snowflake(item) for item in answers] if isinstance(answers, list) else []
        await person.vote(self._message(body), *answer_ids)
        return _success()

    async def _dismiss(self, person: Person, body: Json) -> web.Response:
        await person.delete(self._message(body))
        return _success()

    async def _go_elsewhere(self, person: Person, body: Json) -> web.Response:
        """Create a server and a chat without the bot, which the page's people then have installed
        for themselves; both once."""
        people = [self._playground.person(name) for name in PEOPLE]
        if not any(people[0].user in c.people for c in self._playground.world.channels.values()):
            guild = self._playground.add_foreign_guild("Elsewhere")
            for member in people:
                member.user.has_app = True
                member.join(guild)
            self._playground.add_private_channel(*people)
            self._playground.world.changes.notify()
        return _success()

    async def _set_locale(self, person: Person, body: Json) -> web.Response:
        if body.get("locale") not in LOCALES:
            raise PlaygroundError("Discord has no client in that language.")
        person.user.locale = str(body["locale"])
        self._playground.world.changes.notify()
        return _success()

    async def _set_condition(self, person: Person, body: Json) -> web.Response:
        condition = find_condition(str(body.get("condition")))
        self._playground.conditions.set(condition, on=body.get("on") is True)
        return _success()

    async def _end_conditions(self, person: Person, body: Json) -> web.Response:
        self._playground.conditions.end_all()
        return _success()

    def _person(self, name: str | None) -> Person:
        for person in self._playground.people:
            if person.name == name:
                return person
        raise web.HTTPNotFound(text="There is no user with that name.")

    def _channel(self, person: Person, channel_id: str | None) -> Channel:
        if channel_id == "dm":
            return person.dm
        for channel in self._playground.world.channels.values():
            if str(channel.id) == channel_id and person.can_enter(channel):
                return channel
        raise web.HTTPNotFound(text="There is no such channel.")

    def _interaction(self, body: Json) -> Interaction:
        interaction = self._playground.interactions.find(_snowflake(body.get("interaction")))
        if interaction is None:
            raise PlaygroundError("That form is no longer open.")
        return interaction

    def _message(self, body: Json) -> Message:
        message = self._playground.world.messages.get(_snowflake(body.get("message")))
        if message is None:
            raise PlaygroundError("That message no longer exists.")
        return message


def _condition_json(condition: Condition) -> Json:
    return {
        "key": condition.key,
        "group": condition.group.value,
        "name": condition.name,
        "description": condition.description,
    }


def _snowflake(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() else 0


async def _interaction_response(interaction: Interaction, error: str) -> web.Response:
    try:
        await interaction.acknowledged()
    except NotAcknowledged:
        return _failure(error)
    if interaction.modal is not None:
        return web.json_response({"form": interaction.modal, "interaction": str(interaction.id)})
    return _success()


def _success() -> web.Response:
    return web.json_response({})


def _failure(sentence: str) -> web.Response:
    return web.json_response({"error": sentence})
