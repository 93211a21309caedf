"""Nobody makes a document by accident: writes on what is not there any more, or never was.

CouchDB 3.5 makes a document of a revision whose document never was. Source: issue "True on the real
switch" 16.
"""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.port import DocumentMissing
from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "7-ffffffffffffffffffffffffffffffff"


async def keep(house: House, doc_id: str) -> None:
    """Have a document in memory that the store does not know, as of a database that was made anew."""
    document = {
        "_id": doc_id,
        "_rev": UNKNOWN,
        "name": f"Room {doc_id}",
        "pvt_type": "conference",
        "pvt_account_id": house.account,
    }
    house.service.cache.put(house.database, document)


async def is_there(house: House, doc_id: str) -> bool:
    """Whether the store has a document."""
    try:
        await house.stored(doc_id)
    except DocumentMissing:
        return False
    return True


@pytest.mark.parametrize("verb", ["PATCH", "POST"])
async def test_a_save_makes_no_document(house: House, verb: str) -> None:
    """409, as for any document that is not as it was read; the next one is told that there is none."""
    doc_id = secrets.token_hex(16)
    await keep(house, doc_id)
    data = {"data": {"name": f"Room {doc_id}", "custom": 1}}
    answer = await house.call(verb, house.path(doc_id), data)
    assert (answer.status, answer.message) == (409, "datastore_conflict")
    assert not await is_there(house, doc_id)
    assert (await house.call(verb, house.path(doc_id), data)).status == 404


async def test_a_deletion_makes_no_document(house: House) -> None:
    """That it is not there is what was wanted; not even a deleted one is written."""
    doc_id = secrets.token_hex(16)
    await keep(house, doc_id)
    answer = await house.call("DELETE", house.path(doc_id))
    assert answer.status == 200
    assert not await is_there(house, doc_id)


@pytest.mark.parametrize("verb", ["PATCH", "POST", "DELETE"])
async def test_an_unknown_revision_is_a_412(house: House, verb: str) -> None:
    """``If-Match`` is looked at before anything is written, whether the document is there or not."""
    made = await house.create()
    rev = (await house.stored(made))["_rev"]
    data: Any = {"data": {"name": f"Room {made}"}}
    headers = {"If-Match": f'"{UNKNOWN}"'}
    assert (await house.call(verb, house.path(made), data, headers=headers)).status == 412
    assert (await house.stored(made))["_rev"] == rev
    absent = secrets.token_hex(16)
    assert (await house.call(verb, house.path(absent), data, headers=headers)).status == 404
    assert not await is_there(house, absent)


@pytest.mark.parametrize("verb", ["PATCH", "POST", "PUT"])
async def test_a_revision_in_the_body_counts_for_nothing(house: House, verb: str) -> None:
    """It is a private key: neither stored nor asked for."""
    made = await house.create()
    data = {"data": {"name": f"Room {secrets.token_hex(6)}", "_rev": UNKNOWN}}
    path = house.path() if verb == "PUT" else house.path(made)
    answer = await house.call(verb, path, data)
    assert answer.status in (200, 201)
    assert (await house.stored(answer.data["id"]))["_rev"].startswith("1-" if verb == "PUT" else "2-")


@pytest.mark.parametrize("verb", ["PATCH", "POST"])
async def test_what_was_removed_meanwhile_stays_removed(house: House, verb: str) -> None:
    """Removed for good by somebody who told nobody: a tombstone is there, and the store itself refuses."""
    made = await house.create()
    name = (await house.get(house.path(made))).data["name"]
    await house.store.inner.delete(house.database, made, (await house.stored(made))["_rev"])
    answer = await house.call(verb, house.path(made), {"data": {"name": name, "custom": 1}})
    assert answer.status == 409
    assert not await is_there(house, made)


async def test_the_store_would_have_made_one(house: House) -> None:
    """That it is the sidecar that refuses, in memory at least; PouchDB Server refuses by itself."""
    if not isinstance(house.store.inner, MemoryStore):
        pytest.skip("depends on the server")
    doc_id = secrets.token_hex(16)
    assert (await house.store.inner.put(house.database, {"_id": doc_id, "_rev": UNKNOWN})).startswith("8-")
