"""What is remembered of requests never outlives what it rests on: documents, rooms, callers, time.

Each test asks twice before it changes something, so that the answer would come from memory.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from crossbar_conferences.api.patience import Patience
from crossbar_conferences.auth import StoreDocuments, mint
from crossbar_conferences.kapi import configuration
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.port import Document, DocumentMissing
from tests.support.brokers import eventually
from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def known(house: House, path: str, **options: Any) -> None:
    """Ask until it is answered from memory."""
    # A notice of our own that came later would end what is warmed here.
    await house.quiet()
    for _ in range(3):
        answer = await house.get(path, **options)
        assert answer.status == 200, answer.text
    house.forget()


async def changed(house: House, account_id: str, doc_id: str, action: str = "edited", **fields: Any) -> None:
    """A change by somebody else, with the message that every writer sends."""
    database = account_database(account_id)
    held: Document = {"_id": doc_id}
    with suppress(DocumentMissing):
        held = await house.store.inner.get(database, doc_id)
    document = {**held, **fields}
    rev = await house.store.inner.put(database, document)
    await house.service.announcer.announce(action, database.replace("/", "%2F"), {**document, "_rev": rev})
    await house.quiet()


async def test_a_deleted_user_is_out_at_once(house: House) -> None:
    """The next request with the token is a 401, and another user's goes on."""
    made = await house.create()
    path, joe = house.path(made), house.data.users["joe"].id
    await known(house, path, who="joe")
    await known(house, path)
    await changed(house, house.account, joe, "deleted", pvt_deleted=True)
    try:
        assert (await house.get(path, who="joe")).status == 401
        assert (await house.get(path)).status == 200
    finally:
        await changed(house, house.account, joe, pvt_deleted=False)
    assert (await house.get(path, who="joe")).status == 200


async def test_a_message_about_what_was_read_already_ends_what_was_decided_before(house: House) -> None:
    """The new document was read before its message came: the decision on the old one ends all the same."""
    made = await house.create()
    path, joe = house.path(made), house.data.users["joe"].id
    await known(house, path, who="joe")
    before = await house.stored(joe)
    deleted = {**before, "pvt_deleted": True}
    deleted["_rev"] = await house.store.inner.put(house.database, deleted)
    # As when the cache was full: the old one is pushed out, the new one is read.
    house.service.cache._kept.drop(house.database, joe)
    assert (await house.service.cache.document(house.database, joe) or {})["pvt_deleted"] is True
    try:
        await house.service.announcer.announce("deleted", house.database.replace("/", "%2F"), deleted)
        await house.quiet()
        assert (await house.get(path, who="joe")).status == 401
    finally:
        await changed(house, house.account, joe, pvt_deleted=False)
    assert (await house.get(path, who="joe")).status == 200


async def test_an_account_whose_other_document_is_deleted_is_read_anew(house: House) -> None:
    """Kazoo tells of an account by its copy in the accounts database, and of databases by name."""
    database = house.database
    for message in ("accounts", database):
        assert await house.service.cache.document(database, house.account) is not None
        origin = house.service.bus.origin()
        document = {"_id": house.account, "pvt_type": "account"}
        told = configuration.document_change("edited", message.replace("/", "%2F"), document, origin)
        if message == database:
            body = {**told.body, "Event-Name": "db_deleted", "ID": database, "Database": database}
            told = replace(told, routing_key=f"db_deleted.{database}.database.x", body=body)
        await house.service.bus.cast(told)
        await eventually(lambda: house.service.cache.peek(database, house.account) is None)


async def test_new_restrictions_hold_at_once(house: House) -> None:
    """A restriction of the account's tokens refuses what was allowed a moment ago."""
    made = await house.create()
    await known(house, house.path(made), who="joe")
    rules = {"conferences": [{"rules": {"#": ["PUT"]}}]}
    restrictions = {"_": {"user": rules}}
    await changed(
        house, house.account, "token_restrictions", pvt_type="token_restrictions", restrictions=restrictions
    )
    try:
        assert (await house.get(house.path(made), who="joe")).status == 403
        assert (await house.get(house.path(made))).status == 200
    finally:
        await changed(house, house.account, "token_restrictions", restrictions={})
    assert (await house.get(house.path(made), who="joe")).status == 200


