"""The floor: a bare aiohttp handler that answers bytes it was given, and does nothing else.

As a process: ``python -m bench.floor PORT FILE``, where FILE holds status, headers and body as JSON.
It reads a request's body, since the server that it is compared with has to read it as well.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from crossbar_conferences.loop import fast_loop


def application(status: int, headers: dict[str, str], body: bytes) -> web.Application:
    """Answers everything with the same bytes."""

    async def answer(request: web.Request) -> web.Response:
        if request.can_read_body:
            await request.read()
        return web.Response(status=status, headers=headers, body=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def serve(port: int, told: dict[str, Any]) -> None:
    """Serve until the process is ended; several processes may share the port."""
    app = application(told["status"], told["headers"], told["body"].encode())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    # On the same event loop as the sidecar.
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(serve(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())))
