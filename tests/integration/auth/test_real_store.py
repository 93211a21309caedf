from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext

import pytest
from click.testing import CliRunner

from crossbar_conferences.auth import (
    AccessDenied,
    AuthRoom,
    InvalidCredentials,
    StoreDocuments,
    SystemConfig,
    mint,
)
from crossbar_conferences.auth.keys import DATABASE, SigningKeys
from crossbar_conferences.cli.main import main
from crossbar_conferences.dataset import DataSet
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.port import Store, StoreUnreachable

Seed = Callable[[Store], Awaitable[DataSet]]


@pytest.fixture
async def store(couchdb_url: str) -> AsyncIterator[CouchStore]:
    opened = CouchStore(couchdb_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def data(store: CouchStore, accounts: Seed) -> DataSet:
    return await accounts(store)


def room(store: Store) -> AuthRoom:
    documents = StoreDocuments(store)
    return AuthRoom(documents, store, SystemConfig(documents, "crossbar_conferences@test", "local"))


async def test_a_token_of_every_user(store: CouchStore, data: DataSet) -> None:
    """Keys, secrets and accounts come from the real store; each token is accepted as its user."""
    auth = room(store)
    for user in data.users.values():
        token = await mint(StoreDocuments(store), user.account.id, user.id)
        for kind in ("x-auth-token", "bearer"):
            identity = await auth.authenticate(kind, token)
            assert (identity.account_id, identity.owner_id) == (user.account.id, user.id)


async def test_who_reaches_whom(store: CouchStore, data: DataSet) -> None:
    """The parent reaches the main account; the unrelated one does not."""
    auth, documents = room(store), StoreDocuments(store)
    requested = await auth.account(data.main.id)
    assert requested is not None
    for name, allowed in (("master", True), ("boss", True), ("joe", True), ("other", False)):
        user = data.users[name]
        identity = await auth.authenticate("x-auth-token", await mint(documents, user.account.id, user.id))
        with nullcontext() if allowed else pytest.raises(AccessDenied):
            await auth.authorize(identity, requested, "GET")


async def test_an_unknown_key_creates_nothing(store: CouchStore, data: DataSet) -> None:
    """A key id that is not there is refused, and is not there afterwards."""
    documents = StoreDocuments(store)
    assert await SigningKeys(documents).public("0" * 31 + "f") is None
    assert await documents.document(DATABASE, "0" * 31 + "f") is None


async def test_an_unknown_account_is_refused(store: CouchStore, data: DataSet) -> None:
    """An account whose database is not there is no account."""
    assert await room(store).account("0" * 32) is None


async def test_basic_credentials(store: CouchStore, data: DataSet) -> None:
    """Our own view finds the user of a hash, and no other account's."""
    auth = room(store)
    boss = data.users["boss"]
    text = data.basic_credentials("boss")
    identity = await auth.authenticate("basic", base64.b64encode(text.encode()).decode())
    assert (identity.account_id, identity.owner_id) == (data.main.id, boss.id)
    foreign = text.replace(data.main.id, data.other.id)
    with pytest.raises(InvalidCredentials):
        await auth.authenticate("basic", base64.b64encode(foreign.encode()).decode())


async def test_a_bearer_document(store: CouchStore, data: DataSet) -> None:
    """The id of a bearer document stands for the token in it."""
    joe = data.users["joe"]
    token = await mint(StoreDocuments(store), joe.account.id, joe.id)
    await store.put(DATABASE, {"_id": f"bearer-{joe.id}", "pvt_type": "bearer-token", "Token": token})
    assert (await room(store).authenticate("bearer", f"bearer-{joe.id}")).owner_id == joe.id


async def test_a_store_that_is_away(store: CouchStore, data: DataSet) -> None:
    """Without the store a token is neither right nor wrong."""
    boss = data.users["boss"]
    token = await mint(StoreDocuments(store), boss.account.id, boss.id)
    away = CouchStore("http://127.0.0.1:9", timeout=1.0)
    await away.open()
    try:
        with pytest.raises(StoreUnreachable):
            await room(away).authenticate("x-auth-token", token)
    finally:
        await away.close()


async def test_the_command(store: CouchStore, data: DataSet, couchdb_url: str) -> None:
    """`token` prints one that is accepted, and says what is missing otherwise."""
    joe = data.users["joe"]

    def run(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(main, ["token", "--couchdb-url", couchdb_url, *arguments])
        return result.exit_code, result.stdout.strip(), result.stderr

    status, token, _ = await asyncio.to_thread(run, "--account", joe.account.id, "--user", joe.id)
    assert status == 0
    assert (await room(store).authenticate("x-auth-token", token)).owner_id == joe.id
    status, token, _ = await asyncio.to_thread(run, "--account", joe.account.id, "--expires-in", "0")
    assert (await room(store).authenticate("x-auth-token", token)).expires_at is None
    status, output, problem = await asyncio.to_thread(run, "--account", "0" * 32)
    assert (status, output) == (1, "")
    assert "there is no account" in problem


async def test_a_token_of_an_account_that_nobody_logged_in_to(
    store: CouchStore, data: DataSet, couchdb_url: str
) -> None:
    """Kazoo makes the secret at the first login: until then `token` prints one that ends, and says what it
    can't do; one for ever is refused."""
    database = account_database(data.other.id)
    stored = {**await store.get(database, data.other.id)}
    del stored["pvt_signature_secret"]
    await store.put(database, stored)

    def run(*arguments: str) -> tuple[int, str, str]:
        command = ["token", "--couchdb-url", couchdb_url, "--account", data.other.id, *arguments]
        result = CliRunner().invoke(main, command)
        return result.exit_code, result.stdout.strip(), result.stderr

    status, token, said = await asyncio.to_thread(run)
    assert (status, "cannot be revoked" in said, "log in once" in said) == (0, True, True)
    assert (await room(store).authenticate("x-auth-token", token)).account_id == data.other.id
    status, output, said = await asyncio.to_thread(run, "--expires-in", "0")
    assert (status, output, "log in once" in said) == (1, "", True)
