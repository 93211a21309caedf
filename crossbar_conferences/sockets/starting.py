"""The beginning of subscriptions: with what was missed, with how things are, or just from now on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from .bindings import Subscription
from .commons import Commons
from .outbox import Outbox
from .resuming import ATTEMPTS, ResumeFailed, Resumption
from .subscriptions import Subscriptions

#: Subscriptions of a list that cost as much as one frame; each that resumes costs one by itself.
_A_FRAME: Final = 10


@dataclass(frozen=True, slots=True)
class Begun:
    """What the reply says more, and the frames to push after it."""

    reply: Mapping[str, Any] = field(default_factory=dict)
    missed: Sequence[bytes] = ()


class Starting:
    """The subscriptions of one frame. ``data`` is the frame's."""

    def __init__(
        self,
        commons: Commons,
        subscriptions: Subscriptions,
        wanted: Sequence[Subscription],
        data: Mapping[str, Any],
    ) -> None:
        self._commons = commons
        self._subscriptions = subscriptions
        self._resumes = "since" in data
        self._events = [one for one in wanted if one.kind == "event"] if self._resumes else []
        self._since = data.get("since")
        #: How much work that is, in frames.
        self.work = max(1, math.ceil(len(wanted) / _A_FRAME), len(self._events))

    async def begin(self, outbox: Outbox) -> Begun:
        """What was missed, as far as it may wait in a queue. Raises `ResumeFailed`."""
        if not self._resumes:
            return Begun()
        since = self._since
        for _ in range(ATTEMPTS):
            resumptions = [self._resumption(one, since) for one in self._events]
            for resumption in resumptions:
                await resumption.look(self._commons.guard)
            missed = [resumption.missed() for resumption in resumptions]
            frames = [pushed for some in missed for pushed in some or ()]
            if None not in missed:
                begun = Begun(self._snapshots(resumptions, outbox.bytes_left), frames)
                if len(frames) < outbox.frames_left and _size(begun) < outbox.bytes_left:
                    return begun
            # More than a snapshot is worth.
            since = None
        raise ResumeFailed

    def _resumption(self, subscription: Subscription, since: Any) -> Resumption:
        number = _number(since, subscription.conference_id)
        binding = self._subscriptions.find(subscription)
        if binding is None or binding.sieve is None:
            return Resumption(self._commons.hub, subscription, number)
        return Resumption(self._commons.hub, subscription, number, binding.sieve.shows)

    def _snapshots(self, resumptions: Sequence[Resumption], limit: int) -> dict[str, Any]:
        gaps = [resumption for resumption in resumptions if resumption.is_gap]
        if not gaps:
            return {"gap": False}
        now = self._commons.clock()
        shown: dict[str, orjson.Fragment] = {}
        size = 0
        for resumption in gaps:
            for conference_id, room in resumption.rooms.items():
                sequence = resumption.sequences[conference_id]
                text = orjson.dumps({"seq": sequence, **self._commons.show_room(room, now)})
                size += len(text)
                if size > limit:
                    # A snapshot only grows: to try again would not help.
                    raise ResumeFailed
                shown[conference_id] = orjson.Fragment(text)
        return {"gap": True, "snapshots": shown}


def _size(begun: Begun) -> int:
    return len(orjson.dumps(begun.reply)) + sum(map(len, begun.missed))


def _number(since: Any, conference_id: str) -> int | None:
    """The last number seen of a conference: one for all, or an object of them by conference."""
    if isinstance(since, dict):
        since = since.get(conference_id)
    return since if isinstance(since, int) and not isinstance(since, bool) else None
