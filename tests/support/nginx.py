"""Debian's nginx as a child of the test, with the http block that a test gives it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from scripts.installing import ensure_nginx

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "nginx.conf"
PATIENCE = 60.0

#: What stands around an http block. The workers' user has to reach the test's folder.
_AROUND = """
user root; daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {inside}
}}
"""


def shipped(bind: int, sidecar: str, crossbar: str, *, websockets: bool = False) -> str:
    """Our configuration with other addresses; with the lines about websockets, if wanted."""
    text = CONFIG.read_text("utf-8")
    assert (text.count("127.0.0.1:8080"), text.count("127.0.0.1:8000"), text.count("10.0.0.11:8000")) == (
        1,
        1,
        2,
    )
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{bind}")
    text = text.replace("127.0.0.1:8000", sidecar).replace("10.0.0.11:8000", crossbar)
    if websockets:
        before, line, after = text.partition("    # location = /websocket")
        text = before + re.sub(r"(?m)^    # ", "    ", line + after)
    return text


@asynccontextmanager
async def nginx(port: int, inside: str, folder: Path) -> AsyncIterator[None]:
    """nginx with this http block, once it listens at the port."""
    program = await asyncio.to_thread(ensure_nginx)
    config = folder / "nginx.conf"
    await asyncio.to_thread(config.write_text, _AROUND.format(folder=folder, inside=inside), "utf-8")
    process = await asyncio.create_subprocess_exec(str(program), "-c", str(config), "-p", str(folder))
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _listens(port):
                assert process.returncode is None, f"nginx has ended: see {folder / 'error.log'}"
                await asyncio.sleep(0.02)
        yield
        assert process.returncode is None, f"nginx has ended: see {folder / 'error.log'}"
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
