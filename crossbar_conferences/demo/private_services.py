"""The demo's real services: those that the environment names, else private ones of a checkout."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import CrossbarConferencesError

CHECKOUT = Path(__file__).resolve().parents[2]


class ServicesMissing(CrossbarConferencesError):
    """The demo has no broker or no document store to work with."""


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """Where a broker and a document store are."""

    amqp_url: str
    couchdb_url: str


@asynccontextmanager
async def private_services(amqp_port: int | None, couchdb_port: int | None) -> AsyncIterator[ServiceUrls]:
    """A broker and a document store for as long as the block lasts. Raises `ServicesMissing`."""
    amqp_url, couchdb_url = os.environ.get("AMQP_URL"), os.environ.get("COUCHDB_URL")
    if amqp_url and couchdb_url:
        yield ServiceUrls(amqp_url, couchdb_url)
        return
    if not (CHECKOUT / "scripts" / "services.py").is_file():
        raise ServicesMissing(
            "set AMQP_URL and COUCHDB_URL, or run this in a checkout, or use demo --embedded"
        )
    sys.path.insert(0, str(CHECKOUT))
    try:
        scripts = importlib.import_module("scripts.services")
    finally:
        sys.path.remove(str(CHECKOUT))
    services = scripts.Services(amqp_port=amqp_port, couchdb_port=couchdb_port)
    try:
        try:
            await asyncio.to_thread(services.__enter__)
        except scripts.ServiceFailed as error:
            raise ServicesMissing(str(error)) from error
        yield ServiceUrls(services.amqp_url, services.couchdb_url)
    finally:
        # Not cut short by a second Ctrl-C: nothing may be left running.
        await asyncio.shield(asyncio.to_thread(services.close))
