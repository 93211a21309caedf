"""The operators' pages, typed as they are: from the installation to the removal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from crossbar_conferences.dataset import DataSet, seed
from crossbar_conferences.store.couch import CouchStore
from crossbar_conferences.switch.cli import Simulator, SimulatorOptions
from scripts.daemons import PouchDB, free_port
from tests.support.haproxy import DEBIAN
from tests.support.walk import in_order
from tests.support.walker import Walker

CONFIG = """\
[zone]
name = "local"
amqp_uri = "{amqp}"
[bigcouch]
ip = "127.0.0.1"
port = {couchdb}
[kazoo_apps]
cookie = change_me
zone = "local"
"""


@pytest.fixture
def couchdb(tmp_path: Path) -> Iterator[PouchDB]:
    """A store of this walk's own: what other tests left in theirs would be found by ``doctor``."""
    server = PouchDB(tmp_path / "couchdb")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def data(couchdb: PouchDB) -> DataSet:
    """The accounts of a small cluster."""
    made, store = DataSet.fresh(), CouchStore(couchdb.url)
    await store.open()
    await seed(store, made)
    await store.close()
    return made


@pytest.fixture
async def walker(tmp_path: Path, couchdb: PouchDB, amqp_url: str, data: DataSet) -> AsyncIterator[Walker]:
    """A host with Kazoo's configuration and HAProxy's, a crossbar, an ecallmgr; and nothing of ours."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text='{"status":"success","served_by":"crossbar"}')

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    api, operations, websocket, bind = (free_port() for _ in range(4))
    config = tmp_path / "host/etc/kazoo/core/config.ini"
    environ = {
        "KAZOO_CONFIG": str(config),
        "CROSSBAR_CONFERENCES_HTTP_PORT": str(api),
        "CROSSBAR_CONFERENCES_OPERATIONS_PORT": str(operations),
        "CROSSBAR_CONFERENCES_WEBSOCKET_PORT": str(websocket),
        "CROSSBAR_CONFERENCES_NODE_NAME": f"crossbar_conferences@walk{api}.test",
        "ACCOUNT": data.main.id,
        "USER_ID": data.users["boss"].id,
    }
    plain = f"http://127.0.0.1:{operations}"
    options = SimulatorOptions(zones=(("local", amqp_url),))
    async with TestServer(app) as crossbar, Simulator(options):
        addresses = {
            "127.0.0.1:8080": f"127.0.0.1:{bind}",
            "127.0.0.1:9100": f"127.0.0.1:{operations}",
            "10.0.0.21:8000": f"127.0.0.1:{api}",
            "10.0.0.21:9100": f"127.0.0.1:{operations}",
            "10.0.0.11:8000": f"127.0.0.1:{crossbar.port}",
            "10.0.0.21": "127.0.0.1",
            "10.0.0.5": "127.0.0.1",
        }
        async with Walker(tmp_path / "host", addresses, environ, plain, bind) as made:
            config.write_text(CONFIG.format(amqp=amqp_url, couchdb=couchdb.port))
            (tmp_path / "host/etc/haproxy/haproxy.cfg").write_text(DEBIAN)
            yield made


@pytest.mark.timeout(400)
async def test_the_pages_hold_as_they_are_typed(walker: Walker) -> None:
    """Every block of install, configure, drop-in, operations, alarms, troubleshooting, support and upgrade
    either runs and does what the page says, or says why it is not run."""
    for block in in_order():
        await walker.walk(block)
