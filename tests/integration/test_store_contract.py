"""One contract for every store: the real server and the one in memory give the same answers.

Revisions are opaque but for their generation, so only that is compared.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossbar_conferences.store import views
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.port import (
    DatabaseMissing,
    DocumentConflict,
    DocumentMissing,
    Row,
    Store,
    StoreError,
    View,
    ViewMissing,
    ViewQuery,
)

USERS_BY_MD5 = View(views.OWN_DESIGN, "users_by_md5")
USERS_BY_SHA1 = View(views.OWN_DESIGN, "users_by_sha1")
ACCOUNT_VIEWS = (
    views.BY_ID,
    views.BY_NUMBER,
    views.BY_NAME,
    views.BY_OWNER,
    views.CALLFLOWS_BY_NAME,
    USERS_BY_MD5,
    USERS_BY_SHA1,
)
JOE, BOSS = "0" * 31 + "1", "0" * 31 + "2"


def new_database() -> str:
    return account_database(secrets.token_hex(16))


@pytest.fixture(params=["memory", "couchdb"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        opened: Store = MemoryStore()
    else:
        opened = CouchStore(request.getfixturevalue("couchdb_url"))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def database(store: Store) -> str:
    name = new_database()
    await store.create_database(name)
    return name


def generation(rev: str) -> int:
    """The number before the dash; the rest must be hexadecimal."""
    number, _, digest = rev.partition("-")
    int(digest, 16)
    return int(number)


def conference(doc_id: str, **more: Any) -> dict[str, Any]:
    return {"_id": doc_id, "pvt_type": "conference", "name": f"room {doc_id}", **more}


#: Everything that the maps must tell apart; the views are compared over all of it.
VARIED: tuple[dict[str, Any], ...] = (
    conference(
        "a0",
        owner_id=JOE,
        conference_numbers=["7001", "+14155550100"],
        member={"numbers": ["7002"], "pins": ["1"], "join_muted": True},
        moderator={"numbers": ["7003", "7001"], "pins": []},
        flags=["vip"],
        ui_flags={"x": 1},
        ui_metadata={"ui": "monster-ui"},
        video=True,
        max_participants=9,
    ),
    conference("a1", owner_id=BOSS, conference_numbers=[], member={}, moderator={}),
    conference("a2", owner_id=JOE, name="Überraschung 🎉 会議", flags=[], video=False),
    conference("a3", owner_id=JOE, pvt_deleted=True, conference_numbers=["7004"]),
    conference("a4", pvt_deleted=False, name="room a0"),
    conference("a5", name=None, flags=None, owner_id=None, video=None, member=None),
    conference("a6", name=7, conference_numbers="7005", member="7006", moderator=["7007"], owner_id=5),
    conference("a7", name="", conference_numbers=[7008, None, "7009"], flags={}, ui_flags=[]),
    conference("a8", pvt_deleted=[], name="an empty array is true"),
    conference("a9", pvt_deleted=0, name="zero is false", member={"numbers": None}),
    {"_id": "b0", "name": "no type at all", "conference_numbers": ["7010"]},
    {"_id": "b1", "pvt_type": "conferences", "name": "room a0", "conference_numbers": ["7001"]},
    {"_id": "c0", "pvt_type": "callflow", "name": "MainConference", "numbers": ["7100", "undefinedconf"]},
    {"_id": "c1", "pvt_type": "callflow", "name": "MainConference"},
    {"_id": "c2", "pvt_type": "callflow", "name": "MainConference", "pvt_deleted": True, "numbers": ["7101"]},
    {"_id": "c3", "pvt_type": "callflow", "numbers": ["7102"], "owner_id": JOE},
    {"_id": JOE, "pvt_type": "user", "enabled": True, "pvt_md5_auth": "m1", "pvt_sha1_auth": "s1"},
    {"_id": BOSS, "pvt_type": "user", "enabled": False, "pvt_md5_auth": "m2", "pvt_sha1_auth": "s2"},
    {"_id": "d2", "pvt_type": "user", "pvt_md5_auth": "m3"},
    {"_id": "d3", "pvt_type": "user", "enabled": "true", "pvt_md5_auth": "m4"},
    {"_id": "d4", "pvt_type": "user", "enabled": [], "pvt_md5_auth": 5, "pvt_sha1_auth": "s4"},
)


async def fill(store: Store, name: str, documents: tuple[dict[str, Any], ...] = VARIED) -> None:
    await store.create_database(name)
    for document in documents:
        await store.put(name, document)


async def test_says_its_version(store: Store) -> None:
    """A ping is answered with a text."""
    assert await store.ping()


async def test_creates_a_database_once(store: Store) -> None:
    """Making a database that is there is no error; one that is not there is told apart."""
    name = new_database()
    assert not await store.database_exists(name)
    await store.create_database(name)
    await store.create_database(name)
    assert await store.database_exists(name)


async def test_every_call_tells_a_missing_database(store: Store) -> None:
    """No operation takes a database that is not there for a document that is not there."""
    name = new_database()
    calls: list[Callable[[], Any]] = [
        lambda: store.get(name, "x"),
        lambda: store.get_many(name, ["x"]),
        lambda: store.put(name, {"_id": "x"}),
        lambda: store.delete(name, "x", "1-0123456789abcdef0123456789abcdef"),
        lambda: store.attachment(name, "x", "y"),
        lambda: store.query(name, views.BY_ID, ViewQuery()),
        lambda: store.query(name, View("foreign", "by_id"), ViewQuery()),
    ]
    for call in calls:
        with pytest.raises(DatabaseMissing):
            await call()


async def test_keeps_a_document_as_it_is(store: Store, database: str) -> None:
    """What was put comes back, with every kind of JSON value and any script, under its id."""
    document: dict[str, Any] = {
        "_id": "id with blank, + and ünïcode 会",
        "text": 'quote " back \\ line \n null \u0000 🎉',
        "values": [None, True, False, 0, -1, 1.5, "", [], {}],
        "deep": {"a": {"b": [{"c": 1}]}},
    }
    rev = await store.put(database, document)
    assert generation(rev) == 1
    assert await store.get(database, document["_id"]) == {**document, "_rev": rev}


async def test_what_a_caller_does_to_a_document_stays_with_it(store: Store, database: str) -> None:
    """Changing a document that was put or read changes nothing in the store."""
    document: dict[str, Any] = {"_id": "x", "list": [1]}
    await store.put(database, document)
    document["list"].append(2)
    read: Any = await store.get(database, "x")
    read["list"].append(3)
    assert (await store.get(database, "x"))["list"] == [1]
    assert "_rev" not in document


async def test_revisions_and_conflicts(store: Store, database: str) -> None:
    """Only the stored revision may be replaced; everything else is a conflict and changes nothing."""
    first = await store.put(database, {"_id": "x", "n": 1})
    second = await store.put(database, {"_id": "x", "n": 2, "_rev": first})
    assert generation(second) == 2
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"_rev": first},
        {"_rev": "2-ffffffffffffffffffffffffffffffff"},
        {"_rev": "nonsense"},
    )
    for rev in wrong:
        with pytest.raises(DocumentConflict):
            await store.put(database, {"_id": "x", "n": 3, **rev})
    assert (await store.get(database, "x"))["n"] == 2


async def test_a_revision_of_a_document_that_never_was(
    request: pytest.FixtureRequest, store: Store, database: str
) -> None:
    """CouchDB 3.5 makes a document of it, of the next generation, and so does the store in memory;
    PouchDB Server refuses it. All refuse the revision that a deletion replaced, and a text that is none."""
    unknown = "3-ffffffffffffffffffffffffffffffff"
    refuses = isinstance(store, CouchStore) and await _is_pouchdb(request.getfixturevalue("couchdb_url"))
    if refuses:
        with pytest.raises(DocumentConflict):
            await store.put(database, {"_id": "new", "_rev": unknown})
        with pytest.raises(DocumentMissing):
            await store.get(database, "new")
    else:
        made = await store.put(database, {"_id": "new", "_rev": unknown})
        assert generation(made) == 4
        assert (await store.get(database, "new"))["_rev"] == made
    rev = await store.put(database, {"_id": "gone"})
    await store.delete(database, "gone", rev)
    with pytest.raises(DocumentConflict):
        await store.put(database, {"_id": "gone", "_rev": rev})
    for doc_id in ("gone", "none"):
        with pytest.raises(DocumentConflict):
            await store.put(database, {"_id": doc_id, "_rev": "nonsense"})
        with pytest.raises(DocumentMissing):
            await store.get(database, doc_id)


async def _is_pouchdb(url: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return "express-pouchdb" in await response.json(content_type=None)


async def test_saving_the_same_again_is_a_new_revision(store: Store, database: str) -> None:
    """Unchanged content is written too, as Kazoo does it."""
    first = await store.put(database, {"_id": "x", "n": 1})
    second = await store.put(database, {"_id": "x", "n": 1, "_rev": first})
    assert generation(second) == 2


async def test_deletes(store: Store, database: str) -> None:
    """A tombstone is a document that is not there, and can be followed by a new one."""
    first = await store.put(database, {"_id": "x", "n": 1})
    second = await store.put(database, {"_id": "x", "n": 2, "_rev": first})
    for stale in (first, "2-ffffffffffffffffffffffffffffffff", "nonsense"):
        with pytest.raises(DocumentConflict):
            await store.delete(database, "x", stale)
    assert generation(await store.delete(database, "x", second)) == 3
    with pytest.raises(DocumentMissing):
        await store.get(database, "x")
    with pytest.raises(DocumentMissing):
        await store.delete(database, "x", second)
    with pytest.raises(DocumentMissing):
        await store.delete(database, "never", second)
    assert await store.get_many(database, ["x"]) == {}
    assert generation(await store.put(database, {"_id": "x", "n": 4})) == 4
    assert (await store.get(database, "x"))["n"] == 4


async def test_of_many_writers_one_wins(store: Store, database: str) -> None:
    """Ten at once: one creates the document, nine are told of a conflict."""
    writes = [store.put(database, {"_id": "x", "n": n}) for n in range(10)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 1
    assert sum(isinstance(result, DocumentConflict) for result in results) == 9


async def test_writes_many(store: Store, database: str) -> None:
    """New documents at once; who has an id already is left as he is, and a deleted one's is free again."""
    await store.put(database, {"_id": "there", "n": 0})
    rev = await store.put(database, {"_id": "gone", "n": 0})
    await store.delete(database, "gone", rev)
    wanted = [{"_id": each, "n": 1} for each in ("there", "gone", "new", "newer")]
    assert await store.put_many(database, wanted) == {"gone", "new", "newer"}
    assert await store.put_many(database, wanted) == frozenset()
    assert await store.put_many(database, []) == frozenset()
    found = await store.get_many(database, ["there", "gone", "new", "newer"])
    assert {each: document["n"] for each, document in found.items()} == {
        "there": 0,
        "gone": 1,
        "new": 1,
        "newer": 1,
    }
    with pytest.raises(DatabaseMissing):
        await store.put_many(f"{database}-none", wanted)