async def test_a_user_who_may_only_read_can_do_nothing_but_read(house: House) -> None:
    """By a scope restriction of Kazoo 5: at once when it is named, widened, taken away and deleted."""
    made = await house.create()
    joe = house.data.users["joe"].id
    documents = StoreDocuments(house.store.inner)
    token = await mint(documents, house.account, joe, claims={"scope": "api:ro"})
    headers = {"X-Auth-Token": token}
    path = house.path(made)

    async def statuses() -> list[int]:
        """Of reading, and of writing and commanding in each way."""
        asked = [
            await house.call(method, where, body, who=None, headers=headers)
            for method, where, body in (
                ("GET", path, None),
                ("GET", house.path(), None),
                ("PUT", house.path(), {"data": {"name": secrets.token_hex(8)}}),
                ("POST", path, {"data": {"name": secrets.token_hex(8)}}),
                ("PATCH", path, {"data": {"play_name": True}}),
                ("PUT", path, {"data": {"action": "lock"}}),
                ("PUT", house.path(made, "participants"), {"data": {"action": "mute"}}),
                ("PUT", house.path(made, "participants", "1"), {"data": {"action": "mute"}}),
                ("PUT", f"/v2/accounts/{house.account}/conference_auth/{made}", {"data": {}}),
                ("POST", path, {"data": {}, "verb": "DELETE"}),
                ("DELETE", path, None),
            )
        ]
        return [answer.status for answer in asked]

    only_reads = [200, 200, *[403] * 9]
    read_only = {"_": [{"rules": {"#": ["GET"]}}]}
    await known(house, path, who=None, headers=headers)
    await changed(house, house.account, joe, scope_restrictions=["api:ro"])
    try:
        # A document that is not there restricts nothing, in Kazoo either.
        assert (await house.get(path, who=None, headers=headers)).status == 200
        await changed(
            house,
            house.account,
            "api:ro",
            "created",
            pvt_type="scope_restriction",
            token_restrictions={"conferences": [{"rules": {}}]},
        )
        assert (await house.get(path, who=None, headers=headers)).status == 403
        await changed(house, house.account, "api:ro", token_restrictions=read_only)
        await known(house, path, who=None, headers=headers)
        assert await statuses() == only_reads
        assert house.spoken == []
        assert (await house.get(path, who="joe")).status == 200
        await changed(house, house.account, "api:ro", "deleted", pvt_deleted=True)
        lock = await house.put(path, {"action": "lock"}, who=None, headers=headers)
        assert lock.status != 403
    finally:
        await changed(house, house.account, joe, scope_restrictions=[])
    assert (await house.put(path, {"action": "lock"}, who=None, headers=headers)).status != 403


async def test_an_account_that_moves_away_is_out_of_reach(house: House) -> None:
    """Its former parent's administrator is refused as soon as the tree has changed."""
    made = await house.create()
    await known(house, house.path(made), who="master")
    tree = (await house.store.inner.get(house.database, house.account))["pvt_tree"]
    await changed(house, house.account, house.account, pvt_tree=[])
    try:
        assert (await house.get(house.path(made), who="master")).status == 403
        assert (await house.get(house.path(made))).status == 200
    finally:
        await changed(house, house.account, house.account, pvt_tree=tree)
    assert (await house.get(house.path(made), who="master")).status == 200


async def test_nobody_gets_in_on_anothers_account(house: House) -> None:
    """What was found out for one token says nothing about another one, nor about another verb."""
    made = await house.create()
    await known(house, house.path(made))
    forged = {"X-Auth-Token": house.tokens["boss"] + "x"}
    assert (await house.get(house.path(made), who="other")).status == 403
    assert (await house.get(house.path(made), who=None)).status == 401
    assert (await house.call("DELETE", house.path(made), None, who="other")).status == 403
    assert (await house.get(house.path(made), who=None, headers=forged)).status == 401


