"""How an answer's JSON is read, and how a request's is written."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from .. import jsondeep, jsontext

#: Bytes of a body that are decoded in a thread: other requests go on meanwhile.
_LARGE = 1_000_000


def as_json(value: Any) -> str:
    """JSON of a document or question: what was read from the store can be written to it again."""
    return jsondeep.encode(value, ascii_only=True)


class CouchResponse(aiohttp.ClientResponse):
    """An answer that decodes its body once, and fast: aiocouch asks for it twice (anchors.md 4.1)."""

    _decoded: tuple[Any] | None = None

    async def json(self, **_: Any) -> Any:
        """The body, whatever it is labelled; ``None`` when it is empty. Raises `ValueError`."""
        if self._decoded is None:
            body = (await self.read()).strip()
            value = None
            if len(body) > _LARGE:
                value = await asyncio.to_thread(jsontext.decode_stored, body)
            elif body:
                value = jsontext.decode_stored(body)
            self._decoded = (value,)
        return self._decoded[0]
