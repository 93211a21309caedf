"""No document that another client stored gets anybody a 500, nor the list that it is in, nor a header.

CouchDB takes half of a surrogate pair, numbers of any size and any nesting; crossbar's own schema does not
bind who writes to the store. In memory and on a real store.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossbar_conferences import jsontext
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import encoded
from tests.support.answers import Answer
from tests.support.contract import check
from tests.support.house import House, embedded_house, real_house

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = 40
NAMED = "Hostile"


def _object(pairs: list[tuple[str, str]]) -> str:
    # Keys may come twice.
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs) + "}"


#: JSON texts, as they stand in the store.
ATOMS = st.sampled_from(
    [
        *(
            "null",
            "true",
            "0",
            "-1",
            "1.5",
            "1e308",
            "1e400",
            "-1e400",
            "9" * 25,
            "-" + "9" * 30,
            "@huge",
        ),
        *(
            '""',
            '"x"',
            '"\\ud800"',
            '"x\\udfff\\ud800"',
            '"a\\r\\nb\\u0000\\u0085\\u2028\\u000b"',
            '"=1+1"',
            '"\\ufeff=a"',
        ),
        *(
            '"1000"',
            '"%0d%0a"',
            '"</script>"',
            '"${x}"',
            '"@long"',
            "[]",
            "{}",
            '[""]',
            "[[],[]]",
        ),
    ]
) | st.text(max_size=6).map(json.dumps)
KEYS = st.sampled_from(["a", "pins", "numbers", "join_muted", "", "_id", "a.b", "\ud800", "\r\n", "=x"])
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(KEYS, inner), max_size=3).map(_object)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        *(
            "name",
            "member",
            "moderator",
            "conference_numbers",
            "owner_id",
            "flags",
            "ui_flags",
            "video",
            "id",
        ),
        *("pvt_created", "pvt_modified", "pvt_account_id", "profile", "controls", "play_entry_tone", "focus"),
        *(
            "max_participants",
            "allow_shareable_link",
            "start",
            "duration",
            "pvt_vsn",
            "x\ud800",
        ),
    ]
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "real"])
async def quick(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A house in which nothing waits for long."""
    quickly = {"wait_limit_ms": "20", "search_timeout_ms": "200"}
    if request.param == "embedded":
        async with embedded_house(**quickly) as house:
            yield house
        return
    couchdb_url, amqp_url = (request.getfixturevalue(name) for name in ("couchdb_url", "amqp_url"))
    async with real_house(couchdb_url, amqp_url, **quickly) as house:
        yield house


