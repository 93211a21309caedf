"""Guesses through the real HAProxy with our configuration end in 429, whatever headers are sent."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from crossbar_conferences.dataset import DataSet, seed
from crossbar_conferences.store.couch import CouchStore
from scripts.daemons import free_port
from scripts.installing import ensure_haproxy
from tests.support.serving import PATIENCE, serving

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "haproxy.cfg"

Headers = list[tuple[str, str]]
#: What a client writes with its n-th request.
TRICKS: Mapping[str, Callable[[int], Headers]] = {
    "one": lambda n: [("X-Forwarded-For", f"198.51.100.{n}")],
    "before ours": lambda n: [("X-Forwarded-For", f"198.51.100.{n}, 127.0.0.1")],
    "many lines": lambda n: [("X-Forwarded-For", f"198.51.{line}.{n}") for line in range(50)],
    "other case": lambda n: [("x-fOrWaRdEd-FoR", f"198.51.100.{n}")],
    "nonsense": lambda n: [("X-Forwarded-For", f"nonsense-{n}")],
    "ports": lambda n: [("X-Forwarded-For", f"198.51.100.1:{n + 1}")],
    "commas": lambda n: [("X-Forwarded-For", "," * n)],
    "hop by hop": lambda n: [
        ("X-Forwarded-For", f"198.51.100.{n}"),
        ("Connection", "keep-alive, X-Forwarded-For"),
    ],
    "forwarded": lambda n: [("Forwarded", f"for=198.51.100.{n}"), ("X-Forwarded-For", f"::{n}")],
    "real": lambda n: [("X-Real-IP", f"198.51.100.{n}"), ("X-Client-IP", f"198.51.100.{n}")],
    "underscores": lambda n: [("X_Forwarded_For", f"198.51.100.{n}")],
}


@dataclass(frozen=True, slots=True)
class Site:
    """HAProxy with a sidecar of two workers behind it."""

    url: str
    account: str

    async def ask(self, client: str, method: str, path: str, headers: Headers, body: Any = None) -> int:
        """One request from an address of this host; its status."""
        connector = aiohttp.TCPConnector(local_addr=(client, 0), force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.request(method, self.url + path, headers=CIMultiDict(headers), json=body) as answer,
        ):
            return answer.status

    async def guess(self, client: str, headers: Headers) -> int:
        """A PIN for a conference that there is not."""
        names = {"account_name": "nobody", "conference_name": "nothing", "conference_pin": "1234"}
        return await self.ask(client, "PUT", "/v2/conference_auth", headers, {"data": names})


@pytest.fixture
async def site(tmp_path: Path, amqp_url: str, couchdb_url: str) -> AsyncIterator[Site]:
    """As it is shipped: only the ports are ours."""
    data, store = DataSet.fresh(), CouchStore(couchdb_url)
    await store.open()
    await seed(store, data)
    await store.close()
    bind, http_port, operations_port, nobody = (free_port() for _ in range(4))
    environment = {
        "BIND": f"127.0.0.1:{bind}",
        "SIDECAR": f"127.0.0.1:{http_port}",
        "SIDECAR_CHECKS": f"127.0.0.1:{operations_port}",
        "CROSSBAR": f"127.0.0.1:{nobody}",
    }
    flags = ["--http-port", str(http_port), "--operations-port", str(operations_port), "--workers", "2"]
    flags += ["--node-name", f"crossbar_conferences@addresses{bind}.test"]
    async with serving(amqp_url, couchdb_url, *flags):
        with (tmp_path / "haproxy.log").open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(str(ensure_haproxy()), "-db", "-f", str(CONFIG)),
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
            )
        try:
            made = Site(f"http://127.0.0.1:{bind}", data.main.id)
            async with asyncio.timeout(PATIENCE):
                while True:
                    with suppress(aiohttp.ClientError):
                        if await made.ask("127.0.0.1", "GET", "/v2/conferences", []) == 401:
                            break
                    # HAProxy tells nobody when its checks have found the sidecar.
                    await asyncio.sleep(0.1)
            yield made
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)


@pytest.mark.timeout(240)
async def test_no_header_buys_another_guess(site: Site) -> None:
    """A guess costs 35 of 100 tokens: each client is refused at its third or fourth, and no other one is."""
    for number, (name, headers) in enumerate(TRICKS.items(), start=10):
        client = f"127.0.1.{number}"
        statuses = await asyncio.gather(*(site.guess(client, headers(n)) for n in range(1, 13)))
        assert 1 <= statuses.count(401) <= 6, (name, statuses)
        assert set(statuses) == {401, 429}, (name, statuses)
    # From this host itself, which is a proxy that is trusted.
    statuses = await asyncio.gather(
        *(site.guess("127.0.0.1", TRICKS["before ours"](n)) for n in range(1, 13))
    )
    assert statuses.count(401) <= 6, statuses
    assert await site.guess("127.0.1.200", TRICKS["one"](10)) == 401


@pytest.mark.timeout(240)
async def test_many_addresses_do_not_help(site: Site) -> None:
    """Three hundred Basic credentials for one account, each from another address and for another path."""

    async def guess(number: int) -> int:
        text = base64.b64encode(f"{site.account}:{number:032x}".encode()).decode()
        path = f"/v2/accounts/{number:032x}/conferences"
        return await site.ask(
            f"127.0.2.{number % 250 + 1}", "GET", path, [("Authorization", f"Basic {text}")]
        )

    statuses = []
    for begin in range(0, 300, 20):
        statuses += await asyncio.gather(*(guess(number) for number in range(begin, begin + 20)))
    assert set(statuses) == {401, 429}
    assert 100 <= statuses.count(401) < 250
    assert statuses.count(429) > 50