async def test_reads_many(store: Store, database: str) -> None:
    """Those that exist come by id; unknown and repeated ids are no trouble."""
    await fill(store, database)
    gone = await store.put(database, {"_id": "gone"})
    await store.delete(database, "gone", gone)
    found = await store.get_many(database, ["a1", "gone", "never", "a0", "a1", "a3"])
    assert set(found) == {"a0", "a1", "a3"}
    assert found["a0"] == await store.get(database, "a0")
    assert await store.get_many(database, []) == {}


@pytest.mark.parametrize(
    "doc_id", ["", ".", "..", "_all_docs", "_design/conferences", "_local/x", "_security"]
)
async def test_ids_that_lead_elsewhere(store: Store, database: str, doc_id: str) -> None:
    """An id that would be another resource of the server is no document, and cannot become one."""
    with pytest.raises(DocumentMissing):
        await store.get(database, doc_id)
    with pytest.raises(DocumentMissing):
        await store.put(database, {"_id": doc_id})
    with pytest.raises(DocumentMissing):
        await store.attachment(database, doc_id, "x")


@pytest.mark.parametrize("doc_id", ["a/b", "a%2Fb", "a?b=c", "a#b", "../x", "a&b", "a+b", "%", " "])
async def test_ids_with_signs_of_a_path(store: Store, database: str, doc_id: str) -> None:
    """Whatever stands in an id, it names one document and no other."""
    await store.put(database, {"_id": doc_id, "here": True})
    assert (await store.get(database, doc_id))["_id"] == doc_id
    assert set(await store.get_many(database, [doc_id])) == {doc_id}
    with pytest.raises(DocumentMissing):
        await store.get(database, f"{doc_id}x")


