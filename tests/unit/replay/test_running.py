"""Runs against a server of a few lines: what is sent, captured, told, cleaned up and refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from crossbar_conferences.replay import report
from crossbar_conferences.replay.cli import replay
from crossbar_conferences.replay.fixture import read_fixture
from crossbar_conferences.replay.model import Case
from crossbar_conferences.replay.recorder import Recorder
from crossbar_conferences.replay.results import CaseResult, Outcome
from crossbar_conferences.replay.runner import Runner
from crossbar_conferences.replay.target import (
    Target,
    TargetInvalid,
    read_connection,
    target_from_connection,
    target_from_options,
)
from crossbar_conferences.replay.transport import read_json

ACCOUNT = "a" * 32
U = "/v2/accounts/{A}/conferences"


CREATE = {
    "request": {"method": "PUT", "path": U, "data": {"name": "{X}"}, "capture": {"C": "body.data.id"}},
}


class SmallServer:
    """Keeps conferences and documents in memory and remembers what it was asked and told."""

    def __init__(self) -> None:
        self.conferences: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, dict[str, str], str]] = []
        self.told: list[list[str]] = []
        self.url = ""

    def application(self) -> web.Application:
        """The server's routes."""
        application = web.Application()
        application.router.add_post("/switch", self.switch)
        application.router.add_get("/socket", self.socket)
        application.router.add_route("*", "/store/{tail:.*}", self.store)
        application.router.add_route("*", "/{tail:.*}", self.api)
        return application

    def target(self, **changes: Any) -> Target:
        """A target with everything that this server has."""
        connection = {
            "base_url": self.url,
            "ws_url": f"{self.url}/socket",
            "switch_url": f"{self.url}/switch",
            "couchdb_url": f"{self.url}/store",
            "accounts": {"main": {"id": ACCOUNT, "realm": "r"}},
            "tokens": {"boss": "secret-boss", "joe": "secret-joe"},
        }
        return target_from_connection({**connection, **changes})

    async def api(self, request: web.Request) -> web.StreamResponse:
        """A few verbs on conferences."""
        text = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, request.raw_path, headers, text))
        conference_id = request.path.rpartition("/")[2]
        if request.path.endswith("/close"):
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if request.method == "PUT" and conference_id == "conferences":
            conference_id = f"{len(self.conferences):032x}"
            self.conferences[conference_id] = json.loads(text)["data"]
            data = {**self.conferences[conference_id], "id": conference_id}
            location = {"location": f"{request.path}/{conference_id}"}
            return web.json_response({"data": data}, status=201, headers=location)
        if request.method == "DELETE":
            self.conferences.pop(conference_id, None)
        return web.json_response({"data": self.conferences.get(conference_id, {})})

    async def switch(self, request: web.Request) -> web.Response:
        """What happens on the media server."""
        self.told.append((await request.json())["args"])
        return web.json_response({}, status=400 if self.told[-1][0] == "explode" else 200)

    async def store(self, request: web.Request) -> web.Response:
        """Documents by id."""
        key = request.raw_path.split("?")[0]
        if request.method == "PUT":
            self.documents[key] = {**(await request.json()), "_rev": "1-a"}
        elif request.method == "DELETE":
            self.documents.pop(key, None)
        elif key not in self.documents:
            return web.json_response({}, status=404)
        return web.json_response(self.documents.get(key, {}))

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Gives every frame back twice; a text that is no JSON ends the session."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if read_json(message.data) == "end":
                await socket.close(code=1011)
            await socket.send_str(message.data)
            await socket.send_str(message.data)
        return socket


@pytest.fixture
async def server() -> AsyncIterator[SmallServer]:
    """A small server, started."""
    small = SmallServer()
    async with TestServer(small.application()) as running:
        small.url = str(running.make_url("")).rstrip("/")
        yield small


def fixture(**parts: Any) -> Case:
    """A fixture with these parts."""
    return read_fixture({"id": "f", **parts}, "f.yaml")


