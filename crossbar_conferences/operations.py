"""The operators' port: is it alive, can it serve, what does it measure, what does it offer.

Apart from the API, so that neither load balancers nor scrapers need tokens, and clients never see it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from .api.envelope import dumps
from .broker.faults import BLOCKED, NOT_CONNECTED, QUEUE_LOST
from .describe import asyncapi, openapi
from .kapi.nodes import sidecar_host
from .store.port import StoreError, StoreUnreachable
from .version import version

if TYPE_CHECKING:
    from .service import Service

#: Seconds that a readiness check may take.
READY_WITHIN = 2.0


class Operations:
    """Handlers of the operations port."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pages = {
            "/healthz": self._health,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
            "/asyncapi.json": self._asyncapi,
        }

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        found = self._pages.get(request.path)
        if found is None:
            return web.Response(status=404, text="404: Not Found")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"allow": "GET,HEAD"}, text="405: Method Not Allowed")
        return await found()

    async def _health(self) -> web.Response:
        # That it answers is the answer: the loop runs.
        return _json(200, {"status": "ok"})

    async def _ready(self) -> web.Response:
        checks = {"store": await self._store(), "bus": self._bus(), "media": self._media()}
        # Without media nodes documents are served all the same.
        is_ready = all(checks[name]["ok"] for name in ("store", "bus"))
        if self._service.leaving:
            checks["process"], is_ready = {"ok": False, "reason": "shutting down"}, False
        return _json(200 if is_ready else 503, {"status": "ok" if is_ready else "fail", "checks": checks})

    async def _metrics(self) -> web.Response:
        return web.Response(
            body=await self._service.metrics.text(),
            headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def _openapi(self) -> web.Response:
        return _json(200, openapi.document(version()))

    async def _asyncapi(self) -> web.Response:
        return _json(200, asyncapi.document(version()))

    async def _store(self) -> dict[str, object]:
        try:
            async with asyncio.timeout(READY_WITHIN):
                version = await self._service.store.ping()
        except StoreUnreachable as error:
            return {"ok": False, "kind": error.kind, "reason": str(error)}
        except (StoreError, TimeoutError) as error:
            return {"ok": False, "reason": str(error) or "no answer in time"}
        return {"ok": True, "version": version, **self._rights()}

    def _rights(self) -> dict[str, object]:
        """The databases that we lacked a right to in the last minutes: what needed it was refused."""
        found = [
            {"database": one.database, "reason": one.said, "seconds_ago": round(one.age)}
            for one in self._service.store_health.lacking()
        ]
        return {"rights_missing": found} if found else {}

    def _bus(self) -> dict[str, object]:
        if not self._service.bus.connected:
            return _no_broker(self._service)
        for fault in self._service.bus.transport.faults:
            if fault.kind == BLOCKED:
                reason = f"the message broker {fault.broker} takes no messages: {fault.detail}"
                return {"ok": False, "reason": reason}
            if fault.kind == QUEUE_LOST:
                reason = f"the queue {fault.subject} at {fault.broker} was lost and is made anew"
                return {"ok": False, "reason": reason}
        return {"ok": True, "zone": self._service.bus.zone, **self._repairs(), **self._namesake()}

    def _repairs(self) -> dict[str, object]:
        """What was made good in the last minutes, if anything: commands or events may have been missed."""
        found = [
            {
                "found": repair.fault.kind,
                "subject": repair.fault.subject,
                "broker": repair.fault.broker,
                "seconds_ago": round(repair.age),
            }
            for repair in self._service.bus.transport.repairs
        ]
        return {"repaired": found} if found else {}

    def _namesake(self) -> dict[str, object]:
        """Whether another process speaks under our node name: the cluster takes the two for one."""
        found = self._service.bus.nodes.namesake
        if found is None:
            return {}
        host = sidecar_host(found.sidecar_id)
        return {"node_name_taken": f"{found.name} is also the name of another process on {host or 'a host'}"}

    def _media(self) -> dict[str, object]:
        nodes = [node.name for node in self._service.bus.nodes.all("ecallmgr")]
        if nodes:
            return {"ok": True, "nodes": nodes}
        return {"ok": False, "reason": "no ecallmgr node is heard"}


def _no_broker(service: Service) -> dict[str, object]:
    """That no broker is connected, and what is known of each."""
    brokers = {one.broker: one.kind for one in service.bus.transport.faults if one.kind in NOT_CONNECTED}
    reason = "no message broker is connected"
    return {"ok": False, "reason": reason, **({"brokers": brokers} if brokers else {})}


def known_troubles(service: Service) -> dict[str, object]:
    """What a service that is about to start has found wrong so far, as checks of ``/readyz``."""
    checks: dict[str, object] = {}
    trouble = service.store_health.trouble
    if trouble is not None:
        checks["store"] = {"ok": False, "kind": trouble.kind, "reason": trouble.said}
    if not service.bus.connected:
        checks["bus"] = _no_broker(service)
    return checks


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=dumps(body), headers={"content-type": "application/json"})
