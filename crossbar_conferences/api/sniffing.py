"""``X-Content-Type-Options: nosniff`` on everything that any port answers.

Answers hold what clients wrote. Nobody may take one for anything but what it says it is, such as a page
with scripts. So it is said where every answer passes, those of the HTTP library itself included.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

NAME: Final = "X-Content-Type-Options"
VALUE: Final = "nosniff"


class Unsniffed(RequestHandler):
    """A connection whose answers say so; a stream, which has begun before it comes here, says it itself."""

    __slots__ = ()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # What a handler returns may be no response at all; the library says so.
        if isinstance(resp, web.Response):
            resp.headers[NAME] = VALUE
        return await super().finish_response(request, resp, start_time)


async def unsniffed(request: web.Request, response: web.StreamResponse) -> None:
    """The same for an aiohttp application: a signal of its responses."""
    response.headers[NAME] = VALUE
