"""Validate requests and responses against Discord's OpenAPI document, without unknown fields."""

import copy
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pytest
from jsonschema_rs import Draft202012Validator, ValidationError

from bot.playground import Playground, Request, Response

Json = dict[str, Any]
DOCUMENT = Path(__file__).parents[2] / "shared" / "reference" / "discord-openapi.json"

# Fields of an existing attachment: discord.py sends back all that it received.
ATTACHMENT_FIELDS = {
    "proxy_url",
    "size",
    "url",
    "spoiler",
    "height",
    "width",
    "content_type",
}
# Fields of commands that the documentation has and the document lacks.
COMMAND_FIELDS = {"nsfw"}
# Fields of embeds that discord.py sends and Discord ignores.
EMBED_FIELDS = {"flags"}
# Types of references that the documentation has and the document lacks: a forward.
REFERENCE_TYPES = [{"const": 1}]
MEDIA = 16  # a channel type that the documentation has and the document lacks
# Query parameters that discord.py sends and the document lacks.
OTHER_QUERIES = {"use_nested_fields"}
# Routes that Discord has and the document lacks.
OTHER_ROUTES = {"/attachments/refresh-urls"}
ID_LISTS = {"users", "roles", "messages", "applied_tags"}
OBJECTS_WITH_ID = ("default_values", "available_tags")
NO_BODY_STATUSES = {204}
UPDATE_MESSAGE = 7  # callback type


def document_path() -> Path:
    """The path of the document; `DISCORD_OPENAPI` overrides it."""
    return Path(os.environ.get("DISCORD_OPENAPI") or DOCUMENT)


class OpenApi:
    """A validator that collects deviations from the document in `problems`."""

    def __init__(self, document: Json) -> None:
        self.problems: list[str] = []
        self.checked = 0
        self._paths: Json = document["paths"]
        schemas = copy.deepcopy(document["components"]["schemas"])
        merged = {name: _merge_all_of(schema, schemas) for name, schema in schemas.items()}
        # Field error codes are strings, as in Discord's reference, not integers.
        field = merged["InnerErrors"]["properties"]["_errors"]["items"] = copy.deepcopy(
            merged["Error"]
        )
        field["properties"]["code"] = {"type": "string"}
        merged["MessageReferenceType"]["oneOf"] += REFERENCE_TYPES
        merged["ChannelTypes"]["oneOf"] += [{"const": MEDIA}]
        merged["GuildChannelResponse"]["properties"]["type"]["enum"].append(MEDIA)
        post = merged["CreatedThreadResponse"]["properties"]
        post["message"] = {"$ref": "#/components/schemas/MessageResponse"}
        self._components: Json = {"schemas": _forbid_additional(merged)}
        self._shared_responses: Json = document["components"].get("responses", {})
        self._validators: dict[str, Draft202012Validator] = {}

    @classmethod
    def load(cls) -> Self:
        """Load the document; if it is missing, skip the test, or fail it in CI."""
        path = document_path()
        if not path.exists():
            reason = f"Discord's OpenAPI document is not at {path}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def watch(self, discord: Playground) -> Self:
        """Check all further requests of a playground."""
        discord.observers.append(self.check)
        return self

    def check(self, request: Request, response: Response) -> None:
        """Check a request and its response."""
        if request.route in OTHER_ROUTES:
            return
        operation = self._paths.get(request.route, {}).get(request.method.lower())
        if operation is None:
            self._add_problem(request, "this route is not in the document")
            return
        self.checked += 1
        if response.status < 400:
            self._check_request(request, operation)
        if not response.html:  # a page of a proxy
            self._check_response(request, response, operation)

    def _check_request(self, request: Request, operation: Json) -> None:
        shared = self._paths[request.route].get("parameters", [])
        documented = {item["name"] for item in [*shared, *operation.get("parameters", [])]}
        if unknown := set(request.query) - documented - OTHER_QUERIES:
            self._add_problem(request, f"unknown query {sorted(unknown)}")
        schema = _content(operation.get("requestBody"))
        if schema is None:
            if request.json:
                self._add_problem(request, "a body where none is expected")
            return
        self._validate(request, "request", schema, _request_json(request))

    def _check_response(self, request: Request, response: Response, operation: Json) -> None:
        documented = operation["responses"]
        spec = documented.get(str(response.status)) or documented.get(f"{response.status // 100}XX")
        if spec is None:
            if response.status < 500:
                self._add_problem(request, f"status {response.status} is not in the document")
            return
        if "$ref" in spec:
            spec = self._shared_responses[spec["$ref"].rsplit("/", 1)[1]]
        schema = _content(spec)
        if schema is None or response.status in NO_BODY_STATUSES:
            if response.json is not None:
                self._add_problem(request, f"a body with status {response.status}")
            return
        self._validate(request, f"response {response.status}", schema, response.json)

    def _validate(self, request: Request, label: str, schema: Json, value: object) -> None:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            strict_schema = _forbid_additional(copy.deepcopy(schema)) | {
                "components": self._components
            }
            self._validators[key] = Draft202012Validator(strict_schema)
        error = next(self._validators[key].iter_errors(value), None)
        if error is not None:
            self._add_problem(request, f"{label}: {_reason(error)}")

    def _add_problem(self, request: Request, text: str) -> None:
        self.problems.append(f"{request.method} {request.route}: {text}")

    @cached_property
    def routes(self) -> set[tuple[str, str]]:
        """All documented methods and routes."""
        return {
            (method.upper(), path)
            for path, operations in self._paths.items()
            for method in operations
            if method != "parameters"
        }


