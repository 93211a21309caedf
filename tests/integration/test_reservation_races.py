"""Two sidecars create conferences at the same moment: for one number and one name exactly one wins."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest

from crossbar_conferences.api.errors import ApiError
from crossbar_conferences.api.saving import Saver
from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.commands.announcer import Announcer
from crossbar_conferences.store.cache import DocumentCache
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.documents import Documents
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.reservations import Reservations

ROUNDS = 50


class Sidecar:
    """What one process has of its own."""

    def __init__(self, url: str) -> None:
        self.store = CouchStore(url)
        self.cache = DocumentCache(self.store, time.monotonic)
        self.documents = Documents(self.store, self.cache, self._tell)
        announcer = Announcer(Bus(MemoryTransport(MemoryBroker()), "crossbar_conferences@test"))
        self.saver = Saver(self.documents, Reservations(self.store, time.time), announcer, 100)

    async def _tell(self, action: str, database: str, document: Mapping[str, Any]) -> None:
        pass

    async def create(self, account_id: str, **fields: Any) -> str | None:
        """The new conference's id; ``None`` when it was refused for a number or a name."""
        document = {"_id": secrets.token_hex(16), "pvt_type": "conference", **fields}
        try:
            return str((await self.saver.save(account_id, document))["_id"])
        except ApiError:
            return None


@pytest.fixture
async def sidecars(couchdb_url: str) -> AsyncIterator[list[Sidecar]]:
    async with AsyncExitStack() as stack:
        sidecars = [Sidecar(couchdb_url) for _ in range(2)]
        for sidecar in sidecars:
            await sidecar.store.open()
            stack.push_async_callback(sidecar.store.close)
            stack.push_async_callback(sidecar.cache.close)
        yield sidecars


@pytest.fixture
async def account(sidecars: list[Sidecar]) -> str:
    account_id = secrets.token_hex(16)
    await sidecars[0].store.create_database(account_database(account_id))
    return account_id


async def race(sidecars: list[Sidecar], account: str, *fields: dict[str, Any]) -> list[str]:
    """The ids that won."""
    created = (sidecar.create(account, **each) for sidecar, each in zip(sidecars, fields, strict=True))
    return [doc_id for doc_id in await asyncio.gather(*created) if doc_id is not None]


@pytest.mark.parametrize("contested", ["number", "name", "everything", "overlap"])
async def test_exactly_one_wins(sidecars: list[Sidecar], account: str, contested: str) -> None:
    """Fifty races through two independent clients have one winner each, and it is what is stored."""
    for turn in range(ROUNDS):
        numbers = [f"{turn}1", f"{turn}2", f"{turn}3"]
        fields: list[dict[str, Any]] = [
            {"name": f"{turn} one", "conference_numbers": numbers},
            {"name": f"{turn} two", "conference_numbers": numbers[::-1]},
        ]
        if contested == "name":
            fields = [{"name": f"{turn}", "conference_numbers": [f"{turn}{n}"]} for n in range(2)]
        elif contested == "everything":
            fields = [{**each, "name": f"{turn}"} for each in fields]
        elif contested == "overlap":
            fields = [
                {**each, "member": {"numbers": [f"{turn}{own}"]}}
                for each, own in zip(fields, ("0", "9"), strict=True)
            ]
        winners = await race(sidecars, account, *fields)
        assert len(winners) == 1, turn
        documents = sidecars[0].documents
        if contested == "name":
            assert await documents.holders_of_name(account, f"{turn}") == winners
        else:
            held = await documents.holders_of_numbers(account, numbers)
            assert [holder for _, holder in held] == winners * 3


async def test_the_next_may_have_what_was_deleted(sidecars: list[Sidecar], account: str) -> None:
    """A number is free again as soon as its conference is deleted or has given it up."""
    first, second = sidecars
    fields = {"name": "one", "conference_numbers": ["1"]}
    winner = await first.create(account, **fields)
    assert winner is not None
    assert await second.create(account, **fields) is None
    stored = await first.documents.load(account, winner)
    changed = await first.saver.save(
        account, {**stored, "name": "other", "conference_numbers": ["2"]}, stored
    )
    follower = await second.create(account, **fields)
    assert follower is not None
    await first.saver.remove(account, {**changed, "pvt_deleted": True}, soft=True)
    assert await second.create(account, name="other", conference_numbers=["2"]) is not None


async def test_a_create_takes_two_steps(
    sidecars: list[Sidecar], account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked of the store beside each other, a create waits for it twice."""
    sidecar = sidecars[0]
    await sidecar.create(account, name="warm", conference_numbers=["0"])
    running, steps, most = 0, 0, 0
    request = sidecar.store._request

    @contextmanager
    def counted(*asked: Any) -> Iterator[None]:
        nonlocal running, steps, most
        if running == 0:
            steps += 1
        running += 1
        most = max(most, running)
        try:
            with request(*asked):
                yield
        finally:
            running -= 1

    monkeypatch.setattr(sidecar.store, "_request", counted)
    assert await sidecar.create(account, name="next", conference_numbers=["1"]) is not None
    assert (steps, most) == (2, 5)
