"""``crossbar-conferences views``: our design documents in a cluster's databases, ahead of their first use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import click

from ..errors import CrossbarConferencesError
from ..logs import configure
from ..settings import Settings, options
from ..store.couch import CouchStore
from ..store.names import ACCOUNTS, account_database, is_account_id
from ..store.port import DatabaseMissing, StoreUnreachable, View, ViewQuery
from ..store.views import ACCOUNTS_BY_NAME, INSTALLED, OWN_DESIGN, design_of, look
from . import removal
from .adapters import open_store

#: What is found where the other states of `store.views` can't be.
NO_DATABASE = "no such database"

#: What is said of a database whose views have not been built in time; CouchDB goes on building them.
BUILDING: Final = "still building"

#: Seconds that the views of one database may take to be built.
BUILT_WITHIN: Final = 600.0

_STORE_SETTINGS = ("config_file", "couchdb_url", "couchdb_user", "couchdb_password", "store_timeout_seconds")

_Act = Callable[[CouchStore, str, Mapping[str, Any]], Awaitable[str]]


@click.group()
def views() -> None:
    """Our own views in the account databases.

    They are installed by themselves when first needed; on large databases their first use waits
    until they are built, so an operator may want to do it ahead of time.
    """
    # What becomes of each database is told; the log of a server would only disturb.
    configure("error", "console")


@views.command()
@click.argument("account_ids", metavar="[ACCOUNT_ID]...", nargs=-1)
@options(*_STORE_SETTINGS)
def install(settings: Settings, account_ids: tuple[str, ...]) -> None:
    """Install the views in the databases of these accounts, by default of all; waits until built."""
    found = _run(settings, account_ids, install_and_wait)
    if not all(state == INSTALLED for state in found.values()):
        raise click.ClickException("not every database has the views")


@views.command()
@click.argument("account_ids", metavar="[ACCOUNT_ID]...", nargs=-1)
@options(*_STORE_SETTINGS)
def status(settings: Settings, account_ids: tuple[str, ...]) -> None:
    """Tell which databases have the views; exit status 1 when one hasn't. Changes nothing."""
    found = _run(settings, account_ids, look)
    if not all(state == INSTALLED for state in found.values()):
        raise click.exceptions.Exit(1)


@views.command()
@click.argument("account_ids", metavar="[ACCOUNT_ID]...", nargs=-1)
@click.option(
    "--yes", is_flag=True, help="Do it. Without it, what would be removed is listed, and that is all."
)
@options(*_STORE_SETTINGS)
def remove(settings: Settings, account_ids: tuple[str, ...], yes: bool) -> None:
    """Remove the views from these accounts' databases, by default from all, and from that of all accounts.

    Only what the sidecar wrote goes. A sidecar that runs writes them anew with the next request.
    """
    _check_ids(account_ids)
    try:
        left = asyncio.run(_remove(settings, account_ids, yes))
    except CrossbarConferencesError as error:
        raise click.ClickException(str(error) or type(error).__name__) from None
    if left:
        raise click.ClickException(f"written meanwhile, and left: {', '.join(left)}")


async def _remove(settings: Settings, account_ids: tuple[str, ...], yes: bool) -> list[str]:
    async with opened(settings) as store:
        databases = [account_database(account_id) for account_id in account_ids] or None
        written = await removal.look_for(store, databases)
        for database, reason in written.unseen.items():
            click.echo(f"{database}: {reason}")
        for design in written.foreign:
            click.echo(f"{design.database}: {OWN_DESIGN} is not the sidecar's, and stays")
        for design in written.ours:
            click.echo(f"{design.database}: {OWN_DESIGN} {'is removed' if yes else 'would be removed'}")
        if not written.ours:
            click.echo("There is nothing to remove.")
        elif not yes:
            click.echo("Nothing was removed: add --yes to do it.")
        return await removal.remove_designs(store, written.ours) if yes else []


def _check_ids(account_ids: tuple[str, ...]) -> None:
    for account_id in account_ids:
        if not is_account_id(account_id):
            raise click.BadParameter(f"{account_id} is no account id")


def _run(settings: Settings, account_ids: tuple[str, ...], act: _Act) -> dict[str, str]:
    _check_ids(account_ids)
    try:
        return asyncio.run(_each(settings, account_ids, act))
    except CrossbarConferencesError as error:
        raise click.ClickException(str(error)) from None


async def _each(settings: Settings, account_ids: tuple[str, ...], act: _Act) -> dict[str, str]:
    found: dict[str, str] = {}
    async with opened(settings) as store:
        await _note(store, ACCOUNTS, act, found)
        if not account_ids and found[ACCOUNTS] == INSTALLED:
            rows = await store.query(ACCOUNTS, ACCOUNTS_BY_NAME, ViewQuery())
            account_ids = tuple(dict.fromkeys(row.id for row in rows if is_account_id(row.id)))
        elif not account_ids:
            click.echo("The accounts can't be listed before the views of the accounts database are there.")
        for account_id in account_ids:
            await _note(store, account_database(account_id), act, found)
    return found


async def _note(store: CouchStore, database: str, act: _Act, found: dict[str, str]) -> None:
    design = design_of(database)
    if design is None:
        return
    try:
        found[database] = await act(store, database, design)
    except DatabaseMissing:
        found[database] = NO_DATABASE
    click.echo(f"{database}: {OWN_DESIGN} {found[database]}")


async def install_and_wait(
    store: CouchStore,
    database: str,
    design: Mapping[str, Any],
    *,
    within: float = BUILT_WITHIN,
    pause: float = 1.0,
) -> str:
    """Put a design document in place, and wait until CouchDB has built its views (seconds).

    CouchDB answers no question before; the build goes on while nobody asks. `INSTALLED` or `BUILDING`."""
    await store.install(database, design)
    view = View(OWN_DESIGN, next(iter(design["views"])))
    try:
        async with asyncio.timeout(within):
            while True:
                try:
                    await store.query(database, view, ViewQuery(limit=1))
                    return INSTALLED
                except StoreUnreachable:
                    # It is away, and that ends the command, or it is building.
                    await store.ping()
                    await asyncio.sleep(pause)
    except TimeoutError:
        return BUILDING


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[CouchStore]:
    """The cluster's document store."""
    store = open_store(settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()
