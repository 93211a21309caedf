"""What a search says in the log when it cannot be made (``live/search.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.port import BrokerError, BrokerUnavailable
from crossbar_conferences.kapi.messages import MessageInvalid, Origin
from crossbar_conferences.live.search import SearchLive


@dataclass(slots=True)
class Failing:
    """A bus on which every question fails."""

    error: Exception
    connected: bool

    def origin(self) -> Origin:
        return Origin("crossbar", "4.0.0", "node@host.test")

    async def collect(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "connected", "lines"),
    [
        (BrokerUnavailable(), False, 0),
        (BrokerError("the broker is slow"), True, 1),
        (MessageInvalid("no such id"), True, 1),
    ],
)
async def test_a_failed_search_is_no_line_a_request(error: Exception, connected: bool, lines: int) -> None:
    """Without a broker, which is said once by itself, none; else one for many, and no answer all the same."""
    live = SearchLive(cast(Bus, Failing(error, connected)), lambda: 0.0)
    with capture_logs() as logged:
        for _ in range(100):
            assert not (await live.lookup("3000")).heard
    assert [line["event"] for line in logged] == ["search_failed"] * lines
