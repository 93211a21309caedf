"""Guests' PINs guessed from many addresses, on adapters in memory and on real services."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.port import DocumentMissing
from tests.support.addresses import elsewhere
from tests.support.answers import Answer
from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = "crossbar.conference_auth"


async def _write(house: House, database: str, doc_id: str, document: Mapping[str, Any]) -> None:
    stored = {}
    with suppress(DocumentMissing):
        stored = {"_rev": (await house.store.inner.get(database, doc_id))["_rev"]}
    await house.store.inner.put(database, {**document, "_id": doc_id, **stored})
    house.service.cache.flush(database, doc_id)


@pytest_asyncio.fixture(loop_scope="module")
async def account_name(house: House) -> AsyncIterator[str]:
    """The main account's name, which no other account has; links lead somewhere."""
    await _write(
        house, "system_config", CONFIG, {"default": {"conference_public_domain": "https://a.example"}}
    )
    name = f"Acme {secrets.token_hex(6)}"
    for database in ("accounts", account_database(house.account)):
        document = await house.store.inner.get(database, house.account)
        await _write(house, database, house.account, {**document, "name": name})
    yield name
    stored = await house.store.inner.get("system_config", CONFIG)
    await house.store.inner.delete("system_config", CONFIG, stored["_rev"])


async def _login(house: House, pin: str, address: str | None = None, **names: str) -> Answer:
    headers = {"X-Forwarded-For": address or elsewhere()}
    return await house.put("/v2/conference_auth", {**names, "conference_pin": pin}, who=None, headers=headers)


async def test_guessing_from_many_addresses_ends(house: House, account_name: str) -> None:
    """However many addresses guess, no more PINs of a conference are compared than its own bucket allows.

    Other conferences, and a guest who came in before, are not held up; then those of the account are."""
    open_room = {"allow_shareable_link": True, "member": {"pins": ["1234"]}}
    names = [f"Public {secrets.token_hex(6)}" for _ in range(2)]
    for name in names:
        await house.create(name=name, **open_room)
    given = {"account_name": account_name, "conference_name": names[0]}
    regular = elsewhere()
    assert (await _login(house, "1234", regular, **given)).status == 201
    statuses = [(await _login(house, f"{pin:06}", **given)).status for pin in range(50)]
    # Time refills one in three seconds, so that now and then one more is let through.
    assert statuses[:30] == [401] * 30 and statuses.count(429) >= 10
    strangers = [await _login(house, "1234", **given) for _ in range(5)]
    assert "too_many_requests" in [stranger.body["message"] for stranger in strangers]
    assert (await _login(house, "1234", regular, **given)).status == 201
    given["conference_name"] = names[1]
    assert (await _login(house, "1234", **given)).status == 201
    # A name that there is not ends alike.
    given["conference_name"] = "nothing"
    statuses = [(await _login(house, f"{pin:06}", **given)).status for pin in range(40)]
    assert statuses[:30] == [401] * 30 and 429 in statuses
    # One PIN at many names: what the account's guests share is used up.
    every_name = [f"Room {number}" for number in range(100)]
    statuses = [
        (await _login(house, "1234", account_name=account_name, conference_name=name)).status
        for name in every_name
    ]
    assert statuses[0] == 401 and statuses.count(429) >= 20