async def test_attachments(store: Store, database: str) -> None:
    """Bytes come back as they are; a save that names the attachment keeps it, another drops it."""
    content = bytes(range(256))
    rev = await store.put(database, {"_id": "key"})
    with pytest.raises(DocumentMissing):
        await store.attachment(database, "key", "private_key.pem")
    rev = await store.put_attachment(
        database, "key", rev, "private_key.pem", "application/x-pem-file", content
    )
    assert generation(rev) == 2
    assert await store.attachment(database, "key", "private_key.pem") == content
    with pytest.raises(DocumentConflict):
        await store.put_attachment(
            database, "key", "1-ffffffffffffffffffffffffffffffff", "x", "text/plain", b"x"
        )
    with pytest.raises(DocumentMissing):
        await store.attachment(database, "key", "other.pem")
    document = await store.get(database, "key")
    assert document["_rev"] == rev
    assert document["_attachments"]["private_key.pem"]["content_type"] == "application/x-pem-file"
    rev = await store.put(database, {**document, "more": 1})
    assert await store.attachment(database, "key", "private_key.pem") == content
    await store.put(database, {"_id": "key", "_rev": rev})
    with pytest.raises(DocumentMissing):
        await store.attachment(database, "key", "private_key.pem")


async def test_views_of_others(store: Store, database: str) -> None:
    """Only our own views are installed; a database that is no account's has none."""
    for view in (View("conferences", "crossbar_listing"), View(views.OWN_DESIGN, "never")):
        with pytest.raises(ViewMissing):
            await store.query(database, view, ViewQuery())
    elsewhere = f"other_{secrets.token_hex(4)}"
    await store.create_database(elsewhere)
    with pytest.raises(ViewMissing):
        await store.query(elsewhere, views.BY_ID, ViewQuery())


