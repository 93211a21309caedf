"""``crossbar-conferences doctor``: what is wrong here, and what to do about it."""

from __future__ import annotations

import asyncio
import os

import click
import orjson

from ..doctor.configuration import check_unreadable
from ..doctor.examination import Patient, examine
from ..doctor.findings import Finding, as_object, as_text, exit_status
from ..errors import CrossbarConferencesError
from ..logs import configure
from ..settings import Settings, SettingsError, load_or_error, options
from .adapters import open_store, open_transport


@click.command()
@click.option("--quick", is_flag=True, help="Don't wait for other nodes to be heard.")
@click.option(
    "--listen-for",
    type=click.FloatRange(0.1, 60.0),
    default=16.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for Kazoo's nodes; they speak every 15 seconds at least.",
)
@click.option("--token", envvar="KAZOO_TOKEN", help="A token to check as the API would. [KAZOO_TOKEN]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options(read=load_or_error)
def doctor(
    settings: Settings | SettingsError, quick: bool, listen_for: float, token: str | None, form: str
) -> None:
    """Look at the configuration, CouchDB, RabbitMQ, Kazoo's nodes, the ports, and a token if given.

    Nothing that is stored is changed. Each line says ok, warn or fail, what is so, and what to do.
    Exit status: 0 when all is well, 1 when there are warnings only, 2 when something fails.
    """
    # What goes wrong is told as findings; the libraries' own words would only disturb.
    configure("critical", "console")
    findings = _findings(settings, 0.0 if quick else listen_for, token)
    if form == "json":
        click.echo(orjson.dumps(as_object(findings), option=orjson.OPT_INDENT_2))
    else:
        click.echo(as_text(findings))
    raise click.exceptions.Exit(exit_status(findings))


def _findings(settings: Settings | SettingsError, listen_for: float, token: str | None) -> list[Finding]:
    if isinstance(settings, SettingsError):
        return [check_unreadable(settings)]
    try:
        patient = Patient(settings, os.environ, open_store(settings), open_transport(settings), token)
        return asyncio.run(examine(patient, listen_for))
    except CrossbarConferencesError as error:
        raise click.ClickException(str(error)) from None
