"""Recorded lists, clashes and deletions, answered by the pure rules alone, case by case.

Single documents and patches are judged in ``test_recorded_documents.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from crossbar_conferences.conference import document as documents
from crossbar_conferences.conference.document import Author
from crossbar_conferences.conference.listing import ListingError, item, matches, parse
from crossbar_conferences.conference.validation import validate

RECORDED = Path(__file__).parents[3] / "fixtures" / "recorded" / "new"
COLLECTION = "/v2/accounts/{{A}}/conferences"
NOW = 63_962_552_800
AUTHOR = Author("a" * 32, "request", "a" * 32)
IDLE = {"members": 0, "moderators": 0, "duration": 0, "is_locked": False}
#: What the view ``by_id`` emits beside ``id`` and ``flags``.
SUMMARY = ("name", "owner_id", "member", "moderator", "ui_flags", "conference_numbers", "video")
#: Variables whose length or kind counts, and Kazoo's placeholders of values that differ each time.
VALUES = {"HEX": "0123456789abcdef" * 2, "U_JOE": "1" * 32, "U_BOSS": "2" * 32, "N": "7770"}
PLACEHOLDER = re.compile(r"<[a-z_]+(:\d+)?>")


def cases() -> Iterator[Any]:
    """Cases without anything on the media side."""
    for area in ("document", "list"):
        for line in (RECORDED / f"{area}.jsonl").read_text("utf-8").splitlines():
            for name, value in VALUES.items():
                line = line.replace(f"{{{{{name}}}}}", value)
            case = json.loads(line)
            if not any("switch" in step for step in case["steps"]):
                yield pytest.param(case["steps"], id=case["id"])


def agree(recorded: Any, said: Any) -> bool:
    """Whether a value is as recorded; placeholders, and variables of ids, stand for anything."""
    if isinstance(recorded, dict) and isinstance(said, dict):
        return recorded.keys() == said.keys() and all(agree(recorded[key], said[key]) for key in recorded)
    if isinstance(recorded, list) and isinstance(said, list):
        return len(recorded) == len(said) and all(map(agree, recorded, said))
    if isinstance(recorded, str) and re.search(r"<greg>|<text_greg>", recorded):
        return re.sub(r"\d{11}", "", str(said)) == re.sub(r"<greg>|<text_greg>", "", recorded)
    if isinstance(recorded, str) and (PLACEHOLDER.search(recorded) or re.fullmatch(r"{{C\d?}}", recorded)):
        return isinstance(said, str)
    return type(recorded) is type(said) and recorded == said


@dataclass
class Account:
    """Documents by id, and answers of status and data as the API makes them from the pure rules."""

    ids: list[str]
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, method: str, path: str, data: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and data of one request."""
        split = urlsplit(path)
        query: dict[str, Any] = dict(parse_qsl(split.query, keep_blank_values=True))
        query.update((key, True) for key in split.query.split("&") if key and "=" not in key)
        conference_id = split.path.removeprefix(COLLECTION).strip("/")
        if method == "GET":
            return self._read(conference_id) if conference_id else self._list(query)
        if method == "DELETE":
            return self._delete(conference_id)
        return self._write(method, conference_id, data)

    def _one(self, conference_id: str) -> dict[str, Any] | None:
        # A case has one conference where it names one; a path's variable means that one.
        if conference_id == "{{C}}" and self.stored:
            return next(iter(self.stored.values()))
        return self.stored.get(conference_id)

    def _read(self, conference_id: str) -> tuple[int, Any]:
        found = self._one(conference_id) or documents.adhoc(conference_id, {})
        return 200, {**documents.public_fields(found), "id": found["_id"]}

    def _list(self, query: Mapping[str, Any]) -> tuple[int, Any]:
        try:
            asked = parse(
                query,
                query.get,
                default_page_size=50,
                max_page_size=1000,
                full_docs_allowed=False,
                now_gregorian=NOW,
            )
        except ListingError as error:
            return {"faulty_request": 404, "validation_error": 400}[error.kind], error.data
        meant = [one for one in self.stored.values() if matches(one, asked)]
        ordered = sorted(meant, key=lambda one: one["_id"], reverse=asked.descending)
        return 200, [item(_summary(one), asked, IDLE, {}) for one in ordered]

    def _delete(self, conference_id: str) -> tuple[int, Any]:
        found = self._one(conference_id)
        if found is None:
            return 404, {"cause": conference_id, "message": "bad identifier"}
        gone = documents.deleted(found, AUTHOR, NOW)
        assert gone["pvt_deleted"] is True
        del self.stored[found["_id"]]
        return 200, {**documents.public_fields(gone), "id": gone["_id"]}

    def _write(self, method: str, conference_id: str, data: Mapping[str, Any]) -> tuple[int, Any]:
        before = self._one(conference_id) if conference_id else None
        fields = documents.public_fields(data)
        if method == "PATCH":
            fields = documents.patched_fields(before or {}, data)
        checked = validate("conferences", fields)
        errors = checked.errors or self._clashes(checked.value, before)
        if errors:
            return 400, errors
        if method == "PUT":
            after = documents.created(self.ids.pop(0), checked.value, AUTHOR, NOW)
        elif before is None:
            return 404, {"cause": conference_id, "message": "bad identifier"}
        else:
            after = documents.replaced(before, checked.value, AUTHOR, NOW)
        self.stored[after["_id"]] = {**after, "_rev": "1-x"}
        return 201 if method == "PUT" else 200, {**documents.public_fields(after), "id": after["_id"]}

    def _clashes(self, fields: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        others = [one for one in self.stored.values() if one is not before]
        used = {number for one in others for number in documents.numbers(one)}
        taken = [number for number in documents.numbers(fields) if number in used]
        if taken:
            return documents.numbers_taken(taken)
        if any(one["name"] == fields["name"] for one in others):
            return documents.name_taken(fields["name"])
        return {}


def _summary(document: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: document[key] for key in SUMMARY if document.get(key) is not None}
    return {"id": document["_id"], "flags": document.get("flags") or [], **shown}


def _differences(steps: list[dict[str, Any]], ids: list[str]) -> list[str]:
    """Steps that were answered otherwise when conferences get these ids, in order of creation."""
    account = Account(list(ids))
    found = []
    for step in steps:
        request, response = step["request"], step["response"]
        body = request.get("body") or {}
        data = body.get("data")
        # Conditional requests and bodies without data never reach these rules.
        if response["status"] in (304, 412) or (request["method"] == "PUT" and not isinstance(data, dict)):
            continue
        status, said = account.answer(request["method"], request["path"], data or {})
        recorded = response.get("body", {}).get("data", said)
        if status != response["status"] or not agree(recorded, said):
            found.append(f"{step['n']}: {response['status']} {recorded}\n   {status} {said}")
    return found


@pytest.mark.parametrize("steps", list(cases()))
def test_answered_as_recorded(steps: list[dict[str, Any]]) -> None:
    """Status and data of every step; lists in one order of ids, which Kazoo drew by chance."""
    ids = ["a" * 32, "b" * 32, "c" * 32]
    more = [f"d{number:031x}" for number in range(20)]
    attempts = [_differences(steps, [*order, *more]) for order in permutations(ids)]
    assert min(attempts, key=len) == []


def test_there_is_something_to_judge() -> None:
    """An empty set of recordings would pass everything."""
    assert len(list(cases())) > 40