async def run(target: Target, case: Case, *, allow_writes: bool = True) -> CaseResult:
    """One case, run."""
    async with Runner(target, allow_writes=allow_writes) as runner:
        return await runner.run(case)


async def test_a_wrong_fixture_differs(server: SmallServer) -> None:
    """An expectation that is not met is a difference with its place."""
    result = await run(
        server.target(), fixture(request=f"GET {U}/x", response={"status": 200, "body": {"data": {"a": 1}}})
    )
    assert result.outcome is Outcome.DIFFERING
    assert [difference.where() for difference in result.steps[0].differences] == ["data.a"]


async def test_writes_are_refused(server: SmallServer) -> None:
    """Without leave nothing that may write is sent, be it by verb, tunnel, switch or store."""
    for parts in (
        {"request": f"PUT {U}"},
        {"request": f"GET {U}?verb=DELETE"},
        {"steps": [{"switch": "lock x"}]},
        {"given": {"documents": {"{A}": [{"_id": "x"}]}}, "request": f"GET {U}"},
        {"given": {"faults": ["dial-mode silent"]}, "request": f"GET {U}"},
    ):
        result = await run(server.target(), fixture(**parts), allow_writes=False)
        assert result.outcome is Outcome.SKIPPED, parts
    assert (server.asked, server.told, server.documents) == ([], [], {})


async def test_captured_and_cleaned_up(server: SmallServer) -> None:
    """A made id is used by later steps; what was made is deleted, rooms are destroyed."""
    case = fixture(
        steps=[
            {
                "request": {
                    "method": "PUT",
                    "path": U,
                    "data": {"name": "{X}"},
                    "capture": {"C": "body.data.id"},
                }
            },
            {"request": {"method": "PUT", "path": U, "data": {"name": "{X}2"}}},
            {"switch": ["create", "{C}", "{A}"]},
            {
                "request": {"method": "GET", "path": U + "/{C}", "unordered": "x"},
                "response": {"status": 200, "body": {"data": {"name": "{X}"}}},
            },
        ]
    )
    result = await run(server.target(), case)
    assert result.outcome is Outcome.HELD
    assert server.conferences == {}
    assert server.told == [["create", "0" * 32, ACCOUNT], ["destroy", "0" * 32]]
    assert [method for method, *_ in server.asked] == ["PUT", "PUT", "GET", "DELETE", "DELETE"]


async def test_what_is_sent(server: SmallServer) -> None:
    """Headers are as the case has them, nothing more: no client library's own."""
    steps = [
        {"request": {"method": "GET", "path": U}},
        {"request": {"method": "GET", "path": U, "who": "none", "headers": {"Accept": None}}},
        {"request": {"method": "PUT", "path": U + "/x", "who": "text", "raw": "{X", "headers": {"a": "{A}"}}},
        {"request": {"method": "PUT", "path": U + "/%zz?&=", "who": "joe", "body": ["{X}"]}},
    ]
    await run(server.target(), fixture(steps=steps))
    sent = [
        {
            name: value
            for name, value in headers.items()
            if name not in ("host", "content-length", "connection")
        }
        for _, _, headers, _ in server.asked
    ]
    assert sent == [
        {"accept": "application/json", "x-auth-token": "secret-boss"},
        {},
        {
            "accept": "application/json",
            "content-type": "application/json",
            "x-auth-token": "text",
            "a": ACCOUNT,
        },
        {"accept": "application/json", "content-type": "application/json", "x-auth-token": "secret-joe"},
    ]
    assert server.asked[2][3] == "{X"
    assert server.asked[3][1].endswith("/conferences/%zz?&=")


async def test_documents_given_and_afterwards(server: SmallServer) -> None:
    """Documents are put in first, looked at afterwards, and removed."""
    case = fixture(
        given={"documents": {"{A}": [{"_id": "{HEX}", "name": "{X}"}]}},
        request=f"GET {U}",
        afterwards={"documents": {"{A}": {"{HEX}": {"name": "{X}"}, "gone": None}}},
    )
    assert (await run(server.target(), case)).outcome is Outcome.HELD
    assert server.documents == {}
    wrong = fixture(request=f"GET {U}", afterwards={"documents": {"{A}": {"gone": {"a": 1}}}})
    assert (await run(server.target(), wrong)).outcome is Outcome.DIFFERING