def _content(holder: Json | None) -> Json | None:
    """The JSON schema of the body of a request or response."""
    schema: Json | None = (
        (holder or {}).get("content", {}).get("application/json", {}).get("schema")
    )
    return schema


def _merge_all_of(schema: Json, schemas: Json) -> Json:
    """Merge an `allOf` of objects into one object."""
    parts = [
        schemas[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
        for part in schema.get("allOf", [])
    ]
    if not parts or not all(part.get("type") == "object" for part in parts):
        return schema
    properties = {name: item for part in parts for name, item in part["properties"].items()}
    required = [name for part in parts for name in part.get("required", [])]
    return {"type": "object", "properties": properties, "required": required}


def _forbid_additional(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """A copy of the schema in which objects allow no additional properties."""
    if isinstance(schema, list):
        return [_forbid_additional(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _forbid_additional(value) for key, value in schema.items()}
    if isinstance(result.get("properties"), dict) and "object" in str(result.get("type")):
        result.setdefault("additionalProperties", False)
    return result


def _request_json(request: Request) -> Any:  # noqa: ANN401 - any JSON
    body = _normalize(request.json or {})
    payload = body if request.method == "PATCH" else {}
    if isinstance(body, dict) and body.get("type") == UPDATE_MESSAGE:
        payload = body.get("data") or {}
    elif isinstance(body, dict) and isinstance(body.get("message"), dict):
        payload = body["message"]
        body.pop("type", None)  # discord.py sends it with posts
    payload.pop("tts", None)  # discord.py sends it with each edit by webhook, and with posts
    return body


def _normalize(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value without known deviations of discord.py from the document."""
    if isinstance(value, list):
        return [_normalize(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _snowflake(key, _normalize(item)) for key, item in value.items()}
    if isinstance(result.get("attachments"), list):
        result["attachments"] = [_attachment(item) for item in result["attachments"]]
    if isinstance(result.get("embeds"), list):
        result["embeds"] = [_without(item, EMBED_FIELDS) for item in result["embeds"]]
    for key in OBJECTS_WITH_ID:
        if isinstance(result.get(key), list):
            result[key] = [v | ({"id": str(v["id"])} if "id" in v else {}) for v in result[key]]
    if str(result.get("default_member_permissions", "")).isdecimal():
        result["default_member_permissions"] = int(result["default_member_permissions"])
    if "name" in result:
        result = _without(result, COMMAND_FIELDS)
    return result


def _snowflake(key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Convert integer ids to strings; Discord accepts both."""
    if key in ID_LISTS and isinstance(value, list):
        return [str(item) for item in value]
    return str(value) if key.endswith("_id") and isinstance(value, int) else value


def _attachment(item: Json) -> Json:
    return _without(item, ATTACHMENT_FIELDS) | {"id": str(item.get("id"))}


def _without(item: Json, fields: set[str]) -> Json:
    return {key: value for key, value in item.items() if key not in fields}


def _reason(error: ValidationError) -> str:
    """The error of the `anyOf` branch that has the `type` of the value."""
    while branches := getattr(error.kind, "context", None):
        type_path = [*error.instance_path, "type"]
        same_type = [
            branch for branch in branches if type_path not in [e.instance_path for e in branch]
        ]
        error = (same_type or branches)[0][0]
    path = "/".join(str(key) for key in error.instance_path)
    return f"{path or 'the whole'}: {error.message[:300]}"
