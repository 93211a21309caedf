"""The CouchDB adapter against a server that answers as it is told: errors, nonsense, silence."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from crossbar_conferences.store import views
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.health import Health
from crossbar_conferences.store.names import account_database, encoded
from crossbar_conferences.store.port import (
    CredentialsRefused,
    DatabaseMissing,
    DocumentConflict,
    DocumentMissing,
    StoreError,
    StoreFault,
    StoreRefused,
    StoreRefusesUs,
    StoreUnreachable,
    UserLocked,
    View,
    ViewMissing,
    ViewQuery,
)
from tests.support.brokers import eventually

DATABASE = account_database("a" * 32)
PATH = f"/{encoded(DATABASE)}"
REV = "1-0123456789abcdef0123456789abcdef"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Notes requests, and gives the answers prepared for it, the last one again and again."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Answer] = []

    def answer(self, status: int, body: Any = None, **more: Any) -> None:
        """Prepare an answer of JSON."""

        async def respond(request: web.Request) -> web.StreamResponse:
            return web.json_response(body, status=status, **more)

        self.answers.append(respond)

    def error(self, status: int, reason: str) -> None:
        """Prepare an error as CouchDB words it."""
        self.answer(status, {"error": "some", "reason": reason})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.raw_path, body))
        self.headers.append(dict(request.headers))
        respond = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await respond(request)


@pytest.fixture
async def running(server: Server) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    running = TestServer(app)
    await running.start_server()
    yield running
    await running.close()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def store(running: TestServer) -> AsyncIterator[CouchStore]:
    store = CouchStore(str(running.make_url("/")), "kazoo", "pa:ss€", timeout=0.5)
    await store.open()
    yield store
    await store.close()


async def test_says_who_it_is_and_what_it_wants(server: Server, store: CouchStore) -> None:
    """Each request carries Basic credentials in UTF-8 and asks for JSON by name."""
    server.answer(200, {"couchdb": "Welcome", "version": "3.5.0"})
    assert await store.ping() == "3.5.0"
    token = base64.b64encode("kazoo:pa:ss€".encode()).decode()
    assert server.headers[0]["Authorization"] == f"Basic {token}"
    assert server.headers[0]["Accept"] == "application/json"


async def test_one_request_each(server: Server, store: CouchStore) -> None:
    """No operation costs a second round trip, and names with slashes are quoted in all of them."""
    server.answer(200, {"_id": "x", "_rev": REV})
    await store.get(DATABASE, "x")
    server.answers.clear()
    server.answer(200, {"total_rows": 0, "offset": None, "rows": []})
    await store.get_many(DATABASE, ["x", "x", "y"])
    await store.query(DATABASE, views.BY_NUMBER, ViewQuery(keys=["+1"]))
    await store.query(
        DATABASE, views.BY_ID, ViewQuery(start='a"+&', end=["x", None], limit=5, descending=True)
    )
    server.answers.clear()
    server.answer(201, {"ok": True, "id": "x", "rev": REV})
    await store.put(DATABASE, {"_id": "x", "n": 1})
    await store.delete(DATABASE, "x", REV)
    await store.create_database(DATABASE)
    assert server.requests == [
        ("GET", f"{PATH}/x", None),
        ("POST", f"{PATH}/_all_docs?include_docs=true", {"keys": ["x", "y"]}),
        ("POST", f"{PATH}/_design/crossbar_conferences/_view/by_number", {"keys": ["+1"]}),
        (
            "GET",
            f"{PATH}/_design/crossbar_conferences/_view/by_id"
            "?startkey=%22a%5C%22%2B%26%22&endkey=%5B%22x%22,null%5D&limit=5&descending=true",
            None,
        ),
        ("PUT", f"{PATH}/x", {"_id": "x", "n": 1}),
        ("DELETE", f"{PATH}/x?rev={REV}", None),
        ("PUT", PATH, None),
    ]


async def test_a_long_question_is_posted(server: Server, store: CouchStore) -> None:
    """What would make a request line that CouchDB refuses (8192 bytes) goes into the body."""
    server.answer(200, {"total_rows": 0, "offset": 0, "rows": []})
    await store.query(
        DATABASE,
        views.BY_ID,
        ViewQuery(start="é" * 700, start_id="x", end=[1], limit=5, descending=True, include_docs=True),
    )
    assert server.requests == [
        (
            "POST",
            f"{PATH}/_design/crossbar_conferences/_view/by_id",
            {
                "startkey": "é" * 700,
                "startkey_docid": "x",
                "endkey": [1],
                "limit": 5,
                "descending": True,
                "include_docs": True,
            },
        )
    ]


async def test_huge_integers_stay_exact(server: Server, store: CouchStore) -> None:
    """CouchDB keeps integers beyond 64 bits as they are, and so does reading them."""
    server.answer(200, {"_id": "x", "_rev": REV, "n": 2**70})
    assert (await store.get(DATABASE, "x"))["n"] == 2**70


@pytest.mark.parametrize(
    ("user", "password", "expected"), [(None, None, "ad:m in:p@ss"), ("kazoo", "x", "kazoo:x")]
)
async def test_credentials_in_the_url(
    server: Server, running: TestServer, user: str | None, password: str | None, expected: str
) -> None:
    """They are used where no others are given, and cause no trouble beside others."""
    server.answer(200, {"version": "3.5.0"})
    url = f"http://ad%3Am%20in:p%40ss@127.0.0.1:{running.port}"
    store = CouchStore(url, user, password)
    await store.open()
    assert await store.ping() == "3.5.0"
    await store.close()
    assert server.headers[0]["Authorization"] == f"Basic {base64.b64encode(expected.encode()).decode()}"


async def test_a_write_without_a_new_revision_is_a_fault(server: Server, store: CouchStore) -> None:
    """A write counts only when it is told what it has become."""
    server.answer(201, {"ok": True})
    with pytest.raises(StoreFault):
        await store.put(DATABASE, {"_id": "x", "_rev": REV})


async def test_text_by_any_label_is_read(server: Server, store: CouchStore) -> None:
    """JSON that a server or a proxy labels as plain text is JSON."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'{"_id": "x", "_rev": "1-0"}', content_type="text/plain")

    server.answers.append(respond)
    assert (await store.get(DATABASE, "x"))["_rev"] == "1-0"


