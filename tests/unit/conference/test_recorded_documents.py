"""Every recorded create, replace and patch that can be judged without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from crossbar_conferences.conference import document as documents
from crossbar_conferences.conference.csv import to_csv
from crossbar_conferences.conference.validation import validate

_RECORDINGS = Path(__file__).parents[3] / "fixtures" / "recorded" / "new"
_AREAS = ("validation", "patch", "document", "errors", "list", "live")

#: Ids are 32 characters long and numbers are digits; the placeholders aren't.
_VARIABLES = {
    "{{HEX}}": "a" * 32,
    "{{U_JOE}}": "b" * 32,
    "{{U_BOSS}}": "c" * 32,
    "{{N}}": "12345678",
    # The recordings show any version of Monster UI as a placeholder.
    "<version>": "5.0",
    "4.3-1": "5.0",
}

#: Judged elsewhere: other documents take part, or a deviation is named in fixtures/deviations.yaml.
_NOT_HERE = {("err-data-type-odd", 5), ("doc-unique-number-lists", 5)}


def _filled(value: Any) -> Any:
    text = json.dumps(value)
    for name, stands_for in _VARIABLES.items():
        text = text.replace(name, stands_for)
    return json.loads(text)


def _exchanges() -> Iterator[tuple[str, int, dict[str, Any], dict[str, Any]]]:
    for area in _AREAS:
        for line in (_RECORDINGS / f"{area}.jsonl").read_text("utf-8").splitlines():
            case = json.loads(line)
            for step in case["steps"]:
                if "request" in step and not step.get("setup"):
                    yield case["id"], step["n"], step["request"], step["response"]


def _is_collection(path: str) -> bool:
    return path.partition("?")[0].rstrip("/").endswith("/conferences")


def _whole_documents() -> list[Any]:
    """Creates and replacements: the request is the whole document."""
    found = []
    for case, step, request, response in _exchanges():
        data = request["body"].get("data") if isinstance(request.get("body"), dict) else None
        whole = request["method"] == "PUT" and _is_collection(request["path"])
        whole = whole or (request["method"] == "POST" and not _is_collection(request["path"]))
        if whole and isinstance(data, dict | list) and (case, step) not in _NOT_HERE:
            found.append(pytest.param(_filled(data), response, id=f"{case}-{step}"))
    return found


@pytest.mark.parametrize(("data", "response"), _whole_documents())
def test_whole_documents(data: Any, response: Mapping[str, Any]) -> None:
    """The errors of a 400 and the document of a success are the recorded ones."""
    checked = validate("conferences", documents.public_fields(data) if isinstance(data, dict) else data)
    answer = _filled(response.get("body"))
    if response["status"] == 400 and not any("unique" in rules for rules in answer["data"].values()):
        assert checked.errors == answer["data"]
        return
    assert checked.errors == {}
    if response["status"] in (200, 201):
        answer["data"].pop("id")
        assert documents.public_fields({**checked.value, "id": None}) == {**answer["data"], "id": None}


def _patches() -> list[Any]:
    """Cases of patches: the document that each made first, then its patches with their answers."""
    cases: list[Any] = []
    for line in (_RECORDINGS / "patch.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        made: Any = None
        chain: list[tuple[Any, dict[str, Any]]] = []
        for step in case["steps"]:
            request, body = step["request"], step["request"].get("body")
            data = _filled(body["data"]) if isinstance(body, dict) else {}
            if step.get("setup"):
                made = data
            elif request["method"] == "PATCH":
                chain.append((data, step["response"]))
        cases.append(pytest.param(made, chain, id=case["id"]))
    return cases


@pytest.mark.parametrize(("made", "chain"), _patches())
def test_patches(made: Any, chain: list[tuple[Any, dict[str, Any]]]) -> None:
    """Merged over the document as it was, then validated: the recorded document or errors."""
    before: dict[str, Any] = {} if made is None else validate("conferences", made).value
    for patch, response in chain:
        answer = _filled(response["body"])["data"]
        checked = validate("conferences", documents.patched_fields(before, patch))
        if response["status"] == 400:
            assert checked.errors == answer
            continue
        assert checked.errors == {}
        if response["status"] == 200:
            answer.pop("id")
            assert checked.value == answer
            before = checked.value


def test_the_csv_of_a_list() -> None:
    """From the item that the list shows as JSON, the recorded text (entry-csv)."""
    cases = [json.loads(line) for line in (_RECORDINGS / "entry.jsonl").read_text("utf-8").splitlines()]
    recorded = next(case for case in cases if case["id"] == "entry-csv")["steps"][1]["response"]["text"]
    roles = {"join_deaf": False, "numbers": [], "pins": []}
    shown = {
        "id": "{{C}}",
        "name": "{{X}} csv",
        "flags": [],
        "conference_numbers": [],
        "member": {**roles, "join_muted": True},
        "moderator": {**roles, "join_muted": False},
        "_read_only": {"members": 0, "moderators": 0, "duration": 0, "is_locked": False},
    }
    assert to_csv([shown]) == recorded


def test_there_is_something_to_judge() -> None:
    """An empty set of recordings would pass everything."""
    assert len(_whole_documents()) > 80
    assert len(_patches()) == 7
