"""The views command against a real document store."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner, Result

from crossbar_conferences.cli import main
from crossbar_conferences.dataset import DataSet, seed
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.views import OWN_DESIGN


@pytest.fixture
def data(couchdb_url: str) -> DataSet:
    """A data set in the real store; synchronous, as the command runs a loop of its own."""
    made = DataSet.fresh()

    async def write() -> None:
        store = CouchStore(couchdb_url)
        await store.open()
        await seed(store, made)
        await store.close()

    asyncio.run(write())
    return made


def _views(couchdb_url: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["views", *words, "--couchdb-url", couchdb_url])


def test_status_changes_nothing_and_install_installs(data: DataSet, couchdb_url: str) -> None:
    """Missing views are told with exit status 1; after install they are there, for status as well."""
    database = account_database(data.main.id)
    for _ in range(2):
        told = _views(couchdb_url, "status", data.main.id)
        assert told.exit_code == 1
        assert f"{database}: {OWN_DESIGN} missing" in told.output
    assert _views(couchdb_url, "install", data.main.id).exit_code == 0
    told = _views(couchdb_url, "status", data.main.id)
    assert told.exit_code == 0, told.output
    assert f"{database}: {OWN_DESIGN} installed" in told.output


def test_by_default_every_account_is_served(data: DataSet, couchdb_url: str) -> None:
    """Without account ids, install goes through all accounts that the accounts database lists."""
    installed = _views(couchdb_url, "install")
    for account in data.accounts.values():
        assert f"{account_database(account.id)}: {OWN_DESIGN} installed" in installed.output


def test_a_strange_account_is_said_to_be_missing(data: DataSet, couchdb_url: str) -> None:
    """An account without a database is told, and is a failure; what is no id is a usage error."""
    told = _views(couchdb_url, "install", "0" * 32)
    assert told.exit_code == 1
    assert "no such database" in told.output
    assert _views(couchdb_url, "status", "short").exit_code == 2


def test_unreachable_store_is_a_clear_message() -> None:
    """With no server there, the command ends with 1 and says so, without a traceback."""
    told = _views("http://127.0.0.1:9/", "status")
    assert told.exit_code == 1
    assert told.output.startswith("Error: ")