async def test_list_items(store: Store, database: str) -> None:
    """A row by id is the list's item: the recorded keys, and none for what a document lacks."""
    await fill(store, database)
    rows = {row.id: row.value for row in await store.query(database, views.BY_ID, ViewQuery())}
    assert sorted(rows) == ["a0", "a1", "a2", "a4", "a5", "a6", "a7", "a9"]
    assert rows["a0"] == {
        "id": "a0",
        "name": "room a0",
        "owner_id": JOE,
        "conference_numbers": ["7001", "+14155550100"],
        "member": {"numbers": ["7002"], "pins": ["1"], "join_muted": True},
        "moderator": {"numbers": ["7003", "7001"], "pins": []},
        "flags": ["vip"],
        "ui_flags": {"x": 1},
        "video": True,
    }
    assert rows["a4"] == {"id": "a4", "name": "room a0", "flags": []}
    assert rows["a5"] == {"id": "a5", "flags": []}


async def test_pages_by_id(store: Store, database: str) -> None:
    """Start, limit, skip and direction page through the list, also from a key that is gone."""
    ids = [f"{n:02x}" for n in range(20)]
    await fill(store, database, tuple(conference(doc_id) for doc_id in ids))

    async def page(**asked: Any) -> list[str]:
        return [row.id for row in await store.query(database, views.BY_ID, ViewQuery(**asked))]

    assert await page() == ids
    assert await page(descending=True) == ids[::-1]
    assert await page(start="05", limit=3) == ["05", "06", "07"]
    assert await page(start="05", limit=3, descending=True) == ["05", "04", "03"]
    assert await page(start="05x", limit=2) == ["06", "07"]
    assert await page(start="05x", limit=2, descending=True) == ["05", "04"]
    assert await page(start="05", end="07") == ["05", "06", "07"]
    assert await page(start="07", end="05", descending=True) == ["07", "06", "05"]
    assert await page(skip=18) == ["12", "13"]
    assert await page(limit=0) == []
    assert await page(start="zz") == []


async def test_continues_inside_equal_keys(store: Store, database: str) -> None:
    """An id to start with leads on through rows of one key, in both directions, page by page."""
    ids = [f"{n:02x}" for n in range(7)]
    others = (conference("00x", owner_id=BOSS), conference("06x", owner_id="f" * 32))
    await fill(store, database, (*(conference(doc_id, owner_id=JOE) for doc_id in ids), *others))
    for descending in (False, True):
        expected, seen = sorted(ids, reverse=descending), []
        start_id: str | None = None
        while True:
            query = ViewQuery(start=JOE, end=JOE, start_id=start_id, limit=3, descending=descending)
            rows = await store.query(database, views.BY_OWNER, query)
            seen += [row.id for row in rows[:2]]
            if len(rows) < 3:
                break
            start_id = rows[2].id
        assert seen == expected


