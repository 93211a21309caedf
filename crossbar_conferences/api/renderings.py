"""Answers that were rendered before, for as long as they would come out the same.

Documents and rooms are values that nobody changes: a changed one is another object. So an answer
is the same as long as it is made of the same objects, within the same second where seconds that
pass are shown. Bounded in bytes of JSON.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Rendering:
    """What an answer shows, as values and as JSON; to be read only."""

    data: Any
    metadata: Mapping[str, Any]
    revision: str | None
    etag: str | None
    data_json: bytes
    metadata_json: bytes

    @property
    def size(self) -> int:
        """Bytes of JSON."""
        return len(self.data_json) + len(self.metadata_json)


def rendered(
    data: Any, metadata: Mapping[str, Any], revision: str | None, etag: str | None
) -> Rendering | None:
    """The rendering of values; ``None`` when they hold what only the slow encoder takes."""
    try:
        return Rendering(data, metadata, revision, etag, _json(data), _json(metadata))
    except TypeError:
        return None


def _json(value: Any) -> bytes:
    # A copy: what orjson returns keeps the room that it was written in, eight kilobytes at least.
    return bytes(memoryview(orjson.dumps(value)))


class Renderings:
    """The renderings used last, ``limit`` bytes of JSON at most.

    What an answer is made of: ``objects`` are compared by identity, ``values`` by being equal."""

    def __init__(self, limit: int = 16 * 2**20) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Hashable, tuple[tuple[object, ...], object, Rendering]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, objects: tuple[object, ...], values: object) -> Rendering | None:
        """The rendering of a resource, if it was made of the same."""
        kept = self._kept.get(key)
        if kept is None or kept[1] != values or len(kept[0]) != len(objects):
            return None
        if not all(map(is_, kept[0], objects)):
            return None
        self._kept.move_to_end(key)
        return kept[2]

    def keep(self, key: Hashable, objects: tuple[object, ...], values: object, rendering: Rendering) -> None:
        """Keep one, in place of what was kept of its resource before."""
        self._drop(key)
        if rendering.size > self._limit:
            return
        self._kept[key] = (objects, values, rendering)
        self._size += rendering.size
        while self._size > self._limit:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._size -= gone[2].size
