"""A REST request and its answer, as the handlers, the log and the observers see them."""

from dataclasses import dataclass, field

from bot.playground.errors import Json, invalid
from bot.playground.faults import Fault
from bot.playground.rest.request_body import RequestBody

Answer = Json | list[Json] | None


@dataclass(frozen=True)
class Response:
    """What the playground answered; `json` is None for an empty body."""

    status: int
    json: Answer
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """One REST request and, once given, its answer."""

    method: str
    route: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    at: float
    body: RequestBody = field(default_factory=RequestBody, repr=False)
    multipart: bool = False
    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    response: Response | None = None

    @property
    def json(self) -> Answer:
        """The JSON that the bot sent."""
        return self.body.items or self.body.payload or None

    @property
    def status(self) -> int:
        """The answer's status; 0 while there is none."""
        return self.response.status if self.response else 0

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A number of the query, within limits."""
        text = self.query.get(name, str(default))
        if not text.isdecimal() or not low <= int(text) <= high:
            sentence = f"int value should be between {low} and {high}."
            raise invalid((name,), "NUMBER_TYPE_RANGE", sentence)
        return int(text)

    def snowflake(self, name: str) -> int:
        """A path parameter that is an id."""
        if not self.params[name].isdecimal():
            sentence = f'Value "{self.params[name]}" is not snowflake.'
            raise invalid((name,), "NUMBER_TYPE_COERCE", sentence)
        return int(self.params[name])


def fault_response(fault: Fault, headers: dict[str, str]) -> Response:
    """The failing answer; 204 is none, but tells nothing."""
    if fault.status == 204:
        return Response(204, None, headers)
    headers = dict(headers)
    if not fault.via:
        headers.pop("Via", None)
    if fault.status == 429:
        headers["Retry-After"] = str(fault.retry_after)
        headers["X-RateLimit-Scope"] = fault.scope
        everywhere = fault.scope == "global"
        if everywhere:
            headers["X-RateLimit-Global"] = "true"
        limited = {"message": "You are being rate limited.", "code": 0, "global": everywhere}
        return Response(429, limited | {"retry_after": fault.retry_after}, headers)
    return Response(
        fault.status or 500, {"message": "A fault on demand", "code": fault.code}, headers
    )
