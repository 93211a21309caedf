"""``crossbar-conferences uninstall``: everything that the sidecar ever wrote, out of the cluster again."""

from __future__ import annotations

import asyncio
import secrets

import click

from ..broker.bus import Bus
from ..broker.nodes import Node
from ..errors import CrossbarConferencesError
from ..logs import configure
from ..settings import Settings, options
from ..store import own
from .adapters import open_transport
from .removal import Written, look_for, remove_designs
from .views import opened

#: What our own database holds, in words.
_KINDS = {
    "number": "reserved numbers",
    "name": "reserved names",
    "conference": "owners of conferences",
    "recording": "notes about recordings",
    "meetings": "conferences with meetings that were sent",
    "guest_key": "key of guests' tokens",
    "foreign": "documents that the sidecar did not write",
}

#: How sidecars are called where nobody chose a name.
_DEFAULT_NAME = "crossbar_conferences@"

_LOOK_EVERY = 0.1


@click.command()
@click.option(
    "--yes", is_flag=True, help="Do it. Without it, what would be removed is listed, and that is all."
)
@click.option(
    "--force",
    is_flag=True,
    help="Also while a sidecar is heard, or nobody can be heard, or documents of others are in our database.",
)
@click.option(
    "--listen-for",
    type=click.FloatRange(0.1, 60.0),
    default=16.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to listen for a sidecar that runs; they speak every 15 seconds at least.",
)
@options()
def uninstall(settings: Settings, yes: bool, force: bool, listen_for: float) -> None:
    """Remove everything that the sidecar wrote: its views, and its database crossbar_conferences.

    Lists it first. Conferences stay, and so does what is Kazoo's. Guests' tokens end, and meetings that were
    sent can't be moved or cancelled any more. Exit status: 1 when something is left.
    """
    configure("critical", "console")
    try:
        asyncio.run(_uninstall(settings, yes, force, listen_for))
    except CrossbarConferencesError as error:
        raise click.ClickException(str(error) or type(error).__name__) from None


async def _uninstall(settings: Settings, yes: bool, force: bool, listen_for: float) -> None:
    async with opened(settings) as store:
        written = await look_for(store)
        _tell(written)
        if not written.ours and written.documents is None:
            click.echo("There is nothing to remove.")
            return
        if not yes:
            click.echo("Nothing was removed: add --yes to do it, with every sidecar stopped.")
            return
        if not force:
            _check_documents(written)
            await _check_nobody_runs(settings, listen_for)
        await remove_designs(store, written.ours)
        if written.documents is not None:
            await store.delete_database(own.DATABASE)
        rest = await look_for(store)
    if rest.ours or rest.documents is not None:
        _tell(rest)
        raise click.ClickException("this was written meanwhile: does a sidecar still run?")
    click.echo("Everything was removed.")


def _tell(written: Written) -> None:
    for design in written.ours:
        click.echo(f"{design.database}: views (_design/crossbar_conferences {design.revision})")
    for design in written.foreign:
        click.echo(f"{design.database}: _design/crossbar_conferences is not the sidecar's, and stays")
    if written.documents is not None:
        click.echo(f"{own.DATABASE}: the database, with {sum(written.documents.values())} documents")
        for kind, count in sorted(written.documents.items()):
            click.echo(f"  {count} {_KINDS[kind]}")


def _check_documents(written: Written) -> None:
    if written.documents and written.documents.get("foreign"):
        raise click.ClickException(
            f"the database {own.DATABASE} holds documents that the sidecar did not write; look at them, and "
            "add --force to remove them too"
        )


async def _check_nobody_runs(settings: Settings, listen_for: float) -> None:
    """Refuse while a sidecar is heard: it would write everything anew."""
    click.echo(f"Listening for sidecars for {listen_for:g} s …", err=True)
    host = settings.node_name.partition("@")[2]
    bus = Bus(open_transport(settings), f"uninstall_{secrets.token_hex(4)}@{host}", advertise=False)
    try:
        await bus.start()
        found, was_connected = await _heard(settings, bus, listen_for)
    finally:
        await bus.close()
    if found:
        names = ", ".join(sorted(found))
        raise click.ClickException(f"a sidecar runs: {names}; stop it first, or add --force")
    if not was_connected:
        raise click.ClickException(
            "no broker is connected, so it can't be heard whether a sidecar runs; stop all, and add --force"
        )


async def _heard(settings: Settings, bus: Bus, listen_for: float) -> tuple[set[str], bool]:
    """The sidecars that are heard, at the first of them; and whether anybody could be."""
    loop = asyncio.get_running_loop()
    until = loop.time() + settings.broker_timeout_seconds
    # The bus tells when it is connected, but not when the time is over.
    while not bus.connected and loop.time() < until:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_EVERY)
    if not bus.connected:
        return set(), False
    until = loop.time() + listen_for
    while loop.time() < until:
        found = {node.name for node in bus.nodes.all() if _is_sidecar(node, settings)}
        if found:
            return found, True
        await asyncio.sleep(_LOOK_EVERY)
    return set(), bus.connected


def _is_sidecar(node: Node, settings: Settings) -> bool:
    names_it = node.name == settings.node_name or node.name.startswith(_DEFAULT_NAME)
    return node.sidecar_id is not None or names_it