async def store(house: House, fields: str) -> str:
    """Write a conference as another client would, field by field as text; its id."""
    doc_id = secrets.token_hex(16)
    text = fields[:-1] + (", " if fields != "{}" else "") + f'"pvt_type":"conference","_id":"{doc_id}"}}'
    text = text.replace("@huge", "9" * 5_000).replace("@long", "y" * 3_000)
    inner = house.store.inner
    if not isinstance(inner, MemoryStore):
        assert isinstance(inner, CouchStore)
        url = f"{inner._url}/{encoded(house.database)}/{doc_id}"
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession() as http, http.put(url, data=text, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
    else:
        await inner.put(house.database, jsontext.decode_stored(text.encode()))
    house.service.pages.flush(house.database)
    return doc_id


async def ask(house: House, verb: str, path: str, body: Any = None, **options: Any) -> Answer:
    """An answer in the contract."""
    answer = await house.call(verb, path, body, **options)
    assert answer.status < 500, (verb, path, answer.status, answer.text[:500])
    if path.partition("?")[0].endswith("invite.ics") is False and "csv" not in path:
        check(answer, verb)
    return answer


INVITATION = {"guests": ["a@example.com"], "invite_message": "hi", "start": "2030-01-01T10:00:00"}


async def everything(house: House, doc_id: str) -> None:
    """Every way to read, change and remove one conference, and the lists that it is in."""
    path, user = house.path(doc_id), house.data.users["joe"].id
    shown = await ask(house, "GET", path)
    assert (shown.status, shown.data["id"]) == (200, doc_id)
    await ask(house, "GET", f"{path}?pretty_print=true")
    await ask(house, "GET", f"{path}/participants")
    await ask(house, "GET", f"{path}/invite.ics?start=2030-01-01T10:00:00Z")
    await ask(house, "PUT", f"{path}/email_invite?dry_run=true", {"data": INVITATION})
    await ask(house, "PUT", f"/v2/accounts/{house.account}/conference_auth/{doc_id}", {"data": {}})
    for query in (
        *(
            "",
            "?accept=csv",
            "?fields=[%22name%22,%22member.pins%22]",
            "?filter_name=x",
            "?has_value=member.pins",
        ),
        *(
            "?filter_array_intersect_any_flags=[%22x%22]&accept=csv",
            "?created_from=1&created_to=2",
            "?page_size=1",
        ),
    ):
        await ask(house, "GET", house.path() + query)
        await ask(house, "GET", f"/v2/accounts/{house.account}/users/{user}/conferences{query}")
    await ask(house, "PUT", f"{path}?dry_run=true", {"action": "lock", "data": {}})
    await ask(house, "PATCH", path, {"data": {"note": "x"}})
    await ask(house, "PATCH", path, {"data": {"name": NAMED + doc_id}})
    await ask(house, "POST", path, {"data": {"name": f"Other {doc_id}"}})
    gone = await ask(house, "DELETE", path)
    assert gone.status == 200


@settings(
    max_examples=EXAMPLES,
    deadline=timedelta(seconds=30),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(fields=st.lists(st.tuples(FIELDS, VALUES), max_size=6).map(_object))
async def test_no_document_gets_a_500(quick: House, fields: str) -> None:
    """Whatever its fields are, it can be read, listed, exported, changed or refused, and deleted."""
    await everything(quick, await store(quick, fields))


@pytest.mark.parametrize(
    ("depth", "field"),
    # What PouchDB Server itself still indexes ends soon after the last one.
    [
        (150, "name"),
        (300, "flags"),
        (995, "member"),
        (1_020, "ui_flags"),
        (1_100, "x"),
        (1_300, "member"),
        (1_300, "flags"),
    ],
)
async def test_no_depth_spoils_a_list(quick: House, depth: int, field: str) -> None:
    """However deep: the list has all its items, and this one can be read as it was written."""
    if depth > 300 and isinstance(quick.store.inner, MemoryStore):
        pytest.skip("the store in memory copies documents, which follows no more levels")
    beside = await store(quick, '{"name":"Beside"}')
    deep = '[{"a":' * (depth // 2) + "1" + "}]" * (depth // 2)
    doc_id = await store(quick, f'{{"{field}":{deep}}}')
    listed = await ask(quick, "GET", quick.path() + "?paginate=false")
    assert {beside, doc_id} <= {item["id"] for item in jsontext.decode_stored(listed.text.encode())["data"]}
    shown = await quick.get(quick.path(doc_id))
    assert deep in shown.text.replace(": ", ":")
    await everything(quick, doc_id)
    await everything(quick, beside)


@pytest.mark.parametrize("name", ["a\r\nX: y", "a\u2028b", "\ud800", '"; filename=x', "\u202e", "\x00"])
async def test_no_text_reaches_a_header(quick: House, name: str) -> None:
    """Names, and file names that a client wishes, stay out of headers and of the calendar's lines."""
    doc_id = await store(quick, f'{{"name":{json.dumps(name)}}}')
    path = quick.path(doc_id)
    calendar = await quick.get(f"{path}/invite.ics?start=2030-01-01T10:00:00Z")
    csv = await quick.get(f"{quick.path()}?accept=csv&file_name=%22%0d%0aX%3A%20y%e2%80%a8.csv")
    shown = await quick.get(path)
    for answer in (calendar, csv, shown):
        assert answer.status == 200
        assert "X" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert csv.headers["Content-Disposition"] == 'attachment; filename="___X_ y_.csv"'
    lines = calendar.text.replace("\r\n ", "").splitlines()
    assert sum(line.startswith("SUMMARY") for line in lines) == 1
    assert not any(line.startswith("X: y") for line in lines)