@pytest.mark.parametrize(
    ("status", "expected"), [(200, StoreFault), (404, DocumentMissing), (502, StoreUnreachable)]
)
async def test_a_page_is_no_document(
    server: Server, store: CouchStore, status: int, expected: type[StoreError]
) -> None:
    """A proxy's HTML is judged by its status."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<html>", content_type="text/html")

    server.answers.append(respond)
    with pytest.raises(expected):
        await store.get(DATABASE, "x")


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (404, "missing", DocumentMissing),
        (404, "deleted", DocumentMissing),
        (404, "Database does not exist.", DatabaseMissing),
        (404, "no_db_file", DatabaseMissing),
        (409, "Document update conflict.", DocumentConflict),
        (400, "Invalid rev format", DocumentConflict),
        (400, "invalid_json", StoreFault),
        (401, "Name or password is incorrect.", CredentialsRefused),
        (401, "Authentication required.", CredentialsRefused),
        (401, "You are not a server admin.", StoreRefused),
        (403, "You are not allowed to access this db.", StoreRefused),
        (403, "Account is temporarily locked due to multiple authentication failures", UserLocked),
        (412, "?", StoreFault),
        (412, "progress not possible", StoreUnreachable),
        (413, "document_too_large", StoreFault),
        (418, "?", StoreFault),
        (500, "internal_server_error", StoreFault),
        (500, "The request could not be processed in a reasonable amount of time.", StoreUnreachable),
        (502, "Bad gateway", StoreUnreachable),
        (503, "No server is available", StoreUnreachable),
        (504, "Gateway timeout", StoreUnreachable),
    ],
)
async def test_every_status_is_an_error_of_ours(
    server: Server, store: CouchStore, status: int, reason: str, expected: type[StoreError]
) -> None:
    """Whatever status comes, it becomes the port's error, without secrets in it."""
    server.error(status, reason)
    calls: list[Callable[[], Awaitable[Any]]] = [lambda: store.put(DATABASE, {"_id": "x"})]
    if expected is not DocumentConflict:
        calls += [lambda: store.get(DATABASE, "x"), lambda: store.get_many(DATABASE, ["x"])]
    for call in calls:
        with pytest.raises(StoreError) as caught:
            await call()
        assert type(caught.value) is expected
        assert "pa:ss" not in str(caught.value)
    is_error = expected not in (DocumentMissing, DatabaseMissing, DocumentConflict)
    # After a refusal of our user nothing is asked for a while.
    asked = 1 if issubclass(expected, StoreRefusesUs) else len(calls)
    assert len(server.requests) == asked
    assert store.counters.errors == (asked if is_error else 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[1]",
        b"null",
        b'"text"',
        b"{}",
        b'{"rows": 5}',
        b'{"rows": [7], "total_rows": 1}',
        b"\xff",
        b"[" * 100_000,
        b'{"x":' * 100_000,
    ],
)
async def test_nonsense_is_a_fault(server: Server, store: CouchStore, body: bytes) -> None:
    """An answer that is no answer is told as a fault, whatever was asked."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    server.answers.append(respond)
    calls = (
        store.put(DATABASE, {"_id": "x"}),
        store.get_many(DATABASE, ["x"]),
        store.query(DATABASE, views.BY_ID, ViewQuery()),
        store.get(DATABASE, "x"),
    )
    for call in calls:
        with pytest.raises(StoreFault):
            await call


async def test_silence_is_bounded(server: Server, store: CouchStore) -> None:
    """A server that does not answer is unreachable after the timeout."""

    async def respond(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    server.answers.append(respond)
    begun = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnreachable):
        await store.get(DATABASE, "x")
    assert asyncio.get_running_loop().time() - begun < 2


async def test_a_body_that_ends_early(server: Server, store: CouchStore) -> None:
    """A connection that breaks in the middle of an answer is the store being away."""

    async def respond(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"_id": "x"')
        assert request.transport is not None
        request.transport.close()
        return response

    server.answers.append(respond)
    with pytest.raises(StoreUnreachable):
        await store.get(DATABASE, "x")


async def test_nobody_there() -> None:
    """Opening does not fail when the server is away; using it tells so at once."""
    store = CouchStore(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(StoreUnreachable):
        await store.ping()
    await store.open()
    await store.open()
    with pytest.raises(StoreUnreachable):
        await store.ping()
    await store.close()
    await store.close()


async def test_installs_its_views_on_first_use(server: Server, store: CouchStore) -> None:
    """A missing view of ours is put there, without what its file says about itself, and asked again."""
    server.error(404, "missing")
    server.error(404, "missing")
    server.answer(201, {"ok": True, "rev": REV})
    server.answer(200, {"total_rows": 0, "offset": 0, "rows": []})
    assert await store.query(DATABASE, views.BY_ID, ViewQuery()) == []
    methods = [(method, path.removeprefix(PATH)) for method, path, _ in server.requests]
    view, design = "/_design/crossbar_conferences/_view/by_id", "/_design/crossbar_conferences"
    assert methods == [("GET", view), ("GET", design), ("PUT", design), ("GET", view)]
    assert set(server.requests[2][2]) == {"_id", "language", "views"}


async def test_installs_nothing_of_others(server: Server, store: CouchStore) -> None:
    """A view that is not ours is missing, and stays so."""
    server.error(404, "missing")
    for view in (View("conferences", "crossbar_listing"), View(views.OWN_DESIGN, "unknown")):
        with pytest.raises(ViewMissing):
            await store.query(DATABASE, view, ViewQuery())
    assert {method for method, *_ in server.requests} == {"GET"}


async def test_updates_other_maps(server: Server, store: CouchStore) -> None:
    """Installing leaves alone what is the same, and replaces on its revision what is not."""
    design = views.design_of(DATABASE)
    assert design is not None
    server.answer(200, {**design, "_rev": REV})
    assert not await store.install(DATABASE, design)
    assert len(server.requests) == 1
    server.answers.clear()
    server.answer(200, {**design, "views": {}, "_rev": REV})
    server.answer(201, {"ok": True, "rev": REV.replace("1-", "2-")})
    assert await store.install(DATABASE, design)
    assert server.requests[-1][2] == {**design, "_rev": REV}
    server.answers.clear()
    server.error(404, "missing")
    server.error(409, "Document update conflict.")
    assert not await store.install(DATABASE, design)


async def test_a_view_that_may_not_be_installed(server: Server, store: CouchStore) -> None:
    """Without the right to write design documents the caller is told so."""
    server.error(404, "missing")
    server.error(404, "missing")
    server.error(403, "You are not a db or server admin.")
    with pytest.raises(StoreRefused):
        await store.query(DATABASE, views.BY_ID, ViewQuery())


async def test_what_the_store_says_is_passed_on_in_short(server: Server, store: CouchStore) -> None:
    """Its reason is on one line, has no secret and no end of letters."""
    server.error(401, "refused:\n\x1b[31m password=hunter2 " + "x" * 10_000)
    with pytest.raises(CredentialsRefused) as caught:
        await store.get(DATABASE, "x")
    said = caught.value.said
    assert said.startswith("refused: [31m password=[token] xxx") and len(said) == 200


async def test_a_lack_of_rights_is_no_outage(server: Server, store: CouchStore) -> None:
    """It is remembered for whoever looks at the store, and others are asked as before."""
    server.error(403, "You are not allowed to access this db.")
    for _ in range(3):
        with pytest.raises(StoreRefused):
            await store.get(DATABASE, "x")
    assert len(server.requests) == 3 and store.health.trouble is None
    [lacking] = store.health.lacking()
    assert (lacking.database, lacking.said) == (DATABASE, "You are not allowed to access this db.")


async def test_a_view_that_is_being_built_is_no_outage(server: Server, store: CouchStore) -> None:
    """CouchDB answers no question to it before it is built; documents are read meanwhile."""

    async def respond(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    server.answers.append(respond)
    with pytest.raises(StoreUnreachable):
        await store.query(DATABASE, views.BY_ID, ViewQuery())
    assert store.health.trouble is None
    with pytest.raises(StoreUnreachable):
        await store.get(DATABASE, "x")
    assert store.health.trouble is not None and store.health.trouble.kind == "unreachable"


async def test_a_request_that_is_given_up_lets_the_next_one_look(server: Server, store: CouchStore) -> None:
    """Who was about to find out whether we are let in again may go away."""
    clock = _Clock()
    store.health = Health(clock)
    server.error(401, "Name or password is incorrect.")
    with pytest.raises(CredentialsRefused):
        await store.get(DATABASE, "x")
    clock.now += 10
    server.answers.clear()

    async def respond(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    server.answers.append(respond)
    looking = asyncio.create_task(store.get(DATABASE, "x"))
    await eventually(lambda: len(server.requests) == 2)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    clock.now += 1
    server.answers.clear()
    server.answer(200, {"_id": "x", "_rev": REV})
    assert await store.get(DATABASE, "x")
    assert store.health.trouble is None


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now
