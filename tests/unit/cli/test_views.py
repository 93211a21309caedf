"""Installing views waits for CouchDB to build them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from crossbar_conferences.cli.views import BUILDING, install_and_wait
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.store.names import account_database
from crossbar_conferences.store.port import Row, StoreUnreachable, View, ViewQuery
from crossbar_conferences.store.views import INSTALLED, design_of

DATABASE = account_database("a" * 32)


class Building(CouchStore):
    """Does not answer questions of a view for as often as it is told to."""

    def __init__(self, silent: int, *, away: bool = False) -> None:
        super().__init__("http://127.0.0.1:9")
        self.asked = 0
        self._silent = silent
        self._away = away

    async def install(self, database: str, design: Mapping[str, Any]) -> bool:
        return True

    async def query(self, database: str, view: View, query: ViewQuery) -> list[Row]:
        self.asked += 1
        if self.asked <= self._silent:
            raise StoreUnreachable
        return []

    async def ping(self) -> str:
        if self._away:
            raise StoreUnreachable("away")
        return "3.5.0"


def _design() -> Mapping[str, Any]:
    design = design_of(DATABASE)
    assert design is not None
    return design


async def test_waits_until_the_views_are_built() -> None:
    """A view that does not answer yet is asked again."""
    store = Building(2)
    assert await install_and_wait(store, DATABASE, _design(), pause=0) == INSTALLED
    assert store.asked == 3


async def test_does_not_wait_for_ever() -> None:
    """After a while it is said that the views are still being built."""
    store = Building(10**9)
    assert await install_and_wait(store, DATABASE, _design(), within=0.05, pause=0.01) == BUILDING


async def test_does_not_wait_for_a_server_that_is_away() -> None:
    """A server that answers nothing at all is not building: that ends the command."""
    with pytest.raises(StoreUnreachable, match="away"):
        await install_and_wait(Building(1, away=True), DATABASE, _design(), pause=0)
