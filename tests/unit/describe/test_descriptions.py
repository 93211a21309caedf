"""The OpenAPI and AsyncAPI documents (``describe/``): valid, complete, and the committed ones current."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from crossbar_conferences.api.errors import CATALOGUE
from crossbar_conferences.api.routes import ROUTES
from crossbar_conferences.describe import asyncapi, openapi
from crossbar_conferences.describe.parameters import PARAMETERS
from crossbar_conferences.sockets.bindings import DOCUMENT_ACTIONS, KNOWN_EVENTS
from crossbar_conferences.version import version

ROOT = Path(__file__).resolve().parents[3]
CODE = ROOT / "crossbar_conferences"


def test_the_openapi_document_is_valid() -> None:
    """A validator of OpenAPI 3.1 has nothing to say against it."""
    validate(openapi.document(version()))


def test_every_route_and_verb_is_described() -> None:
    """The document has exactly the table's paths, and each of their verbs."""
    paths = openapi.document("x")["paths"]
    assert set(paths) == {f"/v2/{route.template}" for route in ROUTES}
    for route in ROUTES:
        assert set(paths[f"/v2/{route.template}"]) == {"parameters", *(verb.lower() for verb in route.verbs)}


def test_every_error_is_described() -> None:
    """Each entry of the catalogue is named by some operation."""
    named = set(re.findall(r'"x-errors": \[([^\]]*)\]', json.dumps(openapi.document("x"))))
    assert {name for group in named for name in re.findall(r'"(\w+)"', group)} == set(CATALOGUE)


def test_every_query_parameter_that_is_read_is_described() -> None:
    """What the API's code looks up in queries and headers stands in the table of parameters."""
    read: set[str] = set()
    for file in [
        *sorted((CODE / "api").glob("*.py")),
        CODE / "conference" / "listing.py",
        CODE / "sockets" / "stream.py",
    ]:
        text = file.read_text("utf-8")
        read |= set(re.findall(r'(?:query\.get|exchange\.value|[ (]value|\.flag)\(f?"(\w+)"', text))
        read |= set(re.findall(r'exchange\.headers\.get\("([\w-]+)"', text))
    described = {parameter.name.lower() for parameter in PARAMETERS}
    # Standard headers that OpenAPI does not let anybody describe, and the forwarding proxy's.
    standard = {"accept", "authorization", "content-type", "accept-encoding", "x-forwarded-for"}
    # Read from bodies by the same function: the action's own payload.
    bodies = {"data"}
    assert {name.lower() for name in read} - described - standard - bodies == set()


def test_every_event_is_described() -> None:
    """Each event that can be subscribed to has a message, and so have commands and documents."""
    messages = set(asyncapi.document("x")["components"]["messages"])
    others = {"command", "ended", "gap", "reply"}
    assert messages == {*KNOWN_EVENTS, *DOCUMENT_ACTIONS, *asyncapi.ACTIONS, *others}


@pytest.mark.parametrize(("name", "make"), [("openapi", openapi.document), ("asyncapi", asyncapi.document)])
def test_the_committed_documents_are_current(name: str, make: object) -> None:
    """``docs/api`` holds what the code says now; ``crossbar-conferences describe`` writes it."""
    committed = json.loads((ROOT / "docs" / "api" / f"{name}.json").read_text("utf-8"))
    made = json.loads(json.dumps(make(committed["info"]["version"])))  # type: ignore[operator]
    assert made == committed
