"""Requests and responses as handlers, the request log and observers see them."""

from dataclasses import dataclass, field
from http.client import responses

from bot.playground.errors import Json
from bot.playground.faults import Fault
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.validation.fields import (
    Field,
    Integer,
    Model,
    Required,
    Snowflake,
    read_form,
)

DEFAULT_LOCALE = "en-US"
MAX_SNOWFLAKE = (1 << 63) - 1
JsonBody = Json | list[Json] | None
Result = tuple[int, JsonBody]
"""Status and body that a handler returns."""


@dataclass(frozen=True)
class Response:
    """A response; `json` is None if the body is empty or `html`."""

    status: int
    json: JsonBody
    headers: dict[str, str] = field(default_factory=dict)
    html: str = ""


@dataclass
class Request:
    """A REST request, with its response once there is one."""

    method: str
    route: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    received_at: float
    body: RequestBody = field(default_factory=RequestBody, repr=False)
    multipart: bool = False
    locale: str = DEFAULT_LOCALE
    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Name and size of each file by form field."""
    response: Response | None = None

    @property
    def json(self) -> JsonBody:
        """The JSON body."""
        return self.body.items or self.body.payload or None

    @property
    def status(self) -> int:
        """The status of the response; 0 if there is none yet."""
        return self.response.status if self.response else 0

    def flag(self, name: str) -> bool:
        """Return whether a boolean query parameter is true."""
        return self.query.get(name, "").lower() in ("1", "true")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return a query parameter; raise ApiError if it is not between `low` and `high`."""
        return self._read_query(name, default, Integer(low, high))

    def after(self) -> int:
        """Return the query parameter `after`: a list begins with the next greater id."""
        return self.query_id("after")

    def query_id(self, name: str, default: int = 0) -> int:
        """Return the id in a query parameter; raise ApiError if it is not a number."""
        return self._read_query(name, default, Snowflake())

    def _read_query(self, name: str, default: int, field: Field) -> int:
        form = {name: self.query.get(name, str(default))}
        return int(read_form(Model({name: Required(field)}), form)[name])

    def snowflake(self, name: str) -> int:
        """Return the id in a path parameter; raise ApiError if it is not a number."""
        return int(read_form(Model({name: Required(Snowflake())}), self.params)[name])


def fault_response(fault: Fault, headers: dict[str, str]) -> Response:
    """Return the response that a fault injects. A 204 has no body."""
    if fault.status == 204:
        return Response(204, None, headers)
    headers = dict(headers)
    if not fault.via:
        headers.pop("Via", None)
    if fault.html:
        title = f"{fault.status} {responses.get(fault.status, 'Web server is down')}"
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return Response(fault.status, None, headers, page)
    if fault.status == 429:
        headers["Retry-After"] = str(fault.retry_after)
        headers["X-RateLimit-Scope"] = fault.scope
        is_global = fault.scope == "global"
        if is_global:
            headers["X-RateLimit-Global"] = "true"
        body: Json = {"message": "You are being rate limited.", "code": fault.code}
        body |= {"retry_after": fault.retry_after, "global": is_global}
        return Response(429, body, headers)
    return Response(fault.status or 500, {"message": "Injected fault", "code": fault.code}, headers)
