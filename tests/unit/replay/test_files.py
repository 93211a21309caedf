"""Reading cases: recordings, fixtures, deviations, and finding them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crossbar_conferences.replay.deviations import Deviation, apply_deviations, load_deviations
from crossbar_conferences.replay.fixture import load_fixture, read_fixture
from crossbar_conferences.replay.loading import load_cases
from crossbar_conferences.replay.model import (
    Case,
    CaseInvalid,
    ExpectedResponse,
    HttpStep,
    SocketStep,
    SwitchStep,
    WaitStep,
)
from crossbar_conferences.replay.placeholders import MISSING
from crossbar_conferences.replay.recording import load_recordings

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "fixtures" / "recorded"


def response_of(case: Case, index: int = 0) -> ExpectedResponse:
    """The expected answer of one step."""
    response = case.steps[index].expected.response
    assert response is not None
    return response


def test_all_recordings_are_read() -> None:
    """Every case of the variant has its line, and every step what the line says of it."""
    cases = load_recordings(RECORDED)
    assert len(cases) == 221
    assert sum(len(case.steps) for case in cases) == 854
    for case in cases:
        for step in case.steps:
            if isinstance(step, HttpStep):
                assert step.expected.response is not None, case.id


def test_a_recorded_case() -> None:
    """Preparation keeps only its status; the rest keeps headers, body and messages."""
    case = next(case for case in load_recordings(RECORDED) if case.id == "act-lock")
    setup, lock = case.steps
    assert isinstance(setup, HttpStep)
    assert isinstance(lock, HttpStep)
    assert (setup.setup, setup.capture, setup.expected.messages) == (True, {"C": "body.data.id"}, None)
    assert setup.expected.response == ExpectedResponse(201)
    assert lock.body == {"action": "lock", "data": {}}
    assert lock.expected.messages is not None
    assert [message.body["Application-Name"] for message in lock.expected.messages] == ["lock"]
    assert case.writes
    assert not case.needs_switch


def written() -> list[Case]:
    """Every fixture that was written by hand."""
    folders = ("examples", "actions", "clients", "compatibility")
    return [
        load_fixture(file)
        for folder in folders
        for file in sorted((ROOT / "fixtures" / folder).glob("*.yaml"))
    ]


def test_every_fixture_is_read() -> None:
    """All written files have the form of the schema, and their ids are their names."""
    cases = written()
    assert len(cases) >= 98
    assert [case.source for case in cases if Path(case.source).stem != case.id] == []


def test_rows_and_fixtures_agree() -> None:
    """Every row that a file names is in the compatibility table, and every row is shown by a file."""
    table = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE))
    named = {deviation.row for deviation in load_deviations(ROOT / "fixtures" / "deviations.yaml")}
    for case in written():
        named |= set(case.rows) | {step.expected.row for step in case.steps if step.expected.row}
    assert named - rows == set()
    assert rows - named == {
        "chosen-id",
        "client-address",
        "create-race",
        "deleted-user",
        "dial-fates",
        "dial-legs",
        "dial-wait",
        "formatter-fields",
        "formatter-patterns",
        "guess-limits",
        "guest-token",
        "guest-unavailable",
        "guest-view",
        "isolation-unknown",
        "listed-people",
        "many-numbers",
        "no-request",
        "not-taken",
        "numbers-written",
        "participant-names",
        "participant-unknown",
        "participants-missing-flag",
        "presence-realm",
        "scope-count",
        "socket-all-accounts",
        "socket-new-token",
        "socket-no-token",
        "socket-replies",
        "socket-restrictions",
        "socket-token",
        "store-refuses",
        "too-much-in-hand",
        "values-as-text",
        "vars-core",
    }


def test_folders_are_searched() -> None:
    """The folder of all fixtures gives the examples and the recorded cases with our deviations."""
    cases = {case.id: case for case in load_cases([ROOT / "fixtures"])}
    assert len(cases) >= 300
    assert cases["inv-unknown"].steps[0].expected.row == "invite-unknown"
    assert response_of(cases["inv-unknown"]).status == 404


def fixture(**parts: Any) -> Case:
    """A fixture with these parts."""
    return read_fixture({"id": "f", **parts}, "somewhere/f.yaml")


def test_one_step_form() -> None:
    """A file with one request needs no steps; the envelope's standing keys are added."""
    case = fixture(
        request="GET /v2/accounts/{A}/conferences",
        response={
            "status": 404,
            "headers": {"ETag": None},
            "envelope": {"message": "m", "data": {"id": "{HEX}"}},
        },
        published=[],
    )
    (step,) = case.steps
    assert isinstance(step, HttpStep)
    assert (step.method, step.path, step.who) == ("GET", "/v2/accounts/{A}/conferences", "boss")
    response = response_of(case)
    assert response.headers == {"etag": None}
    assert response.body["error"] == "404"
    assert response.body["status"] == "error"
    assert response.body["data"] == {"id": "{{HEX}}"}
    assert response.extra == {"version", "auth_token"}
    assert step.expected.messages == ()


