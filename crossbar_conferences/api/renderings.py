"""Answers that were rendered before, for as long as they would come out the same.

Documents and rooms are values that nobody changes: a changed one is another object. So an answer
is the same as long as it is made of the same objects, within the same second where seconds that
pass are shown. Bounded in bytes of JSON, and no account takes more than its share.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any

import orjson

from ..fair import OVERHEAD, Bounds, FairCache


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
    """The renderings of each account that were used last, ``limit`` bytes of JSON at most.

    What an answer is made of: ``objects`` are compared by identity, ``values`` by being equal."""

    def __init__(self, limit: int = 16 * 2**20) -> None:
        self._kept: FairCache[Hashable, tuple[tuple[object, ...], object, Rendering]] = FairCache(
            Bounds(limit // OVERHEAD, limit)
        )

    def __len__(self) -> int:
        return len(self._kept)

    def get(
        self, account_id: str, key: Hashable, objects: tuple[object, ...], values: object
    ) -> Rendering | None:
        """The rendering of an account's resource, if it was made of the same."""
        kept = self._kept.get(account_id, key)
        if kept is None or kept[1] != values or len(kept[0]) != len(objects):
            return None
        return kept[2] if all(map(is_, kept[0], objects)) else None

    def keep(
        self,
        account_id: str,
        key: Hashable,
        objects: tuple[object, ...],
        values: object,
        rendering: Rendering,
    ) -> None:
        """Keep one, in place of what was kept of its resource before."""
        # A question may be long too, and a list is made of many objects.
        size = rendering.size + len(repr((key, values))) + 8 * len(objects)
        self._kept.keep(account_id, key, (objects, values, rendering), size)
