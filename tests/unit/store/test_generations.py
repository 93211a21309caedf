"""Nothing that was decided on an old document outlives the message that tells of a newer one.

Whatever the order in which it is read, written and told of, and whoever writes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar_conferences.store.cache import DocumentCache
from crossbar_conferences.store.derived import Derived
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.port import Document

DATABASE = "here"
DOC = "a"


class Held(MemoryStore):
    """A store whose answers, made when the question came, arrive when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[asyncio.Future[None]] = []

    async def get(self, database: str, doc_id: str) -> Document:
        """See `Store`."""
        found = await super().get(database, doc_id)
        await self._hold()
        return found

    async def get_many(self, database: str, doc_ids: Sequence[str]) -> dict[str, Document]:
        """See `Store`."""
        found = await super().get_many(database, doc_ids)
        await self._hold()
        return found

    async def _hold(self) -> None:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.held.append(gate)
        await gate


class Story:
    """One document, its writers and readers, and two decisions that rest on it."""

    def __init__(self, store: Held) -> None:
        self.store = store
        self.cache = DocumentCache(store, lambda: 0.0, limit=10, keep=900.0)
        self.cache.set_feed(True)
        self.derived: Derived[str, int] = Derived(self.cache, lambda: 0.0, limit=10)
        self.newest: Document = {"_id": DOC, "n": 0}
        #: Written, and not told of yet; written by ourselves, and not put into the cache yet.
        self.untold: list[Document] = []
        self.unput: list[tuple[Document, int]] = []
        self.running: list[asyncio.Task[None]] = []
        #: The newest that was told of.
        self.told = 0

    async def write(self) -> Document:
        """A new revision."""
        document = {**self.newest, "n": self.newest["n"] + 1}
        self.newest = {**document, "_rev": await self.store.put(DATABASE, document)}
        return self.newest

    async def others_write(self) -> None:
        """Somebody else writes; the message is on its way."""
        self.untold.append(await self.write())

    async def we_write(self) -> None:
        """We write; the answer is on its way."""
        heard = self.cache.heard
        self.unput.append((await self.write(), heard))

    async def answered(self) -> None:
        """The answer to our oldest write has come: it is announced."""
        if self.unput:
            document, heard = self.unput.pop(0)
            self.cache.put(DATABASE, document, heard)
            self.untold.append(document)

    async def tell(self) -> None:
        """The oldest message arrives."""
        if self.untold:
            document = self.untold.pop(0)
            self.told = max(self.told, document["n"])
            self.cache.flush(DATABASE, DOC, document["_rev"])

    async def decide(self) -> None:
        """Somebody reads the document and decides on it."""
        self.running.append(asyncio.create_task(self._decide(many=False)))

    async def decide_on_many(self) -> None:
        """The same, reading it together with others."""
        self.running.append(asyncio.create_task(self._decide(many=True)))

    async def arrive(self) -> None:
        """The store's newest answer arrives."""
        if self.store.held:
            self.store.held.pop().set_result(None)

    async def arrive_late(self) -> None:
        """The store's oldest answer arrives."""
        if self.store.held:
            self.store.held.pop(0).set_result(None)

    async def evict(self) -> None:
        """The document is pushed out of the cache: it will be read anew."""
        self.cache._kept.drop(DATABASE, DOC)

    async def _decide(self, *, many: bool) -> None:
        heard = self.cache.heard
        document: Document | None
        if many:
            document = (await self.cache.documents(DATABASE, [DOC, "b"])).get(DOC)
        else:
            document = await self.cache.document(DATABASE, DOC)
        assert document is not None
        self.derived.keep("of many" if many else "of one", document["n"], heard, (DATABASE,))

    def check(self) -> None:
        """What was told of is never undercut by what is remembered."""
        for key in ("of one", "of many"):
            decided = self.derived.get(key)
            assert decided is None or decided >= self.told
        kept = self.cache.peek(DATABASE, DOC)
        assert kept is None or kept["n"] >= self.told


STEPS = (
    Story.others_write,
    Story.we_write,
    Story.answered,
    Story.tell,
    Story.decide,
    Story.decide_on_many,
    Story.arrive,
    Story.arrive_late,
    Story.evict,
)


async def play(steps: Sequence[int]) -> None:
    store = Held()
    await store.create_database(DATABASE)
    story = Story(store)
    story.newest = {**story.newest, "_rev": await store.put(DATABASE, story.newest)}
    try:
        for step in steps:
            await STEPS[step](story)
            for _ in range(6):
                await asyncio.sleep(0)
            story.check()
        while story.unput or story.untold or store.held:
            for end in (story.arrive_late, story.answered, story.tell):
                await end()
                for _ in range(6):
                    await asyncio.sleep(0)
                story.check()
        assert story.told == story.newest["n"]
    finally:
        for gate in store.held:
            gate.cancel()
        await asyncio.gather(*story.running, return_exceptions=True)
        await story.cache.close()


@settings(max_examples=250, deadline=None)
@given(st.lists(st.integers(0, len(STEPS) - 1), max_size=24))
def test_no_order_of_reading_writing_and_telling_leaves_anything_old(steps: list[int]) -> None:
    """After each step: what is decided, and what is kept, is at least as new as what was told of."""
    asyncio.run(play(steps))


def _steps(*names: str) -> list[int]:
    return [[step.__name__ for step in STEPS].index(name) for name in names]


ORDERS = {
    "read anew before the message": _steps(
        "decide", "arrive", "others_write", "evict", "decide_on_many", "arrive", "tell"
    ),
    "our own write": _steps("decide", "arrive", "we_write", "answered", "tell"),
    "a decision between our write and its answer": _steps("we_write", "decide", "answered", "arrive", "tell"),
    "an answer to our write after somebody else's": _steps(
        "we_write", "others_write", "decide", "arrive", "tell", "answered", "tell"
    ),
    "a late answer after the message about what is kept": _steps(
        "decide_on_many", "others_write", "decide", "arrive", "tell", "arrive_late"
    ),
}


@pytest.mark.parametrize("order", ORDERS)
def test_orders_that_once_left_something_old(order: str) -> None:
    """Each was a decision that stayed for a minute, or a document that stayed for a quarter of an hour."""
    asyncio.run(play(ORDERS[order]))


async def test_a_message_about_what_is_kept_begins_a_new_generation() -> None:
    """The document stays, what was derived ends; a database that is gone ends both."""
    store = MemoryStore()
    await store.create_database(DATABASE)
    rev = await store.put(DATABASE, {"_id": DOC})
    cache = DocumentCache(store, lambda: 0.0)
    cache.set_feed(True)
    derived: Derived[str, int] = Derived(cache, lambda: 0.0, limit=10)
    await cache.document(DATABASE, DOC)
    derived.keep("decision", 1, cache.heard, (DATABASE,))
    heard, generation = cache.heard, cache.generation
    cache.flush(DATABASE, DOC, rev)
    assert (derived.get("decision"), cache.heard, cache.generation) == (None, heard + 1, generation + 1)
    assert cache.peek(DATABASE, DOC) is not None
    derived.keep("decision", 1, cache.heard, (DATABASE,))
    cache.flush_database(DATABASE)
    assert (derived.get("decision"), cache.peek(DATABASE, DOC)) == (None, None)
    await cache.close()
