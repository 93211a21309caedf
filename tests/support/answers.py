"""An HTTP answer of the sidecar, read whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from crossbar_conferences.jsontext import decode_stored


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; ``body`` is ``None`` when it is no JSON."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any

    @property
    def data(self) -> Any:
        """The envelope's ``data``."""
        return self.body["data"]

    @property
    def message(self) -> Any:
        """The envelope's ``message``."""
        return self.body["message"]

    @property
    def metadata(self) -> Any:
        """The envelope's ``metadata``."""
        return self.body["metadata"]

    @property
    def errors(self) -> Any:
        """``data`` of a validation error."""
        assert (self.status, self.message) == (400, "validation error"), self.text
        return self.data


async def read(response: aiohttp.ClientResponse) -> Answer:
    """The answer, once all of it has come."""
    text = await response.text()
    is_json = bool(text) and response.headers.get("Content-Type") == "application/json"
    return Answer(response.status, response.headers, text, decode_stored(text.encode()) if is_json else None)
