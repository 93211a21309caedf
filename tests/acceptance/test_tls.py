"""What docs/tls.md says: CouchDB and RabbitMQ by TLS only, clients by https:// and wss:// through HAProxy."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.store.couch import CouchStore
from scripts.daemons import free_port
from tests.support.certificates import Authority, make_authority
from tests.support.haproxy import EXCERPT, PATIENCE, addressed, haproxy
from tests.support.serving import serving

#: What stands before the two services: nobody reaches them here but by TLS.
SERVICES = """
defaults
    timeout connect 5s
    timeout client 60s
    timeout server 60s

listen couchdb
    mode http
    bind 127.0.0.1:{couchdb} ssl crt {certificate}
    server couchdb {plain_couchdb}

listen rabbitmq
    mode tcp
    bind 127.0.0.1:{rabbitmq} ssl crt {certificate}
    server rabbitmq {plain_rabbitmq}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """The services' addresses with TLS, and whom to trust."""

    couchdb_url: str
    amqp_url: str
    authority: Authority
    data: DataSet
    tokens: Mapping[str, str]


@pytest.fixture
async def site(tmp_path: Path, amqp_url: str, couchdb_url: str) -> AsyncIterator[Site]:
    """HAProxy ends TLS before the real services, with a certificate of an authority of its own."""
    data, store = DataSet.fresh(), CouchStore(couchdb_url)
    await store.open()
    await seed(store, data)
    tokens = await mint_tokens(store, data)
    await store.close()
    authority = make_authority(tmp_path)
    couchdb, rabbitmq = URL(couchdb_url), URL(amqp_url)
    ports = free_port(), free_port()
    config = tmp_path / "services.cfg"
    config.write_text(
        SERVICES.format(
            couchdb=ports[0],
            rabbitmq=ports[1],
            certificate=authority.server,
            plain_couchdb=f"{couchdb.host}:{couchdb.port}",
            plain_rabbitmq=f"{rabbitmq.host}:{rabbitmq.port or 5672}",
        )
    )
    async with haproxy(config, ports[0]):
        yield Site(
            str(couchdb.with_scheme("https").with_host("127.0.0.1").with_port(ports[0])),
            str(rabbitmq.with_scheme("amqps").with_host("127.0.0.1").with_port(ports[1])),
            authority,
            data,
            tokens,
        )


@pytest.mark.parametrize("named", ["by the variable", "by the URI too"])
@pytest.mark.timeout(240)
async def test_everything_by_tls(
    site: Site, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the authority in ``SSL_CERT_FILE`` the sidecar is ready; clients get their answers by https:// and
    wss:// through the excerpt of HAProxy's configuration, with its lines for both switched on."""
    monkeypatch.setenv("SSL_CERT_FILE", str(site.authority.certificate))
    amqp_url = site.amqp_url
    if named == "by the URI too":
        amqp_url = str(URL(amqp_url).update_query(cafile=str(site.authority.certificate)))
    http_port, operations_port, plain, secure = (free_port() for _ in range(4))
    flags = ["--http-port", str(http_port), "--operations-port", str(operations_port)]
    flags += ["--node-name", f"crossbar_conferences@tls{secure}.test"]
    text = EXCERPT.read_text("utf-8").replace("#bind", "bind").replace("#use_backend", "use_backend")
    shown = {
        "127.0.0.1:8080": f"127.0.0.1:{plain}",
        "10.0.0.5:8443": f"127.0.0.1:{secure}",
        "/etc/haproxy/certs/kazoo.pem": str(site.authority.server),
        "10.0.0.21:8000": f"127.0.0.1:{http_port}",
        "10.0.0.21:9100": f"127.0.0.1:{operations_port}",
        "10.0.0.11:8000": f"127.0.0.1:{free_port()}",
    }
    config = tmp_path / "haproxy.cfg"
    config.write_text(addressed(text, shown))
    trust = ssl.create_default_context(cafile=str(site.authority.certificate))
    token = site.tokens["boss"]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(amqp_url, site.couchdb_url, *flags))
        await stack.enter_async_context(haproxy(config, secure))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), headers={"X-Auth-Token": token})
        )
        await _ready(http, f"http://127.0.0.1:{operations_port}")
        address = f"127.0.0.1:{secure}"
        url = f"https://{address}/v2/accounts/{site.data.main.id}/conferences"
        async with asyncio.timeout(PATIENCE):
            while True:
                async with http.get(url) as answer:
                    if answer.status == 200:
                        break
                # Until HAProxy's checks have found the sidecar.
                await asyncio.sleep(0.1)
        async with http.ws_connect(f"wss://{address}/websocket") as socket:
            await socket.send_json({"action": "ping", "auth_token": token})
            assert (await socket.receive_json(timeout=PATIENCE))["data"] == {"response": "pong"}


async def _ready(http: aiohttp.ClientSession, operations_url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            async with http.get(f"{operations_url}/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)


@pytest.mark.timeout(120)
async def test_an_unknown_authority_is_refused(site: Site) -> None:
    """Without it neither is believed: ``doctor`` fails for both, and nothing is sent to them."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SSL_CERT")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossbar_conferences", "doctor", "--quick"),
        *("--couchdb-url", site.couchdb_url, "--amqp-urls", site.amqp_url),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 2, said
    failed = {line.split()[1] for line in said.decode().splitlines() if line.startswith("fail")}
    assert {"store", "broker"} <= failed, said