async def test_keys(store: Store, database: str) -> None:
    """Rows come in the order of the keys asked for, each key as often as it was asked."""
    await fill(store, database)
    asked = ViewQuery(keys=["7003", "+14155550100", "nobody", "7001", "7003", "7004", "7010"])
    rows = await store.query(database, views.BY_NUMBER, asked)
    assert [(row.key, row.id) for row in rows] == [
        ("7003", "a0"),
        ("+14155550100", "a0"),
        ("7001", "a0"),
        ("7001", "a0"),
        ("7003", "a0"),
    ]
    rows = await store.query(
        database, views.BY_NAME, ViewQuery(keys=["room a0", "Überraschung 🎉 会議", "ROOM A0"])
    )
    assert [row.id for row in rows] == ["a0", "a4", "a2"]
    assert await store.query(database, views.BY_NAME, ViewQuery(keys=[])) == []


async def test_long_keys(store: Store, database: str) -> None:
    """A key that is longer than any request line is a key like others, on either end of a range."""
    await fill(store, database)
    ids = [row.id for row in await store.query(database, views.BY_ID, ViewQuery())]
    for length in (5_000, 100_000):
        long = "a0" + "é" * length
        after = await store.query(database, views.BY_ID, ViewQuery(start=long, limit=2))
        before = await store.query(database, views.BY_ID, ViewQuery(start=long, descending=True, skip=1))
        upto = await store.query(database, views.BY_ID, ViewQuery(end=long))
        place = len(upto)
        assert [row.id for row in after] == ids[place : place + 2]
        assert [row.id for row in before] == ids[:place][::-1][1:]
        assert [row.id for row in upto] == ids[:place]
        assert 0 < place < len(ids)


async def test_documents_come_along(store: Store, database: str) -> None:
    """Asked to, a row brings its whole document."""
    await fill(store, database)
    query = ViewQuery(start="a1", limit=1, include_docs=True)
    (row,) = await store.query(database, views.BY_ID, query)
    assert row.doc == await store.get(database, "a1")
    (plain,) = await store.query(database, views.BY_ID, ViewQuery(start="a1", limit=1))
    assert plain.doc is None


async def test_views_follow_writes(store: Store, database: str) -> None:
    """A write is seen by the next question: changed, soft-deleted, deleted and restored documents."""

    async def numbers() -> list[str]:
        return [row.key for row in await store.query(database, views.BY_NUMBER, ViewQuery())]

    document = conference("x", conference_numbers=["1", "2"])
    rev = await store.put(database, document)
    assert await numbers() == ["1", "2"]
    rev = await store.put(database, {**document, "_rev": rev, "conference_numbers": ["2", "3"]})
    assert await numbers() == ["2", "3"]
    rev = await store.put(database, {**document, "_rev": rev, "pvt_deleted": True})
    assert await numbers() == []
    rev = await store.put(database, {**document, "_rev": rev})
    assert await numbers() == ["1", "2"]
    await store.delete(database, "x", rev)
    assert await numbers() == []


async def test_accounts_by_name(store: Store) -> None:
    """Accounts are found by their name in lower case, reduced to letters and digits."""
    await store.create_database("accounts")
    unique = secrets.token_hex(4)
    doc_id = secrets.token_hex(16)
    rev = await store.put(
        "accounts", {"_id": doc_id, "pvt_type": "account", "name": f"Äcme & Co. {unique.upper()}"}
    )
    found = await store.query("accounts", views.ACCOUNTS_BY_NAME, ViewQuery(keys=[f"cmeco{unique}"]))
    assert [row.id for row in found] == [doc_id]
    await store.delete("accounts", doc_id, rev)


async def all_rows(store: Store, name: str) -> Mapping[str, list[Row]]:
    return {view.name: await store.query(name, view, ViewQuery()) for view in ACCOUNT_VIEWS}


def comparable(rows: list[Row]) -> list[tuple[str, str, str]]:
    # Texts that are not of one case and script are ordered by rules of their own in each server.
    return sorted((row.id, repr(row.key), repr(row.value)) for row in rows)


