"""Pages of lists in memory: shared, bounded, and never older than the last change that was heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from crossbar_conferences.store import views
from crossbar_conferences.store.cache import DocumentCache
from crossbar_conferences.store.documents import Documents
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.pages import PageCache
from crossbar_conferences.store.port import StoreUnreachable, ViewQuery
from tests.support.watched_store import WatchedStore

ACCOUNT = "a" * 32
OTHER = "b" * 32
DATABASE, ELSEWHERE = account_database(ACCOUNT), account_database(OTHER)


class Bench:
    """A page cache on a watched store, with a clock of its own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.store = WatchedStore(MemoryStore())
        self.pages = PageCache(self.store, lambda: self.now, limit=10, keep=60.0)
        self.pages.set_feed(True)

    async def ids(self, database: str = DATABASE, **query: Any) -> list[str]:
        """The ids of a page."""
        return [row.id for row in await self.pages.rows(database, views.BY_ID, ViewQuery(**query))]

    async def add(self, doc_id: str, database: str = DATABASE) -> None:
        """A conference that somebody stores."""
        await self.store.inner.put(database, {"_id": doc_id, "name": doc_id, "pvt_type": "conference"})

    @property
    def asked(self) -> int:
        """How often the store was asked."""
        return len(self.store.requests)


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    for database in (DATABASE, ELSEWHERE):
        await bench.store.inner.create_database(database)
        await bench.add("c1", database)
    return bench


async def test_a_users_page_gets_its_summaries_once(bench: Bench) -> None:
    """Rows with a document and no value show what the list's own view would, and stay the same objects."""
    await bench.store.inner.put(
        DATABASE, {"_id": "c2", "name": "c2", "pvt_type": "conference", "owner_id": "joe", "x": 1}
    )
    query = ViewQuery(start="joe", end="joe", include_docs=True)
    [row] = await bench.pages.rows(DATABASE, views.BY_OWNER, query)
    assert row.value == {"id": "c2", "name": "c2", "flags": [], "owner_id": "joe"}
    assert row.doc is not None and row.doc["x"] == 1
    assert (await bench.pages.rows(DATABASE, views.BY_OWNER, query))[0] is row


async def test_a_page_is_read_once(bench: Bench) -> None:
    """The same question gets the kept rows; another question is asked."""
    assert await bench.ids(limit=5) == await bench.ids(limit=5) == ["c1"]
    assert bench.asked == 1
    await bench.ids(limit=5, descending=True)
    assert bench.asked == 2


async def test_a_change_drops_the_pages_of_its_database_alone(bench: Bench) -> None:
    """After a change of one account its list is read anew, another account's is not."""
    await bench.ids()
    await bench.ids(ELSEWHERE)
    await bench.add("c2")
    bench.pages.flush(DATABASE)
    assert (await bench.ids(), await bench.ids(ELSEWHERE)) == (["c1", "c2"], ["c1"])
    assert bench.asked == 3


async def test_a_page_that_a_change_overtook_is_not_kept(bench: Bench) -> None:
    """A change during a read: its rows go to those who waited, and to nobody afterwards."""
    begun, go_on = held_up(bench)
    reading = asyncio.create_task(bench.ids())
    await begun.wait()
    bench.pages.flush(DATABASE)
    go_on.set()
    assert await reading == ["c1"]
    await bench.add("c2")
    assert await bench.ids() == ["c1", "c2"]


async def test_readers_at_once_share_one_read_that_none_of_them_ends(bench: Bench) -> None:
    """Several misses make one request, and a caller that goes away takes nobody with it."""
    begun, go_on = held_up(bench)
    readers = [asyncio.create_task(bench.ids()) for _ in range(5)]
    await begun.wait()
    readers[0].cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await readers[0]
    assert await asyncio.gather(*readers[1:]) == [["c1"]] * 4
    assert bench.asked == 1


async def test_nothing_is_kept_while_nobody_tells_of_changes(bench: Bench) -> None:
    """Without the feed every list is read, and what was kept before it went is forgotten."""
    await bench.ids()
    bench.pages.set_feed(False)
    await bench.add("c2")
    assert await bench.ids() == ["c1", "c2"]
    await bench.ids()
    assert bench.asked == 3 and len(bench.pages) == 0


async def test_pages_are_kept_for_a_time(bench: Bench) -> None:
    """A page is read anew when its time is over."""
    await bench.ids()
    bench.now += 61
    await bench.ids()
    assert bench.asked == 2


async def test_memory_is_bounded(bench: Bench) -> None:
    """Neither many accounts, nor many questions, nor one large account holds more rows than the limit."""
    for number in range(30):
        database = account_database(f"{number:032}")
        await bench.store.inner.create_database(database)
        await bench.ids(database)
        await bench.ids(start=str(number), limit=1)
        assert len(bench.pages) <= 10
    for number in range(20):
        await bench.add(f"d{number}")
    bench.pages.flush(DATABASE)
    assert len(await bench.ids()) == 21
    assert len(bench.pages) <= 10


async def test_a_failure_is_not_kept(bench: Bench) -> None:
    """When the store could not be asked, the next reader asks again."""

    def away(operation: str, database: str) -> None:
        raise StoreUnreachable

    bench.store.before, before = away, bench.store.before
    with pytest.raises(StoreUnreachable):
        await bench.ids()
    bench.store.before = before
    assert await bench.ids() == ["c1"]


async def test_a_close_ends_reads_that_are_under_way(bench: Bench) -> None:
    """No read outlives the cache."""
    begun, _ = held_up(bench)
    reading = asyncio.create_task(bench.ids())
    await begun.wait()
    await bench.pages.close()
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize("how", ["save", "soft_delete", "remove", "conflict"])
async def test_our_own_writes_drop_pages(bench: Bench, how: str) -> None:
    """After every write of ours, and after one that failed, the list is read anew."""

    async def tell(action: str, database: str, document: Any) -> None:
        pass

    cache = DocumentCache(bench.store, lambda: bench.now)
    documents = Documents(bench.store, cache, tell, bench.pages)
    stored = await bench.store.inner.get(DATABASE, "c1")
    gone = {**stored, "pvt_deleted": True}
    writes: dict[str, Callable[[], Awaitable[Any]]] = {
        "save": lambda: documents.save(ACCOUNT, {"_id": "c2", "pvt_type": "conference"}),
        "soft_delete": lambda: documents.soft_delete(ACCOUNT, gone),
        "remove": lambda: documents.remove(ACCOUNT, stored),
        "conflict": lambda: documents.save(ACCOUNT, {**stored, "_rev": "9-9"}),
    }
    await documents.page(ACCOUNT, start=None, descending=False, limit=None, include_docs=False)
    bench.store.requests.clear()
    try:
        await writes[how]()
    except Exception as error:
        assert how == "conflict", error
    rows = await documents.page(ACCOUNT, start=None, descending=False, limit=None, include_docs=False)
    expected = {"save": ["c1", "c2"], "conflict": ["c1"]}
    assert [row.id for row in rows] == expected.get(how, [])
    assert bench.store.operations[-1] == "by_id"


def held_up(bench: Bench) -> tuple[asyncio.Event, asyncio.Event]:
    """The next requests wait: an event that one has begun, and one that lets them go on."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def gate(operation: str) -> None:
        begun.set()
        await go_on.wait()

    bench.store.gate = gate
    return begun, go_on
