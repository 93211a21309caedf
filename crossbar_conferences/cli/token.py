"""``crossbar-conferences token``: a token for a cluster whose database can be read."""

from __future__ import annotations

import asyncio

import click

from ..auth.mint import MintError, SecretMissing, mint
from ..auth.port import StoreDocuments
from ..errors import CrossbarConferencesError
from ..logs import configure
from ..settings import Settings, options
from ..store.couch import CouchStore


@click.command()
@click.option(
    "--account", "account_id", required=True, metavar="ID", help="the account that the token is for"
)
@click.option(
    "--user", "user_id", metavar="ID", help="the user that the token is for; by default the account"
)
@click.option(
    "--expires-in",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="how long it is valid; 0 for ever",
)
@click.option(
    "--method", metavar="NAME", help="how the caller is said to have logged in, such as cb_user_auth"
)
@options(
    "config_file",
    "node_name",
    "zone",
    "couchdb_url",
    "couchdb_user",
    "couchdb_password",
    "store_timeout_seconds",
)
def token(
    settings: Settings, account_id: str, user_id: str | None, expires_in: float, method: str | None
) -> None:
    """Print a token of an account, or of one of its users, that Kazoo and this program accept.

    It is signed with the cluster's own key, read from the database: whoever can run this may do
    anything in the cluster anyway. Of an account or user that nobody has logged in to yet the token cannot be
    revoked before it ends; that is said on stderr.
    """
    configure("error", "console")
    try:
        text = _minted(settings, account_id, user_id, expires_in or None, method)
    except CrossbarConferencesError as error:
        raise click.ClickException(str(error)) from None
    click.echo(text)


def _minted(
    settings: Settings, account_id: str, user_id: str | None, expires_in: float | None, method: str | None
) -> str:
    """A token that can be revoked, or where that can't be one that ends."""
    try:
        return asyncio.run(mint_token(settings, account_id, user_id, expires_in, method))
    except SecretMissing as error:
        log_in = "log in once (PUT /v2/user_auth, or /v2/api_auth for the account): Kazoo makes it then"
        if expires_in is None:
            raise MintError(
                f"{error}, and without one a token for ever could not be revoked; {log_in}"
            ) from None
        click.echo(f"note: {error}: this token cannot be revoked before it ends; {log_in}", err=True)
        return asyncio.run(mint_token(settings, account_id, user_id, expires_in, method, signed=False))


async def mint_token(
    settings: Settings,
    account_id: str,
    user_id: str | None = None,
    expires_in: float | None = 3600,
    method: str | None = None,
    *,
    signed: bool = True,
) -> str:
    """A token of the cluster that the settings name. Raises `MintError` and the store's errors."""
    store = CouchStore(
        settings.couchdb_url,
        settings.couchdb_user or None,
        settings.couchdb_password or None,
        timeout=settings.store_timeout_seconds,
    )
    await store.open()
    try:
        return await mint(
            StoreDocuments(store),
            account_id,
            user_id,
            expires_in=expires_in,
            method=method,
            node_name=settings.node_name,
            zone=settings.zone,
            signed=signed,
        )
    finally:
        await store.close()