async def test_websocket(server: SmallServer) -> None:
    """Frames are sent, counted and compared; none is expected and none comes; a close is seen."""
    frame = {"action": "ping", "request_id": "{X}"}
    case = fixture(
        steps=[
            {"ws": "connect"},
            {"ws": "connect", "socket": "w2"},
            {"ws": "send", "frame": frame},
            {"ws": "expect", "frames": [frame, frame]},
            {"ws": "expect", "frames": [], "within": 0.05, "socket": "w2"},
            {"ws": "send", "text": '"end"', "socket": "w2"},
            {"ws": "expect", "frames": [{"closed": "CLOSE", "code": 1011}], "socket": "w2"},
            {"ws": "close"},
        ]
    )
    assert (await run(server.target(), case)).outcome is Outcome.HELD
    more = fixture(
        steps=[
            {"ws": "connect"},
            {"ws": "send", "frame": frame},
            {"ws": "expect", "frames": [frame] * 3, "within": 0.05},
        ]
    )
    assert (await run(server.target(), more)).outcome is Outcome.DIFFERING


async def test_a_closed_connection(server: SmallServer) -> None:
    """A connection that closes without an answer is status 0."""
    case = fixture(request=f"GET {U}/close", response={"status": 0})
    assert (await run(server.target(), case)).outcome is Outcome.HELD


async def test_what_is_missing_skips_or_fails(server: SmallServer) -> None:
    """What the target has not skips a case; what refuses fails it."""
    skipped: dict[str, dict[str, Any]] = {
        "switch_url": {"steps": [{"switch": "lock x"}]},
        "ws_url": {"steps": [{"ws": "connect"}]},
        "couchdb_url": {"request": f"GET {U}", "afterwards": {"documents": {"{A}": {"x": None}}}},
    }
    for missing, parts in skipped.items():
        result = await run(server.target(**{missing: None}), fixture(**parts))
        assert result.outcome is Outcome.SKIPPED
        assert missing in result.reason
    unknown = await run(server.target(), fixture(request={"method": "GET", "path": U, "who": "other"}))
    assert unknown.outcome is Outcome.SKIPPED
    assert "T_OTHER" in unknown.reason
    refused = await run(server.target(), fixture(steps=[{"switch": "explode"}]))
    assert refused.outcome is Outcome.FAILED
    unconnected = await run(server.target(), fixture(steps=[{"ws": "send", "frame": {}}]))
    assert unconnected.outcome is Outcome.FAILED


async def test_an_unreachable_server_fails() -> None:
    """A server that is not there fails every case, in bounded time."""
    target = target_from_options("http://127.0.0.1:9", "token", ACCOUNT)
    result = await run(target, fixture(request=f"GET {U}"))
    assert result.outcome is Outcome.FAILED
    assert "cannot be reached" in result.reason


def test_connection_files(tmp_path: Path) -> None:
    """A connection file gives the variables; one that is none is refused."""
    file = tmp_path / "connection.json"
    file.write_text(
        json.dumps(
            {
                "base_url": "http://x/",
                "accounts": {"main": {"id": ACCOUNT, "realm": "r"}},
                "users": {"joe": "j"},
                "devices": {"lobby": "d"},
                "tokens": {"boss": "t"},
                "basic": {"boss": "b"},
            }
        )
    )
    target = read_connection(file)
    assert target.base_url == "http://x"
    assert target.variables == {
        "A": ACCOUNT,
        "DB": "account%2Faa%2Faa%2F" + "a" * 28,
        "REALM": "r",
        "U_JOE": "j",
        "D_LOBBY": "d",
        "T_BOSS": "t",
        "BASIC_BOSS": "b",
    }
    for text in ("{", "{}"):
        file.write_text(text)
        with pytest.raises(TargetInvalid):
            read_connection(file)


