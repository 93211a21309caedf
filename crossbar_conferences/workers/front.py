"""The operations port of a host with several workers: one answer for all of them.

Health and readiness are those of any worker that can answer; metrics are those of each, with a
label ``worker``, and the supervisor's own. What else a worker offers there is passed through.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
import orjson
from aiohttp import web

from ..api.sniffing import unsniffed
from ..metrics import process_text
from .aggregate import merge
from .process import Worker

if TYPE_CHECKING:
    from .supervisor import Supervisor

#: Seconds that a worker has to answer.
ANSWER_WITHIN = 4.0


@dataclass(frozen=True, slots=True)
class SupervisorMetric:
    """One number of the supervisor's; see `metrics.Metric`."""

    name: str
    kind: str
    help: str
    read: Callable[[Supervisor], float]


SUPERVISOR_METRICS: Final = (
    SupervisorMetric("workers_ready", "gauge", "Workers that serve", lambda s: len(s.workers)),
    SupervisorMetric("workers_wanted", "gauge", "Workers that there should be", lambda s: len(s.slots)),
    SupervisorMetric(
        "worker_restarts", "counter", "Workers that died and were replaced", lambda s: s.restarts
    ),
    SupervisorMetric(
        "worker_silences",
        "counter",
        "Workers killed because they gave no sign of life",
        lambda s: s.lookout.killed,
    ),
    SupervisorMetric("rate_charges", "counter", "Rate tokens asked for", lambda s: s.keeper.charges),
    SupervisorMetric("rate_refusals", "counter", "Rate tokens refused", lambda s: s.keeper.refusals),
)


class Front:
    """Serves the operations port for a supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None

    async def open(self, listening: socket.socket) -> None:
        """Begin, on a socket that listens already."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN))
        app = web.Application()
        app.on_response_prepare.append(unsniffed)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._http is not None:
            await self._http.close()

    async def _metrics(self, request: web.Request) -> web.Response:
        workers = self._awake()
        answers = await asyncio.gather(*(self._ask(worker, "/metrics") for worker in workers))
        texts = {
            str(worker.index): answer.body.decode()
            for worker, answer in zip(workers, answers, strict=True)
            if answer is not None and answer.status == 200
        }
        texts["supervisor"] = await process_text()
        own = [(m.name, m.kind, m.help, float(m.read(self._supervisor))) for m in SUPERVISOR_METRICS]
        return web.Response(
            body=merge(texts, own), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _pass(self, request: web.Request) -> web.Response:
        if self._supervisor.leaving and request.path == "/readyz":
            return _failed("shutting down")
        last = None
        for worker in self._awake():
            answer = await self._ask(worker, request.rel_url.raw_path)
            if answer is not None:
                last = answer
                if answer.status < 500:
                    break
        if last is None:
            return _failed(self._why_none(), self._troubles())
        return self._with_workers(last).response() if request.path == "/readyz" else last.response()

    def _awake(self) -> list[Worker]:
        """The workers that serve and give signs of life, those heard of last first."""
        serving = self._supervisor.workers.values()
        awake = [worker for worker in serving if not self._supervisor.lookout.is_quiet(worker)]
        return sorted(awake, key=lambda worker: worker.silence)

    def _silent(self) -> list[Worker]:
        serving = self._supervisor.workers.values()
        return [worker for worker in serving if self._supervisor.lookout.is_quiet(worker)]

    def _why_none(self) -> str:
        if self._silent():
            return "no worker gives a sign of life"
        return "the workers are starting" if self._starting() else "no worker answers"

    def _starting(self) -> list[Worker]:
        slots = self._supervisor.slots
        return [slot.worker for slot in slots if slot.worker is not None and not slot.worker.is_ready]

    def _troubles(self) -> dict[str, object]:
        """What the workers that start have found so far: it may be what they wait for."""
        return {name: check for worker in self._starting() for name, check in worker.starting.items()}

    def _with_workers(self, answer: _Answer) -> _Answer:
        """What one worker said of its readiness, with how all of them are."""
        body = orjson.loads(answer.body)
        silent, supervisor = self._silent(), self._supervisor
        ready, wanted = len(supervisor.workers) - len(silent), len(supervisor.slots)
        check: dict[str, object] = {"ok": ready == wanted, "ready": ready, "wanted": wanted}
        check["killed"] = supervisor.lookout.killed
        if silent:
            names = ", ".join(f"{one.index} for {one.silence:.0f} s" for one in silent)
            check["reason"] = f"no sign of life of worker {names}"
        body["checks"]["workers"] = check
        return _Answer(answer.status, answer.content_type, orjson.dumps(body))

    async def _ask(self, worker: Worker, path: str) -> _Answer | None:
        assert self._http is not None
        try:
            async with self._http.get(f"{worker.operations_url}{path}") as answer:
                return _Answer(answer.status, answer.headers.get("content-type", ""), await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            return None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a worker said."""

    status: int
    content_type: str
    body: bytes

    def response(self) -> web.Response:
        """The same for whoever asked."""
        return web.Response(status=self.status, body=self.body, headers={"content-type": self.content_type})


def _failed(reason: str, troubles: Mapping[str, object] | None = None) -> web.Response:
    checks = {**(troubles or {}), "process": {"ok": False, "reason": reason}}
    body = {"status": "fail", "checks": checks}
    return web.Response(status=503, body=orjson.dumps(body), headers={"content-type": "application/json"})
