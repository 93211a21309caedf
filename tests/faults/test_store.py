"""The document store is slow, gone, mute, full, or answers nonsense."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from aiohttp import web

from crossbar_conferences.broker.port import Binding
from crossbar_conferences.broker.rabbit import RabbitTransport
from scripts.daemons import RabbitMQ
from tests.faults.conftest import OPTIONS, House, Watch, back, open_house
from tests.support.brokers import Inbox, eventually, running
from tests.support.couch_proxy import CouchProxy, disk_full


@pytest.mark.fault(
    fault="the store is slow",
    sees="the same answers, later; 503 `datastore_unreachable` once a request to the store takes longer"
    " than `store_timeout_seconds`",
    keeps="what was answered 201 is stored; what was answered 503 may be tried again",
    recovers="by itself, with the next request",
)
async def test_store_slow(house: House, watch: Watch) -> None:
    """Slow is slow, too slow is a 503 in time, and afterwards everything is as it was."""
    sidecar = house.sidecar
    house.store.delay = 0.05
    created = await watch.ask(sidecar.create())
    assert created.status == 201
    house.store.delay = 5.0
    answers = await asyncio.gather(*(watch.ask(sidecar.create()) for _ in range(20)))
    assert {(answer.status, answer.message) for answer in answers} == {(503, "datastore_unreachable")}
    assert sidecar.service.load.running == 0
    house.store.cut()
    house.store.delay = 0.0
    watch.lifted()
    await back(watch, sidecar.create, 201)
    assert (await sidecar.get(created.data["id"])).status == 200


@pytest.mark.fault(
    fault="the store is gone, or mute",
    sees="reads of what is in memory: 200; all else: 503 `datastore_unreachable`; `/readyz`: 503",
    keeps="every document that was answered 201",
    recovers="by itself, with the next request",
)
async def test_store_gone(house: House, watch: Watch) -> None:
    """Documents in memory are still read, nothing is written, and both come back."""
    sidecar = house.sidecar
    known, unknown = await sidecar.created(), await sidecar.created()
    for fault in (house.store.refuse, house.store.freeze):
        await eventually(lambda: _is_warm(house, known))
        fault()
        house.store.cut()
        assert (await watch.ask(sidecar.get(known))).status == 200
        for request in (
            sidecar.create(),
            sidecar.rename(known, "Other"),
            sidecar.get(secrets.token_hex(16)),
        ):
            answer = await watch.ask(request)
            assert (answer.status, answer.message) == (503, "datastore_unreachable")
        ready = await watch.ask(sidecar.ready())
        assert ready.status == 503 and not ready.body["checks"]["store"]["ok"]
        house.store.resume()
        house.store.cut()
        watch.lifted()
        await back(watch, sidecar.create, 201)
        assert (await sidecar.ready()).status == 200
    for conference_id in (known, unknown):
        assert (await sidecar.get(conference_id)).status == 200


async def _is_warm(house: House, conference_id: str) -> bool:
    """Whether a read needs no store: our own notices of what was written drop it once more."""
    await house.sidecar.get(conference_id)
    before = house.sidecar.service.store_counters.requests
    await house.sidecar.get(conference_id)
    return house.sidecar.service.store_counters.requests == before


def _html(request: web.Request) -> web.Response:
    return web.Response(text="<html>It works!</html>", content_type="text/html")


def _list(request: web.Request) -> web.Response:
    return web.json_response(["not", "what", "was", "asked"])


def _null(request: web.Request) -> web.Response:
    return web.json_response(None)


def _types(request: web.Request) -> web.Response:
    return web.json_response({"ok": "maybe", "rows": {"id": []}, "id": 7, "rev": [], "_id": {}})


def _rows(request: web.Request) -> web.Response:
    return web.json_response({"rows": [7, None, {"id": []}, {"doc": "x"}], "total_rows": "many"})


def _deep(request: web.Request) -> web.Response:
    return web.Response(text="[" * 100_000, content_type="application/json")


def _elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"location": "http://127.0.0.1:9/"})


def _teapot(request: web.Request) -> web.Response:
    return web.Response(status=418, text="no coffee")


@pytest.mark.fault(
    fault="the store answers nonsense",
    sees="500 `datastore_fault` or 503 `datastore_unreachable`; 401 where the nonsense is about the token",
    keeps="every document that was answered 201",
    recovers="by itself, with the next request",
)
async def test_store_nonsense(couchdb_url: str, broker: RabbitMQ, watch: Watch) -> None:
    """Pages, lists, nothing, wrong types, redirections: each is an error in the envelope."""
    async with (
        CouchProxy(couchdb_url) as couch,
        open_house(couchdb_url, broker, store_url=couch.url) as house,
    ):
        sidecar = house.sidecar
        conference_id = await sidecar.created()
        for nonsense in (_html, _list, _null, _types, _rows, _deep, _elsewhere, _teapot):
            for is_warm in (True, False):
                await eventually(lambda: _is_warm(house, conference_id))
                couch.meddle = nonsense
                if not is_warm:
                    sidecar.forget()
                for request in (sidecar.create(), sidecar.get(secrets.token_hex(16)), sidecar.get()):
                    answer = await watch.ask(request)
                    assert answer.status in ((500, 503) if is_warm else (401, 500, 503)), (
                        nonsense.__name__,
                        answer.body,
                    )
                    assert answer.body["status"] == "error"
                couch.meddle = None
                sidecar.forget()
        watch.lifted()
        await back(watch, sidecar.create, 201)
        assert (await sidecar.get(conference_id)).status == 200


@pytest.mark.fault(
    fault="the connection to the store breaks the bytes",
    sees="500 or 503 for the requests that were under way",
    keeps="every document that was answered 201",
    recovers="by itself, on a new connection",
)
async def test_store_corrupt(house: House, watch: Watch) -> None:
    """A spoiled answer is one error, not an end."""
    house.store.corrupt()
    assert (await watch.ask(house.sidecar.create())).status in (500, 503)
    watch.lifted()
    await back(watch, house.sidecar.create, 201)


@pytest.mark.fault(
    fault="the store's disk is full",
    sees="writes: 500 `datastore_fault`; reads: 200; commands: 202",
    keeps="documents as they were; an accepted invitation waits in memory until it can be written",
    recovers="by itself, with the next write",
)
async def test_store_disk_full(couchdb_url: str, broker: RabbitMQ, watch: Watch) -> None:
    """Whoever only reads or commands notices nothing; nobody is told that something was stored."""
    mailer = RabbitTransport([broker.url], options=OPTIONS)
    async with (
        CouchProxy(couchdb_url) as couch,
        open_house(couchdb_url, broker, store_url=couch.url) as house,
        running(mailer),
    ):
        # It takes invitations, and says nothing of them.
        await mailer.consume(Inbox(), [Binding("notifications", "notifications.#")])
        sidecar = house.sidecar
        conference_id = await sidecar.created()
        before = await sidecar.stored(house.eyes, conference_id)
        assert (await sidecar.invite(conference_id)).status == 201
        couch.meddle = disk_full
        for request in (
            sidecar.create(),
            sidecar.rename(conference_id, "Other"),
            sidecar.call("DELETE", sidecar.path(conference_id)),
        ):
            answer = await watch.ask(request)
            assert (answer.status, answer.message) == (500, "datastore_fault")
        assert (await watch.ask(sidecar.get(conference_id))).status == 200
        assert (await watch.ask(sidecar.lock(conference_id))).status == 202
        # The invitation that was accepted loses its broker, and cannot be written down either.
        house.bus.refuse()
        await eventually(lambda: not sidecar.service.bus.connected)
        assert (await watch.ask(sidecar.invite(conference_id))).status == 500
        assert await house.pending() == []
        couch.meddle = None
        watch.lifted()
        await back(watch, sidecar.create, 201)
        assert await sidecar.stored(house.eyes, conference_id) == before
        await eventually(lambda: _keeps(house, 1))


async def _keeps(house: House, count: int) -> bool:
    return len(await house.pending()) == count
