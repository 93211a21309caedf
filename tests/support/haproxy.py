"""The excerpt for an HAProxy that is there already, and the configurations that it is put into."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from scripts.installing import ensure_haproxy

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
EXCERPT = DEPLOY / "haproxy-excerpt.cfg"
WHOLE = DEPLOY / "haproxy.cfg"
PATIENCE = 60.0

#: What Debian's package puts at /etc/haproxy/haproxy.cfg, but for TLS and pages of errors.
DEBIAN = """
global
	log /dev/log	local0
	log /dev/log	local1 notice
	chroot /var/lib/haproxy
	stats socket /run/haproxy/admin.sock mode 660 level admin
	stats timeout 30s
	user haproxy
	group haproxy
	daemon
	ca-base /etc/ssl/certs
	crt-base /etc/ssl/private
	ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets

defaults
	log	global
	mode	http
	option	httplog
	option	dontlognull
	timeout connect 5000
	timeout client  50000
	timeout server  50000
"""

#: The same with a frontend for crossbar, as an operator may have it.
OPERATORS = (
    DEBIAN
    + """
frontend api
	bind 127.0.0.1:8080
	http-request set-header X-Operator yes
	use_backend kazoo if { path_beg /v2/accounts }
	default_backend kazoo

backend kazoo
	balance roundrobin
	server node1 10.0.0.11:8000
"""
)


def lines_between(text: str) -> str:
    """What the excerpt says goes into a frontend that is there."""
    (found,) = re.findall(r"(?ms)^    # BEGIN\n(.*?)^    # END\n", text)
    return str(found)


def backend(text: str) -> str:
    """The excerpt's backend of the sidecar."""
    (found,) = re.findall(r"(?ms)^backend crossbar_conferences\n.*?(?=^backend crossbar\n)", text)
    return str(found)


def in_an_operators_frontend(excerpt: str) -> str:
    """The excerpt's lines where docs/drop-in.md puts them."""
    before, rules, after = OPERATORS.partition("\thttp-request set-header X-Operator yes\n")
    return before + rules + lines_between(excerpt) + after + "\n" + backend(excerpt)


def addressed(text: str, addresses: Mapping[str, str]) -> str:
    """A configuration with other addresses."""
    for shown, real in addresses.items():
        text = text.replace(shown, real)
    return text


def for_a_test(text: str) -> str:
    """A configuration without what needs a whole system: a user, a chroot, sockets of the system."""
    return re.sub(r"(?m)^\s*(log /dev|chroot|stats|user|group|daemon|errorfile).*\n", "", text)


async def checked(*configs: Path) -> tuple[int, str]:
    """The exit status of ``haproxy -c``, and what it says."""
    program = await asyncio.to_thread(ensure_haproxy)
    named = [word for config in configs for word in ("-f", str(config))]
    process = await asyncio.create_subprocess_exec(
        str(program), "-c", *named, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@asynccontextmanager
async def haproxy(config: Path, port: int) -> AsyncIterator[None]:
    """HAProxy with this configuration, once it listens at the port."""
    program = await asyncio.to_thread(ensure_haproxy)
    process = await asyncio.create_subprocess_exec(str(program), "-db", "-f", str(config))
    try:
        async with asyncio.timeout(PATIENCE):
            while not await listens(port):
                assert process.returncode is None, f"HAProxy has ended: {config}"
                await asyncio.sleep(0.02)
        yield
        assert process.returncode is None, f"HAProxy has ended: {config}"
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE)


async def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
