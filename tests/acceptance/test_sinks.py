"""What every answer says of itself, and what no text of a client becomes: a script, a type, a header."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from yarl import URL

from crossbar_conferences.api.routes import ROUTES
from crossbar_conferences.store.memory import MemoryStore
from tests.support.answers import Answer
from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _raw(
    house: House, url: str, method: str = "GET", **headers: str
) -> tuple[aiohttp.ClientResponse, str]:
    async with house.http.request(method, URL(url, encoded=True), headers=headers) as answer:
        if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            return answer, ""
        return answer, await answer.text()


async def test_nothing_that_is_answered_may_be_taken_for_something_else(house: House) -> None:
    """Every verb of every route, with and without a token, and every port, errors and streams included."""
    conference_id = await house.create()
    service, told = house.service, house.tokens["boss"]
    urls: list[tuple[str, str, dict[str, str]]] = []
    for route in ROUTES:
        path = route.template.format(
            account_id=house.account,
            user_id=house.data.users["joe"].id,
            conference_id=conference_id,
            participant_id="1",
            session_id="x",
        )
        for method in ("GET", "PUT", "POST", "PATCH", "OPTIONS", "HEAD", "TRACE"):
            for headers in (
                {},
                {"X-Auth-Token": told},
                {"X-Auth-Token": told, "Origin": "https://ui.example"},
            ):
                urls.append((f"{service.base_url}/v2/{path}", method, headers))
    tag = (await house.get(house.path(conference_id))).headers["ETag"]
    document = service.base_url + house.path(conference_id)
    urls += [
        (document, "GET", {"X-Auth-Token": told, "If-None-Match": tag}),
        (document, "GET", {"X-Auth-Token": told, "Accept": "text/html"}),
        (f"{document}?jsonp=cb", "GET", {"X-Auth-Token": told}),
        (f"{service.base_url}{house.path()}?accept=csv", "GET", {"X-Auth-Token": told}),
        (f"{service.base_url}{house.path()}?accept=csv&filter_name=none", "GET", {"X-Auth-Token": told}),
        (f"{document}/invite.ics?start=2030-01-01T10:00:00Z", "GET", {"X-Auth-Token": told}),
        (f"{service.base_url}/", "GET", {}),
        (f"{service.base_url}/v1/x", "GET", {}),
        (f"{service.base_url}/v2/{'x' * 9_000}", "GET", {}),
        (f"{service.base_url}/websocket", "GET", {}),
        (f"{service.ws_url.replace('ws', 'http', 1)}", "GET", {}),
        *(
            (f"{service.operations_url}/{page}", method, {})
            for page in ("healthz", "readyz", "metrics", "openapi.json", "asyncapi.json", "nothing")
            for method in ("GET", "POST")
        ),
    ]
    seen = set()
    for url, method, headers in urls:
        answer, _ = await _raw(house, url, method, **headers)
        assert answer.headers.getall("X-Content-Type-Options") == ["nosniff"], (method, url, answer)
        seen.add(answer.status)
    assert {200, 204, 304, 400, 401, 404, 405, 406, 410, 501} <= seen


CALLBACKS = ["cb", "$", "_x1", "jQuery123.cb_4", "a.b.c", "cbs[0]", "a[12].b"]
NO_CALLBACKS = [
    *(
        "cb%0a",
        "cb%0d%0a",
        "%0acb",
        "cb%20",
        "",
        "1a",
        "a..b",
        ".a",
        "a.",
        "a[",
        "a]",
        "a[b]",
        "a[0",
        "[0]",
        "a[]",
    ),
    *(
        "alert(1)//",
        "a;b",
        "a=b",
        "a-b",
        "a%22",
        "a%3Cscript%3E",
        "%C3%A9",
        "%EF%BC%A1",
        "a%E2%80%A8",
        "a" * 129,
    ),
]


@pytest.mark.parametrize("callback", CALLBACKS)
async def test_a_callback_is_a_name(house: House, callback: str) -> None:
    """A path of JavaScript names is called, with JSON that is also JavaScript of any age."""
    name = f"a\u2028b\u2029 {callback}"
    conference_id = await house.create(name=name)
    url = f"{house.service.base_url}{house.path(conference_id)}?jsonp={callback}"
    answer, text = await _raw(house, url, **{"X-Auth-Token": house.tokens["boss"]})
    assert answer.headers["Content-Type"] == "application/json"
    assert text.startswith(f"{callback}({{") and text.endswith("});") and "\\u2028" in text
    assert not set(text) & {"\u2028", "\u2029"}


@pytest.mark.parametrize("callback", NO_CALLBACKS)
async def test_what_is_no_name_is_not_called(house: House, callback: str) -> None:
    """Anything else is plain JSON, as if nobody had asked: no text of a client becomes code."""
    url = f"{house.service.base_url}{house.path('adhoc')}?jsonp={callback}"
    answer, text = await _raw(house, url, **{"X-Auth-Token": house.tokens["boss"]})
    assert answer.status == 200 and text.startswith("{") and text.endswith("}")


@pytest.mark.parametrize("revision", ['1-a"b', "1-a\r\nX: y", "1-\u2028", "1-\ud800", "x" * 500, "1-a b"])
async def test_a_revision_is_a_tag_or_a_digest(embedded: House, revision: str) -> None:
    """Replication stores revisions as they come: none becomes a header, and the tag can be sent back."""
    conference_id = await embedded.create()
    inner: Any = embedded.store.inner
    assert isinstance(inner, MemoryStore)
    stored = inner._databases[embedded.database].get(conference_id)
    assert stored is not None
    stored.document["_rev"] = revision
    embedded.service.cache.flush(embedded.database, conference_id)
    first: Answer = await embedded.get(embedded.path(conference_id))
    assert first.status == 200 and "X" not in first.headers
    tag = first.headers["ETag"]
    again = await embedded.get(embedded.path(conference_id), headers={"If-None-Match": tag})
    assert (again.status, again.headers["ETag"]) == (304, tag)
    patched = await embedded.call(
        "PATCH", embedded.path(conference_id) + "?dry_run=true", {"data": {"a": 1}}, headers={"If-Match": tag}
    )
    assert patched.status == 200
