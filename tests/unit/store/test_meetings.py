"""Meetings that were sent, written down (``store/meetings.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from crossbar_conferences.conference import meetings
from crossbar_conferences.conference.meetings import Kept, WrongMeeting, read_request
from crossbar_conferences.store import own
from crossbar_conferences.store.meetings import Meetings
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.port import Document, DocumentConflict, StoreRefused

ACCOUNT, CONFERENCE = "a" * 32, "c" * 32


def _decide(**data: Any) -> Any:
    request, errors = read_request(data)
    assert request is not None, errors
    return lambda kept: meetings.decide(kept, CONFERENCE, request, "boss@example.com")


INVITE, CANCEL = _decide(start="2026-12-01T09:30:00"), _decide(cancel=True)
UPDATE = partial(_decide, update=True)


async def test_each_change_counts_up_whoever_makes_it() -> None:
    """Ten hosts that change one meeting at once: no sequence number is given twice."""
    store = MemoryStore()
    hosts = [Meetings(store) for _ in range(10)]
    first = await hosts[0].keep(ACCOUNT, CONFERENCE, INVITE)
    changed = await asyncio.gather(
        *(
            host.keep(ACCOUNT, CONFERENCE, UPDATE(start=f"2026-12-{10 + n}T09:30:00"))
            for n, host in enumerate(hosts)
        )
    )
    assert sorted(kept.named.sequence for kept in changed) == list(range(1, 11))
    assert {kept.named.uid for kept in changed} == {first.named.uid}
    (kept,) = await Meetings(store).kept(ACCOUNT, CONFERENCE)
    assert kept.named.sequence == 10


async def test_what_changed_nothing_is_not_written() -> None:
    """The same invitation to more guests."""
    store = MemoryStore()
    room = Meetings(store)
    first = await room.keep(ACCOUNT, CONFERENCE, INVITE)
    before = await store.get(own.DATABASE, f"meetings-{ACCOUNT}-{CONFERENCE}")
    assert await room.keep(ACCOUNT, CONFERENCE, INVITE) == first
    assert (await store.get(own.DATABASE, before["_id"]))["_rev"] == before["_rev"]


async def test_accounts_and_conferences_have_meetings_of_their_own() -> None:
    """Nobody changes another one's."""
    room = Meetings(MemoryStore())
    await room.keep(ACCOUNT, CONFERENCE, INVITE)
    for account, conference in ((ACCOUNT, "d" * 32), ("b" * 32, CONFERENCE)):
        assert await room.kept(account, conference) == []
        with pytest.raises(WrongMeeting):
            await room.keep(account, conference, CANCEL)


class Refusing(MemoryStore):
    """A store that lets us neither read nor write what is ours."""

    async def get(self, database: str, doc_id: str) -> Document:
        """See `Refusing`."""
        raise StoreRefused

    async def put(self, database: str, document: Document) -> str:
        """See `Refusing`."""
        raise StoreRefused


async def test_without_a_database_of_our_own_a_meeting_is_sent_once() -> None:
    """It goes out as it would, and can't be changed."""
    room = Meetings(Refusing())
    assert (await room.keep(ACCOUNT, CONFERENCE, INVITE)).named.sequence == 0
    with pytest.raises(WrongMeeting):
        await room.keep(ACCOUNT, CONFERENCE, CANCEL)


class Overtaken(MemoryStore):
    """A store where somebody else always writes first."""

    async def put(self, database: str, document: Document) -> str:
        """See `Overtaken`."""
        raise DocumentConflict


async def test_who_is_always_overtaken_gives_up() -> None:
    """It is a conflict then, not a number that may be another one's."""
    with pytest.raises(DocumentConflict):
        await Meetings(Overtaken()).keep(ACCOUNT, CONFERENCE, INVITE)


@pytest.mark.parametrize("listed", [None, 7, "x", {}, [None, 7, {"uid": 1}], [{"uid": "x", "sequence": "1"}]])
async def test_what_somebody_else_wrote_there(listed: Any) -> None:
    """It is no meeting, and spoils none."""
    store = MemoryStore()
    document: Mapping[str, Any] = {"_id": f"meetings-{ACCOUNT}-{CONFERENCE}", "meetings": listed}
    await own.put(store, document)
    room = Meetings(store)
    assert await room.kept(ACCOUNT, CONFERENCE) == []
    kept: Kept = await room.keep(ACCOUNT, CONFERENCE, INVITE)
    assert await room.kept(ACCOUNT, CONFERENCE) == [kept]
