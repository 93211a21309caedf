"""What every test may ask for: the real services, an environment without surprises, accounts of its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from blockbuster import BlockBuster

from crossbar_conferences.logs import TALKATIVE as LIBRARIES
from crossbar_conferences.store.port import Store

if TYPE_CHECKING:
    from crossbar_conferences.dataset import DataSet

#: Seeds a data set that nobody else uses, into a store that a test has opened.
SeedAccounts = Callable[[Store], Awaitable["DataSet"]]


def _service(variable: str) -> str:
    url = os.environ.get(variable)
    if not url:
        # Never a skip: a suite that ran without its services has shown nothing.
        pytest.fail(f"{variable} is not set: run `make test`, which starts the services", pytrace=False)
    return url


@pytest.fixture(scope="session")
def amqp_url() -> str:
    """A real RabbitMQ."""
    return _service("AMQP_URL")


@pytest.fixture(scope="session")
def couchdb_url() -> str:
    """A real CouchDB, or a server that speaks its API."""
    return _service("COUCHDB_URL")


@pytest.fixture(scope="session")
def accounts() -> SeedAccounts:
    """`await accounts(store)` writes the demo's data set with fresh ids, so that tests never meet."""

    from crossbar_conferences.dataset import DataSet, seed

    async def write(store: Store) -> DataSet:
        data = DataSet.fresh()
        await seed(store, data)
        return data

    return write


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own settings must not reach a test."""
    for name in list(os.environ):
        if name.startswith(("CROSSBAR_CONFERENCES_", "KAZOO_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _loggers_are_not_kept() -> Iterator[None]:
    """A command that a test runs in this process sets logging up; no logger may keep that for good."""
    configure = structlog.configure

    def configure_for_now(**given: Any) -> None:
        configure(**{**given, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", configure_for_now)
        yield


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What a test sets up of logging ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in LIBRARIES:
            logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(autouse=True, scope="session")
def _no_blocking_calls() -> Iterator[None]:
    """A blocking call of our own inside a running event loop is an error wherever it is made."""
    # The command-line tools read files between their requests, and nobody else waits for their loop.
    buster = BlockBuster(
        ["crossbar_conferences"],
        excluded_modules=[f"crossbar_conferences.{name}" for name in ("cli", "demo", "replay")],
    )
    buster.activate()
    yield
    buster.deactivate()
