"""The document store is slow, gone, mute, full, or answers nonsense."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from yarl import URL

from crossbar_conferences.broker.port import Binding
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.dataset import mint_tokens
from crossbar_conferences.store import health
from crossbar_conferences.store.names import account_database
from scripts.daemons import RabbitMQ
from tests.faults.conftest import OPTIONS, House, Watch, back, open_house
from tests.support.answers import Answer
from tests.support.brokers import Inbox, eventually, running
from tests.support.couch_proxy import LOCKS_AFTER, CouchProxy, Gate, disk_full


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


USER = "sidecar"


def _as_user(couch: CouchProxy, password: str) -> str:
    return str(URL(couch.url).with_user(USER).with_password(password))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that refuses us is asked again after two seconds, where it would be 1 to 140."""
    for kind in health.PAUSES:
        monkeypatch.setitem(health.PAUSES, kind, (2.0,))


async def _refused(house: House, watch: Watch, known: str, kind: str) -> None:
    """Everything that needs the store is a 503 that says when to come again; nothing else is told."""
    sidecar = house.sidecar
    # One at a time: what is under way when it begins is a wrong password each.
    answers = [await watch.ask(sidecar.get(secrets.token_hex(16)))]
    for _ in range(20):
        assert (await watch.ask(sidecar.get(known))).status == 200
        answers.append(await watch.ask(sidecar.create()))
    answers.append(await watch.ask(sidecar.rename(known, "Other")))
    for answer in answers:
        assert (answer.status, answer.message) == (503, "datastore_unreachable"), answer.body
        assert 1 <= int(answer.headers["Retry-After"]) <= 140
    ready = await watch.ask(sidecar.ready())
    assert ready.status == 503 and ready.body["checks"]["store"]["kind"] == kind


@pytest.mark.usefixtures("hasty")
@pytest.mark.fault(
    fault="the store's password is changed while we serve (shown with CouchDB 3.5's own answers, by a"
    " proxy that asks for credentials)",
    sees="reads of what is in memory: 200; all else: 503 `datastore_unreachable` with `Retry-After`;"
    " `/readyz`: 503, `credentials_refused`",
    keeps="every document that was answered 201; the user is not locked out by what comes after the first"
    " refusal, since one request at a time asks again, ever more rarely",
    recovers="by itself when the password is put back; else by a second user (rotate-credentials.md)",
)
async def test_store_password(couchdb_url: str, broker: RabbitMQ, watch: Watch) -> None:
    """A password that was changed is a fault with a name, said once, and does not lock the user out."""
    gate = Gate({USER: "first"})
    async with (
        CouchProxy(couchdb_url, gate) as couch,
        open_house(couchdb_url, broker, store_url=_as_user(couch, "first")) as house,
    ):
        known = await house.sidecar.created()
        await eventually(lambda: _is_warm(house, known))
        gate.users[USER] = "second"
        with capture_logs() as lines:
            await _refused(house, watch, known, "credentials_refused")
            assert 1 <= gate.wrong[USER] < LOCKS_AFTER
            gate.users[USER] = "first"
            watch.lifted()
            await back(watch, house.sidecar.create, 201)
        assert _said(lines) == [
            ("store_unavailable", "credentials_refused", "Name or password is incorrect."),
            ("store_available", None, None),
        ]
        assert (await house.sidecar.get(known)).status == 200
        assert (await house.sidecar.ready()).status == 200


@pytest.mark.usefixtures("hasty")
@pytest.mark.fault(
    fault="the store locks our user out, since somebody at our address sent wrong passwords (shown as the"
    " row above)",
    sees="as above; `/readyz`: 503, `user_locked`",
    keeps="every document that was answered 201",
    recovers="by itself, within 15 seconds after the store lets the user in again",
)
async def test_store_user_locked(couchdb_url: str, broker: RabbitMQ, watch: Watch) -> None:
    """A user who is locked out is told from one whose password is wrong."""
    gate = Gate({USER: "first"})
    async with (
        CouchProxy(couchdb_url, gate) as couch,
        open_house(couchdb_url, broker, store_url=_as_user(couch, "first")) as house,
    ):
        known = await house.sidecar.created()
        await eventually(lambda: _is_warm(house, known))
        gate.lock(USER)
        before = couch.requests
        with capture_logs() as lines:
            await _refused(house, watch, known, "user_locked")
            assert couch.requests - before < 10
            gate.unlock(USER)
            watch.lifted()
            await back(watch, house.sidecar.create, 201)
        [begun, over] = _said(lines)
        assert begun[:2] == ("store_unavailable", "user_locked") and "temporarily locked" in str(begun[2])
        assert over[0] == "store_available"
        assert (await house.sidecar.ready()).status == 200


def _said(lines: list[Any]) -> list[tuple[str, str | None, str | None]]:
    """What was logged of the store's coming and going."""
    events = ("store_unavailable", "store_available")
    return [
        (line["event"], line.get("reason"), line.get("said")) for line in lines if line["event"] in events
    ]


@pytest.mark.fault(
    fault="our user has no right to one database of the store",
    sees="what needs that database: 500 `datastore_fault`; all else: as ever; `/readyz`: 200, and names the"
    " database under `rights_missing`",
    keeps="everything",
    recovers="with the first request after the right is given",
)
async def test_store_right_missing(couchdb_url: str, broker: RabbitMQ, watch: Watch) -> None:
    """A missing right is the matter of the request that needs it, and no outage of the store."""
    async with (
        CouchProxy(couchdb_url) as couch,
        open_house(couchdb_url, broker, store_url=couch.url) as house,
    ):
        sidecar = house.sidecar
        other = sidecar.data.other.id
        token = (await mint_tokens(house.eyes, sidecar.data))["other"]
        where = account_database(other)

        def no_right(request: web.Request) -> web.Response | None:
            if unquote(request.path).lstrip("/").startswith(where):
                body = {"error": "forbidden", "reason": "You are not allowed to access this db."}
                return web.json_response(body, status=403)
            return None

        async def theirs() -> Answer:
            path = f"/v2/accounts/{other}/conferences"
            return await sidecar.call("GET", path, **{"X-Auth-Token": token})

        couch.meddle = no_right
        with capture_logs() as lines:
            for _ in range(5):
                answer = await watch.ask(theirs())
                assert (answer.status, answer.message) == (500, "datastore_fault")
            assert (await watch.ask(sidecar.create())).status == 201
            ready = await watch.ask(sidecar.ready())
        assert ready.status == 200
        [lacking] = ready.body["checks"]["store"]["rights_missing"]
        assert (lacking["database"], lacking["reason"]) == (where, "You are not allowed to access this db.")
        assert [line["event"] for line in lines if line["event"].startswith("store_")] == [
            "store_right_missing"
        ]
        couch.meddle = None
        watch.lifted()
        await back(watch, theirs, 200)
