"""The data set of demo and tests, on every store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from crossbar_conferences.auth import jwt
from crossbar_conferences.auth.keys import SigningKeys
from crossbar_conferences.auth.port import StoreDocuments
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database, encoded
from crossbar_conferences.store.port import Store


@pytest.fixture(params=["memory", "couch"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An open store: the one in memory, and a real one."""
    opened: Store
    if request.param == "memory":
        opened = MemoryStore()
    else:
        opened = CouchStore(request.getfixturevalue("couchdb_url"))
    await opened.open()
    yield opened
    await opened.close()


async def test_everybody_is_there(store: Store) -> None:
    """Accounts stand in their own database and in the common one, people and telephones beside them."""
    data = DataSet.fresh()
    await seed(store, data)
    for account in data.accounts.values():
        database = account_database(account.id)
        own = await store.get(database, account.id)
        common = await store.get("accounts", account.id)
        assert own["pvt_account_db"] == encoded(database)
        assert own["pvt_signature_secret"] == common["pvt_signature_secret"]
    main = account_database(data.main.id)
    assert (await store.get(main, data.main.id))["pvt_tree"] == [data.parent.id]
    assert (await store.get(main, data.users["boss"].id))["priv_level"] == "admin"
    assert (await store.get(main, data.users["joe"].id))["priv_level"] == "user"
    assert (await store.get(main, data.devices["joe"].id))["owner_id"] == data.users["joe"].id
    assert "owner_id" not in await store.get(main, data.devices["lobby"].id)


async def test_a_second_time_changes_nothing(store: Store) -> None:
    """Seeding again leaves every document at its revision, and tokens of before stay valid."""
    data = DataSet.fresh()
    await seed(store, data)
    places = [
        ("system_config", "auth"),
        ("accounts", data.main.id),
        (account_database(data.main.id), data.users["boss"].id),
    ]
    before = [(await store.get(*place))["_rev"] for place in places]
    await seed(store, data)
    assert [(await store.get(*place))["_rev"] for place in places] == before


async def test_everybody_has_a_token(store: Store) -> None:
    """Each user's token names the user and the account, and is signed with the store's key."""
    data = DataSet.fresh()
    await seed(store, data)
    tokens = await mint_tokens(store, data)
    assert set(tokens) == {"master", "boss", "joe", "other"}
    key_id = (await store.get("system_config", "auth"))["default"]["system_key"]
    key = await SigningKeys(StoreDocuments(store)).public(key_id)
    assert key is not None
    for name, token in tokens.items():
        claims = jwt.verified_claims(token, key)
        assert claims["owner_id"] == data.users[name].id
        assert claims["account_id"] == data.users[name].account.id