async def test_both_give_the_same_rows(couchdb_url: str) -> None:
    """Every view emits the same for every document of the varied set, here and in memory."""
    memory, couch, name = MemoryStore(), CouchStore(couchdb_url), new_database()
    await couch.open()
    try:
        for store in (memory, couch):
            await fill(store, name)
        ours, theirs = await all_rows(memory, name), await all_rows(couch, name)
        for view in ACCOUNT_VIEWS:
            assert comparable(ours[view.name]) == comparable(theirs[view.name]), view
        assert [row.id for row in ours["by_id"]] == [row.id for row in theirs["by_id"]]
        assert [row.id for row in ours["by_owner"]] == [row.id for row in theirs["by_owner"]]
    finally:
        await couch.close()


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 9999),
    st.text("ab7é ", max_size=4),
    st.sampled_from(["7001", "7002", "x"]),
)
_VALUES = st.one_of(
    _SCALARS,
    st.lists(_SCALARS, max_size=3),
    st.dictionaries(
        st.sampled_from(["numbers", "pins", "x"]), st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3))
    ),
)
_DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {"pvt_type": st.sampled_from(["conference", "conference", "callflow", "user", "account", 7])},
        optional=dict.fromkeys(
            (
                "name",
                "owner_id",
                "member",
                "moderator",
                "conference_numbers",
                "numbers",
                "flags",
                "ui_flags",
                "video",
                "enabled",
                "pvt_deleted",
                "pvt_md5_auth",
                "pvt_sha1_auth",
            ),
            _VALUES,
        ),
    ),
    min_size=3,
    max_size=6,
)


def test_any_documents_give_the_same_rows(couchdb_url: str) -> None:
    """Documents of any shape, wrong types included, are seen alike by JavaScript and by Python."""

    async def compare(documents: list[dict[str, Any]]) -> None:
        memory, couch, name = MemoryStore(), CouchStore(couchdb_url), new_database()
        await couch.open()
        try:
            named = tuple({"_id": f"d{n}", **document} for n, document in enumerate(documents))
            for store in (memory, couch):
                await fill(store, name, named)
            ours, theirs = await all_rows(memory, name), await all_rows(couch, name)
            for view in ACCOUNT_VIEWS:
                assert comparable(ours[view.name]) == comparable(theirs[view.name]), view
        finally:
            await couch.close()

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(_DOCUMENTS)
    def check(documents: list[dict[str, Any]]) -> None:
        asyncio.run(compare(documents))

    check()


async def test_counts_and_tells_what_it_did(store: Store, database: str) -> None:
    """Each request is counted and told to the observer; an expected refusal is no error."""
    assert isinstance(store, MemoryStore | CouchStore)
    told: list[tuple[str, bool]] = []
    store.observer = lambda operation, seconds, failed: told.append((operation, failed))
    before = store.counters.requests
    await store.put(database, {"_id": "x"})
    await store.get(database, "x")
    with pytest.raises(StoreError):
        await store.put(database, {"_id": "x"})
    assert told == [("put", False), ("get", False), ("put", False)]
    assert store.counters.requests - before == 3
    assert store.counters.errors == 0


async def test_goes_through_a_database(store: Store, database: str) -> None:
    """Whole documents in the order of their ids, in pages; deleted ones are left out."""
    for doc_id in ("b", "a", "c/d", "ü", "B", "z"):
        await store.put(database, {"_id": doc_id, "n": 1})
    gone = await store.put(database, {"_id": "bb"})
    await store.delete(database, "bb", gone)
    found: list[str] = []
    start = ""
    while True:
        page = await store.scan(database, start, 3)
        assert all(one["n"] == 1 and one["_rev"] for one in page)
        found += [str(one["_id"]) for one in page[:2]]
        if len(page) < 3:
            break
        start = str(page[2]["_id"])
    assert found == ["B", "a", "b", "c/d", "z", "ü"]
    assert await store.scan(database, "ü", 5) == [await store.get(database, "ü")]
    with pytest.raises(DatabaseMissing):
        await store.scan(new_database(), "", 5)


async def test_lists_and_drops_databases(store: Store, database: str) -> None:
    """By their real names; dropping one that is not there is no error, and it is gone with all it held."""
    await store.put(database, {"_id": "x"})
    assert database in await store.databases()
    for _ in range(2):
        await store.delete_database(database)
    assert database not in await store.databases()
    with pytest.raises(DatabaseMissing):
        await store.get(database, "x")
    await store.create_database(database)
    with pytest.raises(DocumentMissing):
        await store.get(database, "x")
