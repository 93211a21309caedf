"""The control interface of the virtual switch: a small HTTP server, on loopback only.

``POST /`` with ``{"args": ["join", ROOM, CALL-ID, "moderator=true"]}`` does a step and answers when
it was told on the bus: ``{"ok": true, "events": […]}``, or 400 ``{"error": …}``. ``GET /`` tells
what the switch holds and what it was told.
"""

from __future__ import annotations

from typing import Any

import orjson
import structlog
from aiohttp import web

from .cluster import Cluster
from .faults import FaultInvalid
from .media_server import Performed
from .rooms import SwitchRefuses
from .steps import StepInvalid, words

log = structlog.get_logger(__name__)

LOOPBACK = "127.0.0.1"
#: Bytes of a request.
BODY_LIMIT = 65_536
_OWN_HOSTS = frozenset({LOOPBACK, "localhost"})
_CLUSTER: web.AppKey[Cluster] = web.AppKey("cluster", Cluster)


def application(cluster: Cluster) -> web.Application:
    """The control interface of a media side, to be served on loopback."""
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[_only_own_machine])
    app[_CLUSTER] = cluster
    app.router.add_post("/", _post)
    app.router.add_get("/", _get)
    return app


class ControlServer:
    """The control interface, served. ``port`` 0 takes a free one."""

    def __init__(self, cluster: Cluster, port: int = 0) -> None:
        self._runner = web.AppRunner(application(cluster), access_log=None)
        self._port = port

    @property
    def url(self) -> str:
        """Where it is, once started."""
        return f"http://{LOOPBACK}:{self._port}/"

    async def start(self) -> None:
        """Serve. Raises `OSError` when the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()
        self._port = self._runner.addresses[0][1]
        log.info("switch_control_ready", url=self.url)

    async def close(self) -> None:
        """Serve no more."""
        await self._runner.cleanup()


@web.middleware
async def _only_own_machine(request: web.Request, handler: Any) -> web.StreamResponse:
    """A page in a browser on this machine must not command the switch."""
    if request.url.host not in _OWN_HOSTS or "Origin" in request.headers:
        return _answer({"error": "the control interface is for this machine"}, 403)
    response: web.StreamResponse = await handler(request)
    return response


async def _post(request: web.Request) -> web.Response:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return _answer({"error": "the body is no JSON"}, 400)
    args = body.get("args") if isinstance(body, dict) else None
    try:
        performed = await request.app[_CLUSTER].perform(words(args))
    except (StepInvalid, FaultInvalid, SwitchRefuses) as error:
        return _answer({"error": str(error)}, 400)
    return _answer({"ok": True, **_told(performed)}, 200)


async def _get(request: web.Request) -> web.Response:
    return _answer(request.app[_CLUSTER].snapshot(), 200)


def _told(performed: Performed) -> dict[str, Any]:
    events = [
        {
            "event": event.name,
            "conference_id": event.room.conference_id,
            "participant_id": event.member.member_id if event.member else None,
        }
        for event in performed.events
    ]
    # An event that the broker did not take is no event for anybody else: the caller should know.
    return {"events": events, "lost": performed.lost}


def _answer(body: dict[str, Any], status: int) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
