"""``crossbar-conferences describe``: the API's descriptions, for tools and for the repository."""

from __future__ import annotations

import click
import orjson

from ..describe import asyncapi, openapi
from ..version import version

_DOCUMENTS = {"openapi": openapi.document, "asyncapi": asyncapi.document}


@click.command()
@click.argument("what", type=click.Choice(sorted(_DOCUMENTS)))
def describe(what: str) -> None:
    """Print the OpenAPI document of the HTTP API, or the AsyncAPI document of the websocket."""
    document = _DOCUMENTS[what](version())
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode())
