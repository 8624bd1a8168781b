"""Hold requests and answers against Discord's official OpenAPI document, unknown fields refused."""

import copy
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from bot.playground import Playground, Request, Response

Json = dict[str, Any]
DOCUMENT = Path(__file__).parents[2] / "shared" / "reference" / "discord-openapi.json"

# Fields of an attachment that stays on a message: discord.py sends back all that it was given.
KEPT_ATTACHMENT = {
    "proxy_url",
    "size",
    "url",
    "spoiler",
    "height",
    "width",
    "content_type",
}
# Documented for commands, absent from the document.
COMMAND_FIELDS = {"nsfw"}
BODILESS = {204}
UPDATE_MESSAGE = 7  # callback type


def document_path() -> Path:
    """Where the document lies; `DISCORD_OPENAPI` names another place."""
    return Path(os.environ.get("DISCORD_OPENAPI") or DOCUMENT)


class OpenApi:
    """Collects, in `problems`, each request or answer that the document does not allow."""

    def __init__(self, document: Json) -> None:
        self.problems: list[str] = []
        self.checked = 0
        self._paths: Json = document["paths"]
        schemas = copy.deepcopy(document["components"]["schemas"])
        whole = {name: _joined(schema, schemas) for name, schema in schemas.items()}
        # Codes of field errors are words, as Discord's reference shows, not integers.
        field = whole["InnerErrors"]["properties"]["_errors"]["items"] = copy.deepcopy(
            whole["Error"]
        )
        field["properties"]["code"] = {"type": "string"}
        self._components: Json = {"schemas": _strict(whole)}
        self._shared: Json = document["components"].get("responses", {})
        self._validators: dict[str, Draft202012Validator] = {}

    @classmethod
    def load(cls) -> Self:
        """Read the document; without it skip the test, but fail where CI must have it."""
        path = document_path()
        if not path.exists():
            reason = f"Discord's OpenAPI document is not at {path}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def watch(self, discord: Playground) -> Self:
        """Check all that passes through a playground from now on."""
        discord.observers.append(self.check)
        return self

    def check(self, request: Request, response: Response) -> None:
        """Check one request and its answer."""
        operation = self._paths.get(request.route, {}).get(request.method.lower())
        if operation is None:
            self._problem(request, "this address is not in the document")
            return
        self.checked += 1
        if response.status < 400:
            self._check_request(request, operation)
        self._check_response(request, response, operation)

    def _check_request(self, request: Request, operation: Json) -> None:
        shared = self._paths[request.route].get("parameters", [])
        known = {item["name"] for item in [*shared, *operation.get("parameters", [])]}
        if unknown := set(request.query) - known:
            self._problem(request, f"unknown query {sorted(unknown)}")
        schema = _content(operation.get("requestBody"))
        if schema is None:
            if request.json:
                self._problem(request, "a body where none is expected")
            return
        self._validate(request, "request", schema, _sent(request))

    def _check_response(self, request: Request, response: Response, operation: Json) -> None:
        answers = operation["responses"]
        found = answers.get(str(response.status)) or answers.get(f"{response.status // 100}XX")
        if found is None:
            if response.status < 500:
                self._problem(request, f"status {response.status} is not in the document")
            return
        if "$ref" in found:
            found = self._shared[found["$ref"].rsplit("/", 1)[1]]
        schema = _content(found)
        if schema is None or response.status in BODILESS:
            if response.json is not None:
                self._problem(request, f"a body with status {response.status}")
            return
        self._validate(request, f"answer {response.status}", schema, response.json)

    def _validate(self, request: Request, what: str, schema: Json, value: object) -> None:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = _strict(copy.deepcopy(schema)) | {"components": self._components}
            self._validators[key] = Draft202012Validator(whole)
        error = next(self._validators[key].iter_errors(value), None)
        if error is not None:
            self._problem(request, f"{what}: {_reason(error)}")

    def _problem(self, request: Request, text: str) -> None:
        self.problems.append(f"{request.method} {request.route}: {text}")

    @cached_property
    def routes(self) -> set[tuple[str, str]]:
        """All documented methods and addresses."""
        return {
            (method.upper(), path)
            for path, operations in self._paths.items()
            for method in operations
            if method != "parameters"
        }


def _content(holder: Json | None) -> Json | None:
    """The JSON schema of a request's or an answer's body."""
    schema: Json | None = (
        (holder or {}).get("content", {}).get("application/json", {}).get("schema")
    )
    return schema


def _joined(schema: Json, schemas: Json) -> Json:
    """An object that the document puts together from parts, as one object."""
    parts = [
        schemas[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
        for part in schema.get("allOf", [])
    ]
    if not parts or not all(part.get("type") == "object" for part in parts):
        return schema
    properties = {name: item for part in parts for name, item in part["properties"].items()}
    required = [name for part in parts for name in part.get("required", [])]
    return {"type": "object", "properties": properties, "required": required}


def _strict(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """The same schema, but an object has no fields beyond those it names."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and "object" in str(made.get("type")):
        made.setdefault("additionalProperties", False)
    return made


def _sent(request: Request) -> Any:  # noqa: ANN401 - any JSON
    sent = _whitelisted(request.json or {})
    edited = sent if request.method == "PATCH" else {}
    if isinstance(sent, dict) and sent.get("type") == UPDATE_MESSAGE:
        edited = sent.get("data") or {}
    edited.pop("tts", None)  # discord.py sends it with each edit by interaction
    return sent


def _whitelisted(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A request without the known deviations between the document and discord.py."""
    if isinstance(value, list):
        return [_whitelisted(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _snowflake(key, _whitelisted(item)) for key, item in value.items()}
    if isinstance(made.get("attachments"), list):
        made["attachments"] = [_attachment(item) for item in made["attachments"]]
    if str(made.get("default_member_permissions", "")).isdecimal():
        made["default_member_permissions"] = int(made["default_member_permissions"])
    if "name" in made:
        made = {key: item for key, item in made.items() if key not in COMMAND_FIELDS}
    return made


def _snowflake(key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Discord takes numbers for ids, and discord.py sends some."""
    return str(value) if key.endswith("_id") and isinstance(value, int) else value


def _attachment(item: Json) -> Json:
    kept = {key: value for key, value in item.items() if key not in KEPT_ATTACHMENT}
    return kept | {"id": str(item.get("id"))}


def _reason(error: ValidationError) -> str:
    """The error in the one branch that could be meant, by the `type` that the value has."""
    while error.context:
        other = {e.schema_path[0] for e in error.context if list(e.path) == ["type"]}
        meant = [e for e in error.context if e.schema_path[0] not in other]
        error = (meant or error.context)[0]
    where = "/".join(str(step) for step in error.absolute_path)
    return f"{where or 'the whole'}: {error.message[:300]}"
