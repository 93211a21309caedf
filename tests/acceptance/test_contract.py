"""The HTTP contract as a whole: every route, every verb, every error of the catalogue.

Source: http.md 3, 7, 13.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from structlog.testing import capture_logs
from yarl import URL

from crossbar_conferences.api.errors import CATALOGUE, Entry
from crossbar_conferences.api.routes import ROUTES, Route
from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.commands.idempotency import Alone, AnswerUnknown
from crossbar_conferences.live.port import Sighting
from crossbar_conferences.logs import add_context
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.port import (
    CredentialsRefused,
    DatabaseMissing,
    StoreFault,
    StoreRefused,
    StoreUnreachable,
    UserLocked,
)
from tests.support.addresses import elsewhere
from tests.support.answers import Answer
from tests.support.brokers import eventually
from tests.support.contract import JSON, check
from tests.support.house import House, embedded_house, real_house

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERBS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE")
_STREAMS = ("events", "calendar")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks; ``rights`` in the main account."""

    name: str
    headers: Mapping[str, str]
    is_known: bool
    has_rights: bool


def callers(house: House) -> list[Caller]:
    """Everybody, and nobody."""
    return [
        Caller("boss", {"X-Auth-Token": house.tokens["boss"]}, True, True),
        Caller("joe", {"X-Auth-Token": house.tokens["joe"]}, True, True),
        Caller("master", {"X-Auth-Token": house.tokens["master"]}, True, True),
        Caller("other", {"X-Auth-Token": house.tokens["other"]}, True, False),
        Caller("nobody", {}, False, False),
        Caller("a liar", {"X-Auth-Token": "not.a.token"}, False, False),
    ]


def from_elsewhere() -> dict[str, str]:
    """The sidecar trusts the proxy in front of it: each request has a bucket of its own."""
    return {"X-Forwarded-For": elsewhere()}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.template)
async def test_every_verb_of_every_route_keeps_to_the_contract(house: House, route: Route) -> None:
    """Whoever asks, whatever is sent: the answer is a success or an error of the catalogue, in full shape."""
    made = await house.create(member={"pins": ["1234"]}, allow_shareable_link=True)
    path = "/v2/" + route.template.format(
        account_id=house.account,
        user_id=house.data.users["joe"].id,
        conference_id=made,
        participant_id="1",
        session_id="127.0.0.1:1",
    )
    bodies: tuple[Any, ...] = (None, {"data": {"name": "x"}}, {"data": {"action": "mute"}}, b"[", b"")
    for caller, verb, body in itertools.product(callers(house), VERBS, bodies):
        if route.name in _STREAMS and verb == "GET" and caller.has_rights:
            continue
        origin = {"Origin": "https://ui.example"} if body is None else {}
        answer = await house.call(
            verb, path, body, who=None, headers={**caller.headers, **from_elsewhere(), **origin}
        )
        try:
            entry = check(answer, verb)
            check_place(answer, entry, route, caller, verb, is_broken=body == b"[")
        except AssertionError as error:
            raise AssertionError(f"{caller.name} {verb} {path} {body!r}: {error}\n{answer}") from error
        if origin:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"


def check_place(
    answer: Answer, entry: Entry | None, route: Route, caller: Caller, verb: str, *, is_broken: bool
) -> None:
    """An answer fits the order of checks: body, path, verb, account, token (http.md 1.5)."""
    if verb == "TRACE":
        assert answer.status == 501
        return
    if is_broken:
        assert entry is CATALOGUE["validation_error"]
        return
    if verb == "OPTIONS":
        assert answer.status in (200, 405)
        return
    if verb not in route.verbs:
        assert answer.status == 405
        if answer.text:
            assert answer.headers["Access-Control-Allow-Methods"].split(", ") == ["OPTIONS", *route.verbs]
        return
    if route.guest:
        return
    if not caller.is_known:
        assert entry is CATALOGUE["invalid_credentials"]
    elif not caller.has_rights or not route.template.startswith("accounts/"):
        assert entry is CATALOGUE["forbidden"]
    else:
        assert answer.status != 403 and answer.status != 401
        if answer.body is not None:
            assert answer.body["version"] == "5.0.0"
            assert answer.body["auth_token"] == caller.headers["X-Auth-Token"]