def test_every_run_has_fresh_names() -> None:
    """Two runs never share a word, a number or an id."""
    target = target_from_options("http://x", "t", ACCOUNT)
    one, other = target.run_variables(), target.run_variables()
    assert all(one[name] != other[name] for name in ("X", "N", "HEX"))
    assert len(one["N"]) == 8


async def test_the_command(server: SmallServer, tmp_path: Path) -> None:
    """The command's exit status is 0 when all holds, 1 on a difference, 2 when it cannot be tried."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump({"id": "good", "request": f"GET {U}", "response": {"status": 200}}))
    bad.write_text(yaml.safe_dump({"id": "bad", "request": f"GET {U}", "response": {"status": 418}}))
    options = ["--url", server.url, "--token", "t", "--account", ACCOUNT]

    async def invoke(*arguments: str) -> tuple[int, str]:
        # In a thread: the command has an event loop of its own.
        result = await asyncio.to_thread(CliRunner().invoke, replay, list(arguments))
        return result.exit_code, result.output

    assert (await invoke(str(good), *options))[0] == 0
    code, output = await invoke(str(bad), *options)
    assert code == 1
    assert "418" in output
    code, output = await invoke(str(bad), *options, "--format", "json")
    assert code == 1
    assert '"differing": 1' in output
    assert (await invoke(str(bad), *options, "--format", "junit"))[0] == 1
    assert (await invoke(str(good), "--url", server.url))[0] == 2
    assert (await invoke(str(good), *options, "--case", "other"))[0] == 2
    assert (await invoke(str(good), *options, "--connection", "x"))[0] == 2


async def test_record_and_replay(server: SmallServer, tmp_path: Path) -> None:
    """What was recorded through the proxy holds when it is replayed, and has no token in it."""
    file = tmp_path / "recorded.yaml"
    recorder = Recorder(server.url, file, "recorded")
    async with TestServer(recorder.application()) as proxy:
        target = target_from_options(str(proxy.make_url("")), "secret-boss", ACCOUNT)
        through = fixture(
            steps=[
                {
                    "request": {
                        "method": "PUT",
                        "path": U,
                        "data": {"name": "n"},
                        "capture": {"C": "body.data.id"},
                    }
                },
                {"request": {"method": "GET", "path": U + "/{C}"}},
            ]
        )
        assert (await run(target, through)).outcome is Outcome.HELD
    assert recorder.steps == 3
    text = file.read_text()
    assert "secret-boss" not in text
    assert ACCOUNT not in text
    result = await run(server.target(), read_fixture(yaml.safe_load(text), "recorded.yaml"))
    assert result.outcome is Outcome.HELD


async def test_record_without_a_server(tmp_path: Path) -> None:
    """A server that does not answer is a 502, and nothing is written."""
    recorder = Recorder("http://127.0.0.1:9", tmp_path / "x.yaml", "x")
    async with TestServer(recorder.application()) as proxy:
        target = target_from_options(str(proxy.make_url("")), "t", ACCOUNT)
        result = await run(target, fixture(request=f"GET {U}", response={"status": 502}))
    assert result.outcome is Outcome.HELD
    assert not (tmp_path / "x.yaml").exists()


async def test_tokens_are_not_shown(server: SmallServer) -> None:
    """What is told of a difference names a token, whoever repeats it, and never shows it."""
    path = U + "?auth_token={T_BOSS}"
    step = {"request": {"method": "PUT", "path": path, "data": {"echo": "{T_BOSS}", "{T_JOE}": "x"}}}
    answer = {"response": {"status": 201, "body": {"data": {"echo": "{T_BOSS}x"}}}}
    refused = {"request": f"GET {path}", "response": {"status": 500}}
    result = await run(server.target(), fixture(steps=[{**step, **answer}, refused]))
    assert result.outcome is Outcome.DIFFERING
    shown = report.as_json([result]) + report.as_junit([result]) + report.describe(result)
    assert "secret-" not in shown
    assert "{T_BOSS}" in shown
