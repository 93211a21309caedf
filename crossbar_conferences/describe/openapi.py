"""The OpenAPI 3.1 document: routes, parameters, schemas and errors, from the tables themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .. import resources
from ..api.errors import CATALOGUE, Entry
from ..api.routes import ROUTES, Route
from .parameters import PARAMETERS

#: What each operation is for, by route and verb.
SUMMARIES: Final[Mapping[tuple[str, str], str]] = {
    ("collection", "GET"): "List conferences",
    ("collection", "PUT"): "Create a conference",
    ("document", "GET"): "Read a conference and who is in it",
    ("document", "POST"): "Replace a conference",
    ("document", "PATCH"): "Change parts of a conference",
    ("document", "DELETE"): "Delete a conference",
    ("document", "PUT"): "Perform an action on a conference",
    ("participants", "GET"): "List participants",
    ("participants", "PUT"): "Perform an action on many participants",
    ("participant", "GET"): "Read one participant",
    ("participant", "PUT"): "Perform an action on one participant",
    ("email_invite", "PUT"): "Invite people by e-mail",
    ("calendar", "GET"): "The meeting as an iCalendar file",
    ("events", "GET"): "Follow a conference (server-sent events)",
    ("public_link", "PUT"): "Make a public link",
    ("guest_login", "PUT"): "Log in as a guest",
    ("websocket_catalogue", "GET"): "What can be subscribed to over the websocket",
    ("websockets", "GET"): "List websocket sessions",
    ("websocket", "GET"): "Read one websocket session",
}

#: The schema of ``data`` in the request, by route and verb.
_BODIES: Final[Mapping[tuple[str, str], str]] = {
    ("collection", "PUT"): "conferences",
    ("document", "POST"): "conferences",
    ("email_invite", "PUT"): "conferences.email_invite",
    ("guest_login", "PUT"): "conference_auth",
}

_CREATES: Final = frozenset({"collection", "email_invite", "public_link", "guest_login"})

#: Errors that only some operations give; the others come everywhere.
_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "bad_media": ("document", "participants", "participant"),
    "not_supported": ("document",),
    "not_taken": ("document", "participants", "participant"),
    "recording_unknown": ("document",),
    "faulty_request": ("collection", "participants"),
    "idempotency_mismatch": ("document", "participants", "participant", "email_invite"),
    "idempotency_unknown": ("document", "participants", "participant", "email_invite"),
    "conflict": ("document", "collection"),
}


def document(version: str) -> dict[str, Any]:
    """The whole document; ``version`` is this package's."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "crossbar-conferences",
            "version": version,
            "description": "Kazoo's `conferences` resource, served beside a Kazoo cluster.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://localhost:8000"}],
        "security": [{"token": []}, {"bearer": []}, {"basic": []}],
        "paths": {f"/v2/{route.template}": _path(route) for route in ROUTES},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _path(route: Route) -> dict[str, Any]:
    path: dict[str, Any] = {
        "parameters": [
            {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
            for part in route.segments
            if part.startswith("{")
        ]
    }
    for verb in route.verbs:
        path[verb.lower()] = _operation(route, verb)
    return path


def _operation(route: Route, verb: str) -> dict[str, Any]:
    parents = sum(part.startswith("{") for part in route.segments)
    operation: dict[str, Any] = {
        "operationId": f"{verb.lower()}_{route.name}_{parents}_{'users' in route.segments:d}",
        "summary": SUMMARIES[(route.name, verb)],
        "tags": [route.name],
        "parameters": [
            {"name": one.name, "in": one.place, "description": one.help, "schema": one.schema}
            for one in PARAMETERS
            if one.belongs_to(route.name, verb)
        ],
        "responses": _responses(route, verb),
    }
    if route.guest:
        operation["security"] = []
    if verb in ("PUT", "POST", "PATCH"):
        operation["requestBody"] = {
            "content": {"application/json": {"schema": _request_schema(route.name, verb)}}
        }
    return operation


def _request_schema(route: str, verb: str) -> dict[str, Any]:
    body = _BODIES.get((route, verb))
    data = _reference(body) if body else {"type": "object"}
    schema: dict[str, Any] = {"type": "object", "required": ["data"], "properties": {"data": data}}
    if verb == "PUT" and not body:
        schema["properties"]["action"] = {"type": "string"}
    return schema


def _responses(route: Route, verb: str) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in _successes(route, verb):
        content = _success_content(route, status)
        if verb == "GET" and "application/json" in content.get("content", {}):
            # Whatever has lines, or is one.
            content["content"]["text/csv"] = {"schema": {"type": "string"}}
        responses[status] = {"description": "Success", **content}
    for entry in CATALOGUE.values():
        only = _ONLY.get(entry.name)
        if only is None or route.name in only:
            _add_error(responses, entry)
    return responses


def _successes(route: Route, verb: str) -> tuple[str, ...]:
    if verb == "GET":
        return ("200", "304") if route.name in ("calendar", "events") else ("200", "204", "304")
    if verb == "PUT":
        return ("200", "201") if route.name in _CREATES else ("200", "201", "202")
    return ("200",)


def _success_content(route: Route, status: str) -> dict[str, Any]:
    if status in ("204", "304"):
        return {}
    if route.name == "calendar":
        return {"content": {"text/calendar": {"schema": {"type": "string"}}}}
    if route.name == "events":
        return {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return {"content": {"application/json": {"schema": _reference("success")}}}


def _add_error(responses: dict[str, Any], entry: Entry) -> None:
    known = responses.setdefault(str(entry.status), {"description": ""})
    words = f"{entry.name}: {entry.when}"
    known["description"] = f"{known['description']}; {words}" if known["description"] else words
    known.setdefault("x-errors", []).append(entry.name)
    if not entry.empty:
        known["content"] = {"application/json": {"schema": _reference("error")}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    # What is not a request's is not promised; nor is what is off unless an operator turns it on.
    names = [name for name in resources.schema_names() if name not in ("fixture", "conferences.actions.set")]
    return {
        **{name: _modern(resources.schema(name)) for name in names},
        "success": _envelope({"status": {"const": "success"}, "revision": {"type": "string"}}),
        "error": _envelope(
            {
                "status": {"const": "error"},
                "error": {"type": "string", "pattern": "^[0-9]{3}$"},
                "message": {"type": "string"},
            }
        ),
    }


def _envelope(more: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "data": {},
        "metadata": {"type": "object"},
        "node": {"type": "string"},
        "request_id": {"type": "string"},
        "timestamp": {"type": "string"},
        "tokens": {
            "type": "object",
            "required": ["consumed", "remaining"],
            "properties": {"consumed": {"type": "integer"}, "remaining": {"type": "integer"}},
        },
        "version": {"type": "string"},
        "auth_token": {"type": "string"},
        "page_size": {"type": "integer"},
        "start_key": {"type": "string"},
        "next_start_key": {"type": "string"},
        **more,
    }
    required = [
        "metadata",
        "node",
        "request_id",
        "timestamp",
        "tokens",
        *(k for k in more if k != "revision"),
    ]
    return {"type": "object", "required": required, "properties": properties}


def _modern(schema: Any) -> Any:
    """A draft-04 schema as OpenAPI 3.1 reads it: no ids, references into the document."""
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            return _reference(reference)
        renamed = {"support_level": "x-support-level"}
        return {
            renamed.get(key, key): _modern(value)
            for key, value in schema.items()
            if key not in ("id", "$schema") or not isinstance(value, str)
        }
    if isinstance(schema, list):
        return [_modern(item) for item in schema]
    return schema
