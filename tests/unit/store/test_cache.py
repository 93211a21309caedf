"""The document cache: bounded, flushed, off without its feed, one read for many callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from crossbar_conferences.store.cache import DocumentCache
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.port import Document, StoreUnreachable

DATABASE = "account/aa/bb/" + "c" * 28


class Gated(MemoryStore):
    """A store whose reads wait until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.reading = asyncio.Event()

    async def get(self, database: str, doc_id: str) -> Document:
        """What was there when the question came, told when the gate opens."""
        try:
            found: Document | Exception = await super().get(database, doc_id)
        except Exception as error:
            found = error
        self.reading.set()
        await self.gate.wait()
        if isinstance(found, Exception):
            raise found
        return found

    async def get_many(self, database: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """Like `get`."""
        found = await super().get_many(database, doc_ids)
        self.reading.set()
        await self.gate.wait()
        return found


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def store() -> Gated:
    store = Gated()
    await store.create_database(DATABASE)
    for doc_id in ("a", "b", "c", "d"):
        await store.put(DATABASE, {"_id": doc_id, "n": 1})
    return store


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def cache(store: Gated, clock: Time) -> AsyncIterator[DocumentCache]:
    cache = DocumentCache(store, clock, limit=6, keep=900.0)
    cache.set_feed(True)
    yield cache
    await cache.close()


async def requests(store: MemoryStore, cache: DocumentCache, doc_id: str) -> int:
    """How many requests a look-up costs."""
    before = store.counters.requests
    await cache.document(DATABASE, doc_id)
    return store.counters.requests - before


async def test_reads_once(store: Gated, cache: DocumentCache) -> None:
    """The second look costs no request; hits and misses are counted."""
    assert await requests(store, cache, "a") == 1
    assert await requests(store, cache, "a") == 0
    assert (cache.counters.hits, cache.counters.misses) == (1, 1)


async def test_remembers_that_nothing_is_there(store: Gated, cache: DocumentCache) -> None:
    """A missing document, or database, is read once too."""
    assert await cache.document(DATABASE, "x") is None
    assert await requests(store, cache, "x") == 0
    assert await cache.document("nowhere", "x") is None


async def test_forgets_with_age(store: Gated, cache: DocumentCache, clock: Time) -> None:
    """After 900 seconds a document is read again."""
    await cache.document(DATABASE, "a")
    clock.now += 899.9
    assert await requests(store, cache, "a") == 0
    clock.now += 0.2
    assert await requests(store, cache, "a") == 1


async def test_is_bounded(store: Gated, cache: DocumentCache) -> None:
    """The document that was not looked at longest goes first."""
    for doc_id in ("a", "b", "c", "a", "d"):
        await cache.document(DATABASE, doc_id)
    assert len(cache) == 3
    assert [await requests(store, cache, doc_id) for doc_id in ("a", "c", "d", "b")] == [0, 0, 0, 1]


async def test_unknown_ids_push_nothing_out(store: Gated, cache: DocumentCache) -> None:
    """A caller who asks for ids that do not exist does not empty the cache."""
    for doc_id in ("a", "b", "c"):
        await cache.document(DATABASE, doc_id)
    for number in range(50):
        await cache.document(DATABASE, f"guess-{number}")
    assert len(cache) == 3
    assert [await requests(store, cache, doc_id) for doc_id in ("a", "b", "c")] == [0, 0, 0]


async def test_a_full_cache_still_knows_what_is_not_there(store: Gated, cache: DocumentCache) -> None:
    """Settings that a cluster does not have are asked for once, however many documents are in use."""
    await cache.document("system_config", "crossbar")
    for doc_id in ("a", "b", "c", "d", "a"):
        await cache.document(DATABASE, doc_id)
    before = store.counters.requests
    assert await cache.document("system_config", "crossbar") is None
    assert store.counters.requests == before


async def test_is_flushed(store: Gated, cache: DocumentCache) -> None:
    """A change message makes the next look a read, also of what was not there."""
    old = await cache.document(DATABASE, "a")
    assert old is not None
    assert await cache.document(DATABASE, "new") is None
    await store.put(DATABASE, {**old, "n": 2})
    await store.put(DATABASE, {"_id": "new"})
    for doc_id in ("a", "new"):
        cache.flush(DATABASE, doc_id)
    fresh = await cache.document(DATABASE, "a")
    assert fresh is not None
    assert fresh["n"] == 2
    assert await cache.document(DATABASE, "new") is not None


async def test_a_change_to_what_is_kept_is_none(store: Gated, cache: DocumentCache) -> None:
    """The message about our own write, or about what was read since, flushes nothing."""
    kept = await cache.document(DATABASE, "a")
    assert kept is not None
    cache.flush(DATABASE, "a", kept["_rev"])
    assert await requests(store, cache, "a") == 0
    cache.flush(DATABASE, "a", "9-0")
    assert await requests(store, cache, "a") == 1


@pytest.mark.parametrize("event", ["flush", "feed"])
async def test_a_write_overtaken_by_a_change_is_not_kept(
    store: Gated, cache: DocumentCache, event: str
) -> None:
    """When a change was heard during our write, what is stored may be somebody else's already."""
    heard = cache.heard
    if event == "flush":
        cache.flush(DATABASE, "a", "3-0")
    else:
        cache.set_feed(False)
        cache.set_feed(True)
    cache.put(DATABASE, {"_id": "a", "_rev": "2-0"}, heard)
    assert await requests(store, cache, "a") == 1
    cache.put(DATABASE, {"_id": "a", "_rev": "3-0"}, cache.heard)
    assert await requests(store, cache, "a") == 0


async def test_what_we_write_is_kept(store: Gated, cache: DocumentCache) -> None:
    """A document of our own writing needs no read."""
    cache.put(DATABASE, {"_id": "a", "n": 5})
    assert await requests(store, cache, "a") == 0


async def test_is_off_without_its_feed(store: Gated, cache: DocumentCache) -> None:
    """While nobody tells about changes nothing is kept, and what was kept is forgotten."""
    await cache.document(DATABASE, "a")
    cache.set_feed(False)
    assert [await requests(store, cache, "a") for _ in range(2)] == [1, 1]
    cache.put(DATABASE, {"_id": "a"})
    assert len(cache) == 0
    cache.set_feed(True)
    assert [await requests(store, cache, "a") for _ in range(2)] == [1, 0]


async def test_many_callers_share_one_read(store: Gated, cache: DocumentCache) -> None:
    """A hundred misses at once are one request."""
    store.gate.clear()
    callers = [asyncio.create_task(cache.document(DATABASE, "a")) for _ in range(100)]
    await store.reading.wait()
    before = store.counters.requests
    store.gate.set()
    found = await asyncio.gather(*callers)
    assert {document["_id"] for document in found if document} == {"a"}
    assert store.counters.requests == before


async def test_a_cancelled_caller_leaves_the_others(store: Gated, cache: DocumentCache) -> None:
    """The first caller goes away; the second gets the document from the same read."""
    store.gate.clear()
    first, second = (asyncio.create_task(cache.document(DATABASE, "a")) for _ in range(2))
    await store.reading.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    before = store.counters.requests
    store.gate.set()
    assert await second is not None
    assert store.counters.requests == before


async def test_errors_are_not_kept(store: Gated, cache: DocumentCache) -> None:
    """Every caller of a failing read is told; the next look reads again."""
    store.reachable = False
    looks = await asyncio.gather(*(cache.document(DATABASE, "a") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(look, StoreUnreachable) for look in looks)
    store.reachable = True
    assert await cache.document(DATABASE, "a") is not None


@pytest.mark.parametrize("overtaking", ["flush", "put", "feed"])
async def test_a_read_that_was_overtaken_is_not_kept(
    store: Gated, cache: DocumentCache, overtaking: str
) -> None:
    """What a read brings that began before a change is not what the next caller gets."""
    old = await store.get(DATABASE, "a")
    store.reading.clear()
    store.gate.clear()
    early = asyncio.create_task(cache.document(DATABASE, "a"))
    many = asyncio.create_task(cache.documents(DATABASE, ["a", "b"]))
    await store.reading.wait()
    await asyncio.sleep(0)
    rev = await store.put(DATABASE, {**old, "n": 2})
    match overtaking:
        case "flush":
            cache.flush(DATABASE, "a")
        case "put":
            cache.put(DATABASE, {**old, "n": 2, "_rev": rev})
        case _:
            cache.set_feed(True)
    store.gate.set()
    await asyncio.gather(early, many)
    late = await cache.document(DATABASE, "a")
    assert late is not None
    assert late["n"] == 2


async def test_reads_many_in_one_request(store: Gated, cache: DocumentCache) -> None:
    """Those that are kept cost nothing, the others one request together; all are kept then."""
    await cache.document(DATABASE, "a")
    before = store.counters.requests
    assert set(await cache.documents(DATABASE, ["a", "b", "nothing", "b"])) == {"a", "b"}
    assert store.counters.requests == before + 1
    assert set(await cache.documents(DATABASE, ["a", "b", "nothing"])) == {"a", "b"}
    assert store.counters.requests == before + 1


async def test_attachments_pass_through(store: Gated, cache: DocumentCache) -> None:
    """Attachments are read from the store; a missing one is nothing."""
    rev = str((await store.get(DATABASE, "a"))["_rev"])
    await store.put_attachment(DATABASE, "a", rev, "x", "text/plain", b"bytes")
    assert await cache.attachment(DATABASE, "a", "x") == b"bytes"
    assert await cache.attachment(DATABASE, "a", "y") is None
    assert await cache.attachment("nowhere", "a", "x") is None


async def test_ends_reads_when_closed(store: Gated, cache: DocumentCache) -> None:
    """Closing cancels what is under way; nothing is left running."""
    store.gate.clear()
    caller = asyncio.create_task(cache.document(DATABASE, "a"))
    await store.reading.wait()
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
