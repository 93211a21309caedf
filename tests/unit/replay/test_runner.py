"""The runner, against a small server that answers what a case expects."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from crossbar_conferences.replay import runner as runner_module
from crossbar_conferences.replay.model import Case, ExpectedResponse, HttpStep
from crossbar_conferences.replay.placeholders import MISSING
from crossbar_conferences.replay.recording import load_recordings
from crossbar_conferences.replay.results import Outcome
from crossbar_conferences.replay.runner import Runner
from crossbar_conferences.replay.target import Target, target_from_connection

RECORDED = Path(__file__).parents[3] / "fixtures" / "recorded"

CONNECTION: dict[str, Any] = {
    "accounts": {
        "main": {"id": "a" * 32, "realm": "main.example.com"},
        "other": {"id": "b" * 32, "realm": "other.example.com"},
        "parent": {"id": "c" * 32},
    },
    "users": {"boss": "1" * 32, "joe": "2" * 32, "other": "3" * 32},
    "devices": {"lobby": "4" * 32, "joe": "5" * 32, "other": "6" * 32},
    "tokens": {"boss": "h.boss.s", "joe": "h.joe.s", "master": "h.master.s", "other": "h.other.s"},
    "basic": {"boss": "Ym9zcw=="},
}

SAMPLES = {
    "hex": "0123456789abcdef0123456789abcdef",
    "uuid": "01234567-89ab-cdef-0123-456789abcdef",
    "iso": "2026-11-24T14:35:00Z",
    "jwt": "a.b.c",
    "text_greg": "63962552909",
}
NUMBERS = {"greg": 63962552909, "secs": 3, "int": 7}


#: Starts a server for a player.
StartPlayer = Callable[["Player"], Awaitable[Target]]


class Player:
    """Answers the steps of one case in order, as recorded."""

    def __init__(self, case: Case, variables: dict[str, str]) -> None:
        self.variables = variables
        self.steps = [step for step in case.steps if isinstance(step, HttpStep)]
        self.asked: list[tuple[str, str]] = []
        self.deleted: list[str] = []
        self.told: list[list[str]] = []

    def fill(self, value: Any) -> Any:
        """A recorded value with something in the place of every placeholder."""
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if not isinstance(value, str):
            return value
        if value[1:-1] in NUMBERS:
            return NUMBERS[value[1:-1]]
        text = re.sub(r"\{\{(\w+)\}\}", lambda found: self.variable(found[1]), value)
        text = re.sub(r"<rev(\d+):(\d+)>", lambda found: f"{found[1]}-{int(found[2]):032x}", text)
        text = re.sub(r"<hex:(\d+)>", lambda found: f"{int(found[1]):032x}", text)
        text = re.sub(r"<(rid|queue|uuid):(\d+)>", lambda found: SAMPLES.get(found[1], f"r{found[2]}"), text)
        return re.sub(
            r"<(iso|node|version|jwt|file|text_greg|queue)>",
            lambda found: SAMPLES.get(found[1], found[1]),
            text,
        )

    def variable(self, name: str) -> str:
        """The value of a variable; one that a client captures is made up at first use."""
        made_up = f"{len(self.variables):032x}"
        return self.variables.setdefault(name, f'"{made_up}"' if name == "E" else made_up)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of the case, a clean-up, or a command to the media server."""
        if request.path == "/switch":
            self.told.append((await request.json())["args"])
            return web.json_response({})
        if not self.steps:
            self.deleted.append(request.path.rpartition("/")[2])
            return web.json_response({})
        self.asked.append((request.method, request.raw_path))
        step = self.steps.pop(0)
        expected = step.expected.response
        assert expected is not None
        status = expected.status or 200
        if step.setup:
            data = {"id": self.variable(next(iter(step.capture), "C"))}
            return web.json_response({"data": data}, status=status)
        headers = {name: str(self.fill(value)) for name, value in expected.headers.items()}
        headers.pop("content-encoding", None)
        return web.Response(status=status, headers=headers, body=self.text(expected).encode())

    def text(self, expected: ExpectedResponse) -> str:
        """The recorded body as text."""
        if expected.body is MISSING:
            return str(self.fill(expected.text or ""))
        body = json.dumps(self.fill(expected.body), indent=1 if expected.indented else None)
        return expected.text.replace("…body…", body) if expected.text else body


@pytest.fixture
async def player_server() -> AsyncIterator[StartPlayer]:
    """Starts a server for a player and gives the target that leads there."""
    servers: list[TestServer] = []

    async def start(player: Player) -> Target:
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", player.handle)
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        url = str(server.make_url("")).rstrip("/")
        return target_from_connection({**CONNECTION, "base_url": url, "switch_url": f"{url}/switch"})

    yield start
    for server in servers:
        await server.close()


class FixedTarget(Target):
    """A target whose runs all have the same fresh names, so that a player can know them."""

    def run_variables(self) -> dict[str, str]:
        """The target's variables and three that never change."""
        return {**self.variables, "X": "x1234", "N": "55512345", "HEX": "f" * 32}


def fixed(target: Target) -> FixedTarget:
    """The same target with fixed names."""
    return FixedTarget(target.base_url, target.variables, switch_url=target.switch_url)


def recorded_cases() -> list[Case]:
    """Cases that need no websocket and whose odd HTTP a test server can give back."""
    odd = {"entry-trace", "entry-head", "entry-head-deep", "entry-gzip"}
    return [
        case
        for case in load_recordings(RECORDED)
        if case.id not in odd and not case.needs_socket and not _orders_ids(case)
    ]


def _orders_ids(case: Case) -> bool:
    """Whether ids must rise or fall, which made-up ids don't."""
    responses = [step.expected.response for step in case.steps]
    return any(response is not None and response.order_of_ids for response in responses)


async def test_every_recording_holds_against_itself(
    player_server: StartPlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers exactly what was recorded has no difference in any case."""
    monkeypatch.setattr(runner_module, "BLIND_SWITCH_WAIT", 0.0)
    wrong = {}
    player = Player(Case("none", "", ()), {})
    target = fixed(await player_server(player))
    async with Runner(target, allow_writes=True) as runner:
        for case in recorded_cases():
            player.__init__(case, target.run_variables())  # type: ignore[misc]
            calm = replace(
                case,
                steps=tuple(
                    replace(step, settle=0.0) if isinstance(step, HttpStep) else step for step in case.steps
                ),
            )
            result = await runner.run(calm)
            if result.outcome not in (Outcome.HELD, Outcome.UNTRUSTED):
                wrong[case.id] = result
    assert not wrong
