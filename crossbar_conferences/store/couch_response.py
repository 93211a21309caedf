"""How an answer's JSON is read."""

from __future__ import annotations

from typing import Any

import aiohttp

from .. import jsontext


class CouchResponse(aiohttp.ClientResponse):
    """An answer that decodes its body once, and fast: aiocouch asks for it twice (anchors.md 4.1)."""

    _decoded: tuple[Any] | None = None

    async def json(self, **_: Any) -> Any:
        """The body, whatever it is labelled; ``None`` when it is empty. Raises `ValueError`."""
        if self._decoded is None:
            body = (await self.read()).strip()
            self._decoded = (jsontext.decode_stored(body) if body else None,)
        return self._decoded[0]