async def test_streams_are_of_their_own_types(house: House) -> None:
    """The calendar file and the stream of events are no envelopes, and refuse in one."""
    made = await house.create()
    calendar = await house.get(house.path(made, "invite.ics") + "?start=2030-01-01T10:00:00Z")
    assert calendar.status == 200, calendar.text
    assert calendar.headers["Content-Type"].startswith("text/calendar")
    without_start = await house.get(house.path(made, "invite.ics"))
    assert check(without_start, "GET") is CATALOGUE["validation_error"]
    url = house.service.base_url + house.path(made, "events")
    async with house.http.get(url, headers={"X-Auth-Token": house.tokens["boss"]}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
    refused = await house.get(house.path(made, "events"), who="other")
    assert check(refused, "GET") is CATALOGUE["forbidden"]


@pytest.mark.parametrize(
    ("verb", "keys"),
    [
        ("GET", {"revision"}),
        ("PATCH", {"revision"}),
        ("DELETE", {"revision"}),
    ],
)
async def test_a_document_has_a_revision(house: House, verb: str, keys: set[str]) -> None:
    """A success about a stored document has its revision; only a GET has it as the tag too (http.md 3.3)."""
    made = await house.create()
    rev = (await house.stored(made))["_rev"]
    answer = await house.call(verb, house.path(made), None if verb == "GET" else {"data": {"a": 1}})
    check(answer, verb)
    assert keys <= set(answer.body)
    # A deletion shows the revision that was deleted, a change the new one.
    assert (answer.body["revision"] == rev) is (verb in ("GET", "DELETE"))
    assert answer.headers.get("ETag") == (f'"{rev}"' if verb == "GET" else None)


async def test_listing_keys_are_those_of_a_page(house: House) -> None:
    """The keys of a page come with a page alone: not without paging, not for one conference."""
    await house.empty()
    made = [await house.create() for _ in range(3)]
    first = await house.get(house.path() + "?page_size=2")
    assert {"page_size", "next_start_key"} <= set(first.body) and "start_key" not in first.body
    key = first.body["next_start_key"]
    last = await house.get(house.path() + f"?page_size=2&start_key={key}")
    assert last.body["start_key"] == key and "next_start_key" not in last.body
    for path in ("?paginate=false", f"/{made[0]}"):
        answer = await house.get(house.path() + path)
        assert not {"page_size", "start_key", "next_start_key"} & set(answer.body)
    for answer in (first, last):
        check(answer, "GET")
        assert answer.headers["ETag"] == f'W/"{answer.body["revision"]}"'


async def test_an_adhoc_conference_has_neither_revision_nor_tag(house: House) -> None:
    """An id without a document is answered without what only documents have (http.md 3.3)."""
    answer = await house.get(house.path("room-of-nobody"))
    check(answer, "GET")
    assert answer.status == 200
    assert "revision" not in answer.body and "ETag" not in answer.headers


Provoke = Callable[[House], Awaitable[Answer]]


async def _validation_error(house: House) -> Answer:
    return await house.put(house.path(), {"name": 1, "conference_numbers": ["x"]})


async def _invalid_credentials(house: House) -> Answer:
    return await house.get(house.path(), who=None, headers=from_elsewhere())


async def _invalid_account(house: House) -> Answer:
    return await house.get(house.path(account="f" * 32))


async def _forbidden(house: House) -> Answer:
    return await house.get(house.path(), who="other")


async def _not_found(house: House) -> Answer:
    return await house.get(house.path("a", "b", "c"))


async def _bad_identifier(house: House) -> Answer:
    return await house.call("DELETE", house.path("0" * 32))


async def _bad_media(house: House) -> Answer:
    made = await house.create()
    body = {"action": "play", "data": {"media_id": "/etc/hosts"}}
    return await house.call("PUT", house.path(made), body)


async def _faulty_request(house: House) -> Answer:
    return await house.get(house.path() + "?page_size=0")


async def _invalid_method(house: House) -> Answer:
    return await house.call("DELETE", house.path())


async def _not_acceptable(house: House) -> Answer:
    return await house.get(house.path(), headers={"Accept": "image/png"})


async def _conflict(house: House) -> Answer:
    made = await house.create()
    inner, database = house.store.inner, house.database
    ahead = True

    async def overtake(operation: str) -> None:
        nonlocal ahead
        if operation == "put" and ahead:
            ahead = False
            await inner.put(database, {**await inner.get(database, made), "faster": True})

    with gated(house, overtake):
        return await house.call("PATCH", house.path(made), {"data": {"slower": True}})


async def _gone(house: House) -> Answer:
    return await house.get(f"/v1/accounts/{house.account}/conferences")


async def _precondition_failed(house: House) -> Answer:
    made = await house.create()
    return await house.call("PATCH", house.path(made), {"data": {}}, headers={"If-Match": '"1-0"'})


async def _unsupported_media_type(house: House) -> Answer:
    made = await house.create()
    return await house.call("PUT", house.path(made), b"<a/>", headers={"Content-Type": "text/xml"})


async def _idempotency_mismatch(house: House) -> Answer:
    made, headers = await house.create(), {"Idempotency-Key": secrets.token_hex(8)}
    await house.put(house.path(made), {"action": "lock"}, headers=headers)
    return await house.put(house.path(made), {"action": "unlock"}, headers=headers)


async def _idempotency_unknown(house: House) -> Answer:
    made, headers = await house.create(), {"Idempotency-Key": secrets.token_hex(8)}
    with patch.object(Alone, "claim", side_effect=AnswerUnknown):
        return await house.put(house.path(made), {"action": "lock"}, headers=headers)


async def _too_many_requests(house: House) -> Answer:
    headers = from_elsewhere()
    for _ in range(200):
        answer = await house.get(house.path(), who=None, headers=headers)
        if answer.status != 401:
            break
    return answer


async def _internal_error(house: House) -> Answer:
    # Captured: to print a traceback is to read files, which no test may do in the loop.
    with failing(house, "by_id", RuntimeError("a secret of the house")), capture_logs():
        return await house.get(house.path())


async def _store_missing(house: House) -> Answer:
    login = {"account_name": "x", "conference_name": "x", "conference_pin": "1"}
    with failing(house, "accounts_by_name", DatabaseMissing()):
        return await house.put("/v2/conference_auth", login, who=None, headers=from_elsewhere())


async def _store_fault(house: House) -> Answer:
    with failing(house, "by_id", StoreFault("a secret of the house")):
        return await house.get(house.path())


async def _store_fatal(house: House) -> Answer:
    with failing(house, "by_number", StoreFault("a secret of the house")):
        return await house.put(house.path(), {"name": "x", "conference_numbers": ["77001"]})


async def _unknown_method(house: House) -> Answer:
    return await house.call("PROPFIND", house.path())


async def _store_unreachable(house: House) -> Answer:
    await house.get(house.path())
    store = house.store.inner
    assert isinstance(store, MemoryStore)
    store.reachable = False
    try:
        return await house.put(house.path(), {"name": "nowhere"})
    finally:
        store.reachable = True


async def _bus_unavailable(house: House) -> Answer:
    made = await house.create()
    assert house.broker is not None
    house.broker.stop()
    try:
        return await house.put(house.path(made), {"action": "lock"})
    finally:
        house.broker.start()
        await house.meet()


async def _not_supported(house: House) -> Answer:
    return await house.put(house.path(await house.create()), {"action": "set", "data": {"max_members": 5}})


async def _not_taken(house: House) -> Answer:
    made = await house.create()
    nobody = AsyncMock(return_value=Sighting())
    with (
        patch.object(Bus, "hears", return_value=False),
        patch.object(type(house.service.live), "conference", nobody),
    ):
        return await house.put(house.path(made), {"action": "lock"})


async def _recording_unknown(house: House) -> Answer:
    made = await house.create()
    await house.run_room(made)
    # No name that anybody of ours could have sent.
    await house.cluster.perform(["record", made, "a b.mp3"])

    async def known() -> bool:
        return bool((await house.get(house.path(made))).body["metadata"].get("is_recording"))

    await eventually(known)
    return await house.put(house.path(made), {"action": "record", "data": {"action": "stop"}})


async def _live_unknown(house: House) -> Answer:
    await house.cluster.perform(["fault", "all", "silent", "on"])
    return await house.put(house.path("e" * 32), {"action": "lock"})


async def _request_timeout(house: House) -> Answer:
    never = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b'{"data":'
        await never.wait()

    async with embedded_house(request_timeout_seconds="0.3") as hasty:
        headers = {"X-Auth-Token": hasty.tokens["boss"], "Content-Type": JSON}
        url = hasty.service.base_url + hasty.path()
        async with hasty.http.put(url, data=endless(), headers=headers) as response:
            text = await response.text()
        return Answer(response.status, response.headers, text, json.loads(text))


async def _guests_unavailable(house: House) -> Answer:
    def refuse(operation: str, database: str) -> None:
        if database == "crossbar_conferences":
            raise StoreRefused("a secret of the house")

    given = {"account_name": "x", "conference_name": "x", "conference_pin": "1"}
    # One that has not read its key yet.
    async with embedded_house() as fresh:
        fresh.store.before = refuse
        return await fresh.put("/v2/conference_auth", given, who=None)


async def _malformed_request(house: House) -> Answer:
    where = URL(house.service.base_url)
    reader, writer = await asyncio.open_connection(where.host, where.port)
    writer.write(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, text = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    return Answer(int(head.split()[1]), CIMultiDictProxy(CIMultiDict(headers)), text, json.loads(text))


async def _share_exceeded(house: House) -> Answer:
    async with embedded_house(waiting_requests_per_account="1") as small:
        made = await small.create()
        await small.cluster.perform(["fault", "all", "silent", "on"])
        path = small.path(made) + "?wait=1000"
        first = asyncio.create_task(small.put(path, {"action": "lock"}))
        await eventually(lambda: small.service.load.waiting.held() == 1)
        answer = await small.put(path, {"action": "lock"})
        await first
        return answer


async def _participant_unknown_to_switch(house: House) -> Answer:
    # One that follows no account yet, and so knows only what a restarted ecallmgr tells.
    async with embedded_house() as fresh:
        made = await fresh.create()
        await fresh.cluster.perform(["create", made, fresh.account])
        await fresh.cluster.perform(["join", made, "somebody"])
        await fresh.cluster.perform(["restart-ecallmgr", "all"])
        return await fresh.put(fresh.path(made, "participants", "somebody"), {"action": "mute"})


async def _participant_ambiguous(house: House) -> Answer:
    made = await house.create()
    await house.cluster.perform(["create", made, house.account])
    for call in ("one", "two"):
        await house.cluster.perform(["join", made, f"{call}-{made}", f"Owner-ID={house.account}"])
    return await house.get(house.path(made, "participants", house.account), headers={})


async def _overloaded(house: House) -> Answer:
    async with embedded_house(concurrent_requests="1") as small:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def wait(operation: str) -> None:
            begun.set()
            await go_on.wait()

        with gated(small, wait):
            slow = asyncio.create_task(small.get(small.path()))
            await begun.wait()
            answer = await small.get(small.path())
            go_on.set()
            assert (await slow).status == 200
        return answer


async def _headers_too_long(house: House) -> Answer:
    conference_id = await house.create()
    long = {f"X-Long-{number}": "y" * 8_000 for number in range(3)}
    return await house.get(house.path(conference_id, "events"), headers=long)


#: A request for every error that there is: one without would be an error that nobody can get.
PROVOKED: Mapping[str, Provoke] = {
    name.removeprefix("_"): function
    for name, function in dict(globals()).items()
    if name.removeprefix("_") in CATALOGUE and callable(function)
}


@pytest.mark.parametrize("name", CATALOGUE)
async def test_every_error_of_the_catalogue_can_be_had(embedded: House, name: str) -> None:
    """Each entry is the answer to some request, in full shape and without anything of our insides."""
    answer = await PROVOKED[name](embedded)
    entry = CATALOGUE[name]
    assert answer.status == entry.status, answer.text
    if entry.empty:
        assert answer.text == ""
        check(answer, "GET")
        return
    assert check(answer, "GET") is entry
    for inside in ("secret", "Traceback", "Error(", "crossbar_conferences", ".py"):
        assert inside not in answer.text.replace(answer.body.get("auth_token", "-"), "")


async def test_empty_errors_say_cors_when_a_browser_asks(embedded: House) -> None:
    """Errors without a body have the CORS headers for whom they concern (http.md 1.7)."""
    for headers, status in (({"Accept": "image/png"}, 406), ({"If-Match": '"1-a"'}, 412)):
        answer = await embedded.get(embedded.path(), headers={**headers, "Origin": "https://ui.example"})
        assert (answer.status, answer.text) == (status, "")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_headers_that_cannot_be_read_are_named(house: House) -> None:
    """A 400 in the envelope, whatever the broken header holds; of several lines all count."""
    made = await house.create()
    for name, value in (
        ("Accept", "*"),
        ("Accept", "text/\xfc"),
        ("If-Match", "x"),
        ("If-None-Match", '"a"b'),
    ):
        answer = await house.get(house.path(made), headers={name: value})
        assert check(answer, "GET") is CATALOGUE["validation_error"]
        assert answer.errors == {name: {"invalid": {"message": "it cannot be read", "value": value}}}
    url, token = house.service.base_url + house.path(made), ("X-Auth-Token", house.tokens["boss"])
    for last, status in (("application/json;q=.1", 200), ("*", 400)):
        lines = CIMultiDict([token, ("Accept", "text/html"), ("Accept", ","), ("Accept", last)])
        async with house.http.get(url, headers=lines) as response:
            assert (response.status, response.headers["Content-Type"]) == (status, JSON)


async def test_a_fault_of_ours_is_logged_once_with_its_request(embedded: House) -> None:
    """An unexpected exception: 500 with a request id, a line that says what it was, the request's own."""
    with (
        failing(embedded, "by_id", RuntimeError("a secret of the house")),
        capture_logs(processors=[add_context]) as lines,
    ):
        answer = await embedded.get(embedded.path())
    assert answer.status == 500
    assert answer.data == {"message": "internal error"}
    line, request = [line for line in lines if line["log_level"] == "error"]
    assert line["request_id"] == request["request_id"] == answer.body["request_id"]
    assert line["exc_info"]
    assert (request["event"], request["reason"]) == ("request", "internal_error")


async def test_the_line_of_a_request_says_why_it_failed(embedded: House) -> None:
    """By the name of the error: with a fault's level where it is one, and nothing after a success."""
    with capture_logs() as lines:
        await embedded.get(embedded.path())
        await embedded.get(embedded.path("f" * 32))
        await embedded.get(embedded.path(), who=None)
        with failing(embedded, "by_id", StoreFault("nonsense")):
            await embedded.get(embedded.path())
        with failing(embedded, "by_id", StoreUnreachable()):
            await embedded.get(embedded.path())
    said = [
        (line["status"], line.get("reason"), line["log_level"])
        for line in lines
        if line["event"] == "request"
    ]
    assert said == [
        (200, None, "info"),
        (404, "bad_identifier", "info"),
        (401, "invalid_credentials", "info"),
        (500, "store_fault", "error"),
        (503, "store_unreachable", "warning"),
    ]


@pytest.mark.parametrize("kind", [CredentialsRefused, UserLocked])
async def test_a_store_that_refuses_us_says_when_to_come_again(
    embedded: House, kind: type[StoreUnreachable]
) -> None:
    """A changed password or a locked user is no fault of the request: 503, with the time of the next try."""
    error = kind("Name or password is incorrect.")
    error.retry_after = 7
    with failing(embedded, "by_id", error):
        answer = await embedded.get(embedded.path())
    assert (answer.status, answer.message) == (503, "datastore_unreachable")
    assert answer.headers["Retry-After"] == "7"
    assert "password" not in answer.text


async def test_an_overload_says_when_to_come_again(embedded: House) -> None:
    """Above the limit a request is refused at once, with Retry-After; below it all is well again."""
    answer = await _overloaded(embedded)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_an_empty_bucket_fills_again(embedded: House) -> None:
    """A caller whose bucket is empty is refused, others are not, and after a while it is heard again."""
    headers = from_elsewhere()
    statuses: list[int] = []
    while not statuses or (statuses[-1] == 401 and len(statuses) < 1000):
        statuses.append((await embedded.get(embedded.path(), who=None, headers=headers)).status)
    assert len(statuses) > 100 and statuses[-1] == 429
    other = await embedded.get(embedded.path(), who=None, headers=from_elsewhere())
    assert (other.status, other.body["tokens"]) == (401, {"consumed": 1, "remaining": 99})
    # Whoever has a valid token is not refused for what strangers did from the same address.
    assert (await embedded.get(embedded.path(), headers=headers)).status == 200

    async def heard() -> bool:
        return (await embedded.get(embedded.path(), who=None, headers=headers)).status == 401

    await eventually(heard)


async def test_failed_and_basic_credentials_are_charged(embedded: House) -> None:
    """Damaged tokens and Basic credentials cost, valid tokens only show what they would (http.md 8)."""
    headers = from_elsewhere()
    lied = await embedded.get(embedded.path(), who=None, headers={**headers, "X-Auth-Token": "a.b.c"})
    assert (lied.status, lied.body["tokens"]) == (401, {"consumed": 1, "remaining": 99})
    shown = await embedded.get(embedded.path(), headers=headers)
    assert (shown.status, shown.body["tokens"]) == (200, {"consumed": 1, "remaining": 99})
    credentials = b64encode(embedded.data.basic_credentials("joe").encode()).decode()
    basic = {**from_elsewhere(), "Authorization": f"Basic {credentials}"}
    for remaining in (99, 98):
        answer = await embedded.get(embedded.path(), who=None, headers=basic)
        assert (answer.status, answer.body["tokens"]) == (200, {"consumed": 1, "remaining": remaining})


@pytest.mark.parametrize("kind", ["embedded", "real"])
async def test_valid_tokens_are_charged_when_the_operator_says_so(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """With ``charge_valid_tokens`` a caller with a valid token is refused once its bucket is empty."""
    async with _with_settings(kind, request, charge_valid_tokens="true") as house:
        headers = from_elsewhere()
        first = await house.get(house.path(), headers=headers)
        assert (first.status, first.body["tokens"]) == (200, {"consumed": 1, "remaining": 99})
        statuses = [first.status]
        while statuses[-1] == 200 and len(statuses) < 1000:
            statuses.append((await house.get(house.path(), headers=headers)).status)
        assert len(statuses) > 100 and statuses[-1] == 429
        assert (await house.get(house.path(), headers=from_elsewhere())).status == 200


@pytest.mark.parametrize("kind", ["embedded", "real"])
async def test_an_untrusted_peer_cannot_say_where_it_comes_from(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """``X-Forwarded-For`` of a peer that is no reverse proxy gives it no bucket of its own."""
    async with _with_settings(kind, request, reverse_proxies="192.0.2.1") as house:
        for remaining in (99, 98):
            answer = await house.get(house.path(), who=None, headers=from_elsewhere())
            assert (answer.status, answer.body["tokens"]["remaining"]) == (401, remaining)


def _with_settings(
    kind: str, request: pytest.FixtureRequest, **settings: str
) -> AbstractAsyncContextManager[House]:
    if kind == "embedded":
        return embedded_house(**settings)
    couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
    return real_house(couchdb_url, amqp_url, **settings)


@contextmanager
def failing(house: House, operation: str, error: Exception) -> Iterator[None]:
    """The store answers one kind of request with this; nothing is in memory."""
    house.service.pages.flush(house.database)

    def before(asked: str, database: str) -> None:
        if asked == operation:
            raise error

    usual, house.store.before = house.store.before, before
    try:
        yield
    finally:
        house.store.before = usual


@contextmanager
def gated(house: House, gate: Callable[[str], Awaitable[None]]) -> Iterator[None]:
    """Requests to the store wait here."""
    house.service.pages.flush(house.database)
    house.store.gate = gate
    try:
        yield
    finally:
        house.store.gate = None
