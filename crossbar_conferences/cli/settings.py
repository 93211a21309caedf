"""``crossbar-conferences settings``: the effective settings and where each comes from."""

from __future__ import annotations

import os

import click
import orjson

from ..settings import Settings, as_object, as_text, options, unknown_variables


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options()
def settings(settings: Settings, form: str) -> None:
    """Show the effective settings with their origins, secrets masked.

    Stronger first: command line, environment, Kazoo's config.ini, default. The process ends with
    status 2 when a value is bad.
    """
    if form == "json":
        click.echo(orjson.dumps(as_object(settings), option=orjson.OPT_INDENT_2))
    else:
        click.echo(as_text(settings))
    for name in unknown_variables(os.environ):
        click.echo(f"{name} is no setting of this program", err=True)