async def test_rooms_are_shown_as_they_are_now(house: House) -> None:
    """Who comes, goes, or is muted is in the next answer; the seconds go on; tags change with it."""
    made = await house.create()
    await known(house, house.path(made))
    empty = await house.get(house.path(made))
    await house.run_room(made, 2)
    for path in (house.path(made), house.path(made, "participants"), house.path()):
        await known(house, path)
    full = await house.get(house.path(made))
    assert full.data["_read_only"]["members"] == 2
    assert full.headers["etag"] != empty.headers["etag"]
    assert len((await house.get(house.path(made, "participants"))).data) == 2
    listed = {item["id"]: item for item in (await house.get(house.path())).data}
    assert listed[made]["members"] == 2
    again = await house.get(house.path(made))
    async with asyncio.timeout(5):
        while again.metadata["duration"] == full.metadata["duration"]:
            await asyncio.sleep(0.05)
            again = await house.get(house.path(made))
    assert again.headers["etag"] == full.headers["etag"]


async def test_an_answer_from_memory_is_the_answer(house: House) -> None:
    """Only id, time and tokens of the envelope are its own; pretty ones and conditions use the same."""
    made = await house.create(name=f"Ünïcode {secrets.token_hex(4)}")
    first, second = [await house.get(house.path(made)) for _ in range(2)]
    own = {"request_id", "timestamp", "tokens"}
    assert {k: v for k, v in first.body.items() if k not in own} == {
        k: v for k, v in second.body.items() if k not in own
    }
    assert first.body["request_id"] != second.body["request_id"]
    pretty = await house.get(house.path(made) + "?pretty_print=true")
    assert "\n" in pretty.text
    assert pretty.body["data"] == first.body["data"]
    assert pretty.body["metadata"] == first.body["metadata"]
    matching = await house.get(house.path(made), headers={"If-None-Match": first.headers["etag"]})
    assert matching.status == 304
    refused = await house.get(house.path(made), headers={"If-Match": '"1-0"'})
    assert refused.status == 412


@pytest.mark.parametrize("content_type", [None, "application/json", "Application/JSON; charset=utf-8"])
async def test_a_known_get_waits_for_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, content_type: str | None
) -> None:
    """Nor does one that speaks of a body it has not, as the SDKs' do; a command needs its time."""
    made = await house.create()
    headers = {} if content_type is None else {"Content-Type": content_type}
    await known(house, house.path(made), headers=headers)

    async def refuse(_: Patience, work: Coroutine[Any, Any, Any]) -> None:
        work.close()
        raise AssertionError("this request waits")

    monkeypatch.setattr(Patience, "with_", refuse)
    assert (await house.get(house.path(made), headers=headers)).status == 200
    assert (await house.put(house.path(made), {"action": "lock"})).status == 500


async def test_a_broken_query_is_refused_however_well_known_the_path_is(house: House) -> None:
    """What names no value is no query that could be left out of account."""
    made = await house.create()
    await known(house, house.path(made))
    for query in ("?=x", "?&=%zz", "?a=%zz"):
        assert (await house.get(house.path(made) + query)).status == 400


async def test_nothing_is_remembered_while_nobody_tells(embedded: House) -> None:
    """Without the broker a change is seen all the same: everything is read again each time."""
    made = await embedded.create()
    await known(embedded, embedded.path(made), who="joe")
    joe = embedded.data.users["joe"].id
    assert embedded.broker is not None
    embedded.broker.stop()
    try:
        await eventually(lambda: not embedded.service.bus.connected)
        held = await embedded.store.inner.get(embedded.database, joe)
        rev = await embedded.store.inner.put(embedded.database, {**held, "pvt_deleted": True})
        assert (await embedded.get(embedded.path(made), who="joe")).status == 401
        await embedded.store.inner.put(embedded.database, {**held, "_rev": rev})
        assert (await embedded.get(embedded.path(made), who="joe")).status == 200
    finally:
        embedded.broker.start()
