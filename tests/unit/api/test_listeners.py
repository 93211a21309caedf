"""Ports are served until they are told to stop, those of operators until the very end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from crossbar_conferences.api.listeners import Listeners
from crossbar_conferences.settings import load

LOOPBACK = "127.0.0.1"


async def greet(request: web.BaseRequest) -> web.StreamResponse:
    """Says what was asked for."""
    return web.Response(text=request.path)


def refuse(request: web.BaseRequest, reason: str | None) -> web.Response:
    """Says why."""
    return web.Response(status=400, text=str(reason))


def listeners_with(**shared: socket.socket) -> Listeners:
    return Listeners(load({}, environ={}, candidates=()), shared, refuse)


@pytest.fixture
async def listeners() -> AsyncIterator[Listeners]:
    """Two ports, one of them served until the end."""
    ours = listeners_with()
    await ours.listen("api", greet, LOOPBACK, 0)
    await ours.listen("operations", greet, LOOPBACK, 0, until_closed=True)
    yield ours
    await ours.close()


async def asked(url: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(url + "/x") as answer:
        return await answer.text()


async def test_each_port_is_served_and_known_by_name(listeners: Listeners) -> None:
    """A free port was asked for: the address says which one it became."""
    assert set(listeners.urls) == {"api", "operations"}
    assert [await asked(url) for url in listeners.urls.values()] == ["/x", "/x"]
    assert listeners.dropped == 0


async def test_who_stops_accepting_is_still_looked_after(listeners: Listeners) -> None:
    """New clients are refused, an open connection goes on, and operators still see how it goes."""
    async with aiohttp.ClientSession() as http:
        async with http.get(listeners.urls["api"]) as answer:
            await answer.read()
        await listeners.stop_accepting()
        with pytest.raises(aiohttp.ClientConnectorError):
            await asked(listeners.urls["api"])
        async with http.get(listeners.urls["api"]) as answer:
            assert answer.status == 200
    assert await asked(listeners.urls["operations"]) == "/x"
    await listeners.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await asked(listeners.urls["operations"])


async def test_a_shared_socket_is_used_as_it_is() -> None:
    """Its queue is as long again as it was, though this process takes one connection at a time."""
    with socket.create_server((LOOPBACK, 0)) as shared:
        shared.setblocking(False)
        ours = listeners_with(api=shared)
        await ours.listen("api", greet, LOOPBACK, 1)
        try:
            url = f"http://{LOOPBACK}:{shared.getsockname()[1]}"
            assert ours.urls["api"] == url
            assert await asked(url) == "/x"
        finally:
            await ours.close()


async def test_a_port_that_is_taken_is_an_error(listeners: Listeners) -> None:
    """The caller hears of it."""
    port = int(listeners.urls["api"].rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await listeners.listen("again", greet, LOOPBACK, port)
