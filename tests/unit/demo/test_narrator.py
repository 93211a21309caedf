"""The demo's requests: what is shown can be pasted, and a wrong answer is remembered."""

from __future__ import annotations

import io
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from crossbar_conferences.demo import narrator as narrators
from crossbar_conferences.demo.narrator import Answer, Narrator


class Stage:
    """A server whose answers a test chooses, and a narrator that asks it."""

    def __init__(self, narrator: Narrator, output: io.StringIO, answers: list[tuple[int, Any]]) -> None:
        self.narrator = narrator
        self.output = output
        self.answers = answers
        self.heard: list[tuple[str, str | None, Any]] = []


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A narrator with one token, in front of a server that gives its answers in turn, the last for ever."""
    monkeypatch.setattr(narrators, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(narrators, "RETRY_SECONDS", 0.01)
    token = tmp_path / "boss.token"
    token.write_text("t0ken")

    async def answer(request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        made.heard.append((request.method, request.headers.get("X-Auth-Token"), body))
        status, content = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
        return web.json_response(content, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    output = io.StringIO()
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        console = Console(file=output, width=80)
        url = str(server.make_url("")).rstrip("/")
        made = Stage(Narrator(http, console, url, {"boss": token}), output, [(200, {"data": {"n": 1}})])
        yield made


async def test_request_is_shown_as_a_curl_line(stage: Stage) -> None:
    """The printed line is one shell command with the token from its file and the body as sent."""
    await stage.narrator.request("PUT", "/v2/x", data={"name": "it's"}, expect={"data.n": 1})
    line = next(line for line in stage.output.getvalue().splitlines() if line.startswith("$ "))
    words = shlex.split(line[2:])
    assert words[:4] == ["curl", "-s", "-X", "PUT"]
    assert "boss.token" in words[5]
    assert words[words.index("-d") + 1] == '{"data": {"name": "it\'s"}}'
    assert words[-1].endswith("/v2/x")
    assert "t0ken" not in stage.output.getvalue()
    assert stage.heard == [("PUT", "t0ken", {"data": {"name": "it's"}})]
    assert stage.narrator.failures == []


async def test_get_waits_for_what_it_expects(stage: Stage) -> None:
    """A GET is asked again while events are on their way."""
    stage.answers = [(200, {"data": {"n": 0}}), (200, {"data": {"n": 1}})]
    await stage.narrator.request("GET", "/v2/x", who=None, expect={"data.n": 1})
    assert [method for method, _, _ in stage.heard] == ["GET", "GET"]
    assert stage.narrator.failures == []


async def test_wrong_answer_is_remembered(stage: Stage) -> None:
    """A status or value other than expected is a failure of that step."""
    stage.answers = [(500, {"data": {"n": 0}})]
    stage.narrator.title("a step")
    await stage.narrator.request("DELETE", "/v2/x", expect={"data.n": 1})
    assert stage.narrator.failures == ["step 1: status 200", "step 1: data.n is 1"]
    assert len(stage.heard) == 1


def test_values_are_found_by_path() -> None:
    """Dotted paths go through objects and lists; what is not there is None."""
    answer = Answer(200, {}, {"data": [{"id": "a"}]})
    assert answer.at("data.0.id") == "a"
    assert answer.at("data.1.id") is None
    assert answer.at("data.id") is None
    assert answer.at("nothing") is None
