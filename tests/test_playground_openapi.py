"""The OpenAPI validator used by the tests."""

from dataclasses import replace
from typing import Any

from bot.playground import Request, Response
from bot.playground.rest.request_body import RequestBody
from tests.openapi import OpenApi

CREATE = "/channels/{channel_id}/messages"


def request(payload: dict[str, Any], route: str = CREATE, method: str = "POST") -> Request:
    """A request with the JSON body."""
    return Request(method, route, route, {}, {}, 0.0, RequestBody(payload))


def problems(api: OpenApi, request: Request, response: Response) -> str:
    """The problems of a request and its response, one a line."""
    api.problems.clear()
    api.check(request, response)
    text = "\n".join(api.problems)
    api.problems.clear()
    return text


GONE = Response(404, {"message": "Unknown Message", "code": 10008})


def test_documented_responses_are_valid() -> None:
    """This includes responses with an error."""
    assert problems(OpenApi.load(), request({"content": "x"}), GONE) == ""


def test_unknown_fields_are_problems() -> None:
    """This holds for requests and responses."""
    api = OpenApi.load()
    unknown_field = request({"content": "x", "colour": "red"})
    assert "'colour' was unexpected" in problems(api, unknown_field, Response(200, {}))
    extra = Response(404, {"message": "x", "code": 1, "why": "?"})
    assert "'why' was unexpected" in problems(api, request({}), extra)


def test_unknown_routes_and_query_parameters_are_problems() -> None:
    """The document lists all routes and their parameters."""
    api = OpenApi.load()
    assert "not in the document" in problems(api, request({}, "/nonsense"), GONE)
    unknown_query = replace(request({}, method="GET"), query={"colour": "red"})
    assert "unknown query ['colour']" in problems(api, unknown_query, Response(200, []))


def test_the_error_is_about_the_component_type() -> None:
    """It does not list the errors of other component types."""
    row = {"type": 1, "components": [{"type": 2, "style": 2, "custom_id": "x" * 101}]}
    text = problems(OpenApi.load(), request({"components": [row]}), Response(200, {}))
    assert "components/0/components/0/custom_id" in text
    assert "is longer than 100 characters" in text


def test_responses_must_have_documented_shapes() -> None:
    """A missing field, an unknown status and an unexpected body are reported."""
    api = OpenApi.load()
    assert "is a required property" in problems(api, request({}), Response(200, {}))
    assert "status 301" in problems(api, request({}), Response(301, {}))
    deleted = request({}, CREATE + "/{message_id}", "DELETE")
    assert "a body with status 204" in problems(api, deleted, Response(204, {"a": 1}))
