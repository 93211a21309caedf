"""How an answer's JSON is read."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import aiohttp
import orjson

#: What may be an integer beyond 64 bits, which orjson reads as a float; CouchDB keeps it exact.
_HUGE_INTEGER: Final = re.compile(rb"\d{19,}")


class CouchResponse(aiohttp.ClientResponse):
    """An answer that decodes its body once, and fast: aiocouch asks for it twice (anchors.md 4.1)."""

    _decoded: tuple[Any] | None = None

    async def json(self, **_: Any) -> Any:
        """The body, whatever it is labelled; ``None`` when it is empty. Raises `ValueError`."""
        if self._decoded is None:
            body = (await self.read()).strip()
            self._decoded = (_decode(body) if body else None,)
        return self._decoded[0]


def _decode(body: bytes) -> Any:
    if _HUGE_INTEGER.search(body):
        return json.loads(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # Half a surrogate pair is no text for orjson, but a document may hold one.
        return json.loads(body)