def test_given() -> None:
    """What runs on the media server becomes commands; faults are undone at the end."""
    case = fixture(
        given={
            "documents": {"{A}": [{"_id": "{HEX}"}]},
            "conferences": [{"id": "r", "locked": True, "members": [{"call_id": "c", "moderator": True}]}],
            "faults": ["dial-mode silent"],
        },
        request="GET /x",
    )
    assert case.given.commands == (
        ("create", "r", "{A}"),
        ("join", "r", "c", "moderator=true"),
        ("lock", "r"),
        ("dial-mode", "silent"),
    )
    assert case.given.aftermath == (("dial-mode", "answer"),)
    assert case.writes
    assert case.needs_switch


def test_all_kinds_of_steps() -> None:
    """Requests, switch, websocket and waiting are all steps."""
    case = fixture(
        steps=[
            {"request": {"method": "PUT", "path": "/x", "data": {"a": 1}}, "setup": True},
            {"switch": "lock {C}"},
            {"ws": "connect"},
            {"ws": "send", "frame": {"action": "ping"}},
            {"ws": "expect", "frames": [{"action": "reply"}], "within": 1},
            {"wait": 0.1},
        ]
    )
    kinds = [type(step) for step in case.steps]
    assert kinds == [HttpStep, SwitchStep, SocketStep, SocketStep, SocketStep, WaitStep]
    expect = case.steps[4]
    assert isinstance(expect, SocketStep)
    assert (expect.count, expect.within) == (1, 1.0)


def test_a_long_body() -> None:
    """A filled body is written out when it is sent."""
    fill = {"before": "a", "char": "b", "count": 3, "after": "c"}
    step = fixture(request={"method": "PUT", "path": "/x", "fill": fill}).steps[0]
    assert isinstance(step, HttpStep)
    assert step.body is MISSING
    assert step.raw is not None
    assert not isinstance(step.raw, str)
    assert step.raw.text() == "abbbc"


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"id": "x"},
        {"id": "x y", "request": "GET /"},
        {"id": "x", "request": "GET"},
        {"id": "x", "request": "GET /", "steps": [{"wait": 1}]},
        {"id": "x", "request": "GET /", "response": {}},
        {"id": "x", "request": "GET /", "respons": {"status": 200}},
        {"id": "x", "steps": [{"wait": 1, "switch": "lock x"}]},
        {"id": "x", "steps": [{"ws": "shout"}]},
        {"id": "x", "given": {"documents": {"a": [{}]}}, "request": "GET /"},
    ],
)
def test_broken_fixtures(content: Any) -> None:
    """A file that breaks the form is refused, and the file is named."""
    with pytest.raises(CaseInvalid, match=r"bad\.yaml"):
        read_fixture(content, "bad.yaml")


def test_broken_files(tmp_path: Path) -> None:
    """What is no YAML, is no UTF-8 or is not there is refused."""
    bad = tmp_path / "a.yaml"
    bad.write_text("id: [", encoding="utf-8")
    with pytest.raises(CaseInvalid):
        load_fixture(bad)
    bad.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(CaseInvalid):
        load_fixture(bad)
    with pytest.raises(CaseInvalid):
        load_cases([tmp_path / "nothing"])


def test_the_same_id_twice(tmp_path: Path) -> None:
    """Two cases of one name would hide each other."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("{id: same, request: GET /}", encoding="utf-8")
    with pytest.raises(CaseInvalid, match="same"):
        load_cases([tmp_path])


def test_deviations_replace(tmp_path: Path) -> None:
    """A deviation replaces what it names and leaves the rest as recorded."""
    file = tmp_path / "deviations.yaml"
    entry = {"case": "f", "step": 1, "row": "r", "response": {"status": 400}}
    file.write_text(yaml.safe_dump([entry]), encoding="utf-8")
    recorded = fixture(request="GET /x", response={"status": 500}, published=[])
    (case,) = apply_deviations([recorded], load_deviations(file))
    assert response_of(case).status == 400
    assert case.steps[0].expected.messages == ()
    assert case.steps[0].expected.row == "r"


@pytest.mark.parametrize("deviation", [Deviation("f", 2, "r", {}), Deviation("g", 1, "r", {})])
def test_deviations_must_hit(deviation: Deviation) -> None:
    """A deviation for what is not there is an error, not a silent nothing."""
    with pytest.raises(CaseInvalid):
        apply_deviations([fixture(request="GET /x")], [deviation])


def test_broken_deviations(tmp_path: Path) -> None:
    """An entry without a row is refused."""
    file = tmp_path / "deviations.yaml"
    file.write_text("- {case: a, step: 1}", encoding="utf-8")
    with pytest.raises(CaseInvalid):
        load_deviations(file)
