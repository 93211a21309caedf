"""What is measured, for Prometheus: one table of gauges read when asked, and two histograms.

Every name begins with ``crossbar_conferences_``, but for those of the process. The rooms count for
themselves in plain fields; nothing in them knows Prometheus. `METRICS` is also what the documentation is
checked against.
"""

from __future__ import annotations

import asyncio
import platform
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .procfs import ProcessMetric, measured
from .version import version

if TYPE_CHECKING:
    from .service import Service

PREFIX: Final = "crossbar_conferences_"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


_VERBS = frozenset({"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Metric:
    """One number: ``counter`` only rises."""

    name: str
    kind: str
    help: str
    read: Callable[[Service], float]


#: That of the code that runs, whatever has been installed since.
_VERSION: Final = version()

#: Which program runs: always 1, what counts is in its labels.
BUILD_INFO: Final = Metric("build_info", "gauge", "1, with the labels `version` and `python`", lambda s: 1.0)


def _tracker(service: Service, name: str) -> float:
    counters = getattr(service.live, "counters", None)
    return float(getattr(counters, name, 0))


METRICS: Final[tuple[Metric, ...]] = (
    Metric("bus_connected", "gauge", "1 while messages can be published", lambda s: s.bus.connected),
    Metric("bus_casts", "counter", "Messages published without waiting", lambda s: s.bus.counters.casts),
    Metric("bus_calls", "counter", "Questions with one answer", lambda s: s.bus.counters.calls),
    Metric("bus_collects", "counter", "Questions to every node", lambda s: s.bus.counters.collects),
    Metric(
        "bus_published",
        "counter",
        "Messages published in all",
        lambda s: sum(s.bus.published.values()),
    ),
    Metric("bus_backlog", "gauge", "Deliveries not handled yet", lambda s: s.bus.transport.backlog),
    Metric(
        "bus_dropped",
        "counter",
        "Deliveries dropped because too many waited",
        lambda s: s.bus.transport.counters.dropped,
    ),
    Metric(
        "bus_gaps",
        "counter",
        "Times that messages may have been missed",
        lambda s: s.bus.transport.counters.gaps,
    ),
    Metric(
        "bus_malformed", "counter", "Messages that fit no definition", lambda s: s.bus.counters.malformed()
    ),
    Metric("media_nodes", "gauge", "ecallmgr nodes heard", lambda s: s.bus.nodes.count("ecallmgr")),
    Metric(
        "node_name_taken",
        "gauge",
        "1 while another process is heard under our node name",
        lambda s: s.bus.nodes.namesake is not None,
    ),
    Metric("store_requests", "counter", "Requests to CouchDB", lambda s: s.store_counters.requests),
    Metric("store_errors", "counter", "Requests to CouchDB that failed", lambda s: s.store_counters.errors),
    Metric(
        "store_available",
        "gauge",
        "1 while CouchDB answers and lets our user in",
        lambda s: s.store_health.trouble is None,
    ),
    Metric("cache_hits", "counter", "Documents found in memory", lambda s: s.cache.counters.hits),
    Metric("cache_misses", "counter", "Documents read from CouchDB", lambda s: s.cache.counters.misses),
    Metric("cache_documents", "gauge", "Documents in memory", lambda s: len(s.cache)),
    Metric("cache_bytes", "gauge", "Bytes of documents in memory, as JSON", lambda s: s.cache.size),
    Metric(
        "own_documents_removed",
        "counter",
        "Documents of the sidecar's own database removed since nothing stands behind them",
        lambda s: s.sweeper.removed,
    ),
    Metric("events_heard", "counter", "Conference events heard", lambda s: s.feed.heard),
    Metric("events_ignored", "counter", "Conference events of nobody's account", lambda s: s.feed.ignored),
    Metric("live_searches", "counter", "Searches for live state", lambda s: _tracker(s, "searches")),
    Metric("live_drift", "counter", "Rooms that a search showed differently", lambda s: _tracker(s, "drift")),
    Metric("commands_published", "counter", "Commands published", lambda s: s.executor.counters.published),
    Metric("commands_confirmed", "counter", "Commands seen to work", lambda s: s.executor.counters.confirmed),
    Metric(
        "commands_unconfirmed",
        "counter",
        "Commands whose effect was not seen in time",
        lambda s: s.executor.counters.unconfirmed,
    ),
    Metric("invitations_sent", "counter", "Invitations published", lambda s: s.inviter.counters.sent),
    Metric(
        "invitations_completed", "counter", "Invitations delivered", lambda s: s.inviter.counters.completed
    ),
    Metric("invitations_failed", "counter", "Invitations that failed", lambda s: s.inviter.counters.failed),
    Metric("invitations_kept", "counter", "Invitations kept for retry", lambda s: s.inviter.counters.kept),
    Metric("invitations_lost", "counter", "Invitations lost", lambda s: s.inviter.counters.lost),
    Metric(
        "invitations_unwritten",
        "gauge",
        "Invitations that wait for a store that can be written",
        lambda s: s.inviter.unwritten,
    ),
    Metric("changes_waiting", "gauge", "Changes not yet announced", lambda s: s.announcer.waiting),
    Metric("websocket_sessions", "gauge", "Websocket sessions", lambda s: len(s.sockets.sessions)),
    Metric("websocket_pushed", "counter", "Frames pushed", lambda s: s.hub.pushed),
    Metric(
        "websocket_dropped_slow",
        "counter",
        "Sessions ended because the client was too slow",
        lambda s: s.sockets.dropped_slow,
    ),
    Metric("websocket_refused", "counter", "Sessions that found no place", lambda s: s.sockets.refused),
    Metric(
        "websocket_bindings",
        "gauge",
        "Subscriptions of all websocket sessions",
        lambda s: s.room.bindings.held(),
    ),
    Metric(
        "websocket_waiting_bytes",
        "gauge",
        "Bytes that wait for slow sessions and streams",
        lambda s: s.room.waiting.held(),
    ),
    Metric("history_bytes", "gauge", "Bytes of events kept to resume", lambda s: s.hub.history.size),
    Metric("event_streams", "gauge", "Event streams", lambda s: len(s.streams)),
    Metric(
        "event_streams_refused", "counter", "Event streams that found no place", lambda s: s.streams.refused
    ),
    Metric("reviews_held", "gauge", "Rights that are kept under review", lambda s: len(s.reviews)),
    Metric("reviews_decided", "counter", "Decisions about such rights", lambda s: s.reviews.decided),
    Metric(
        "reviews_ended",
        "counter",
        "Subscriptions, streams and waits ended by a review",
        lambda s: s.reviews.ended,
    ),
    Metric(
        "connections_dropped",
        "counter",
        "Connections ended because the client was too slow",
        lambda s: s.listeners.dropped,
    ),
    Metric("requests_running", "gauge", "HTTP requests being served", lambda s: s.load.running),
    Metric(
        "requests_waiting",
        "gauge",
        "HTTP requests that wait for a command's effect or a dial's answer",
        lambda s: s.load.waiting.held(),
    ),
    Metric(
        "request_body_bytes",
        "gauge",
        "Bytes of the bodies of requests being served",
        lambda s: s.load.bodies.held(),
    ),
    Metric(
        "idempotency_bytes",
        "gauge",
        "Bytes of answers kept for repeated Idempotency-Keys",
        lambda s: s.keys.size,
    ),
    Metric(
        "rate_fallbacks",
        "counter",
        "Rate tokens taken without the other worker processes",
        lambda s: s.charger.fallbacks,
    ),
    Metric(
        "idempotency_fallbacks",
        "counter",
        "Idempotency-Keys taken without the other worker processes",
        lambda s: s.claims.fallbacks,
    ),
)


Measured = Sequence[tuple[ProcessMetric, float]]


def process_families(found: Measured) -> Iterator[PrometheusMetric]:
    """What a process takes, and which program it runs."""
    build = GaugeMetricFamily(PREFIX + BUILD_INFO.name, BUILD_INFO.help, labels=("version", "python"))
    build.add_metric((_VERSION, platform.python_version()), 1.0)
    yield build
    for metric, value in found:
        family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        yield family(metric.name, metric.help, value=value)


@dataclass(frozen=True, slots=True, eq=False)
class _Process(Collector):
    """What a process takes that is no service, such as the supervisor's."""

    found: Measured

    def collect(self) -> Iterator[PrometheusMetric]:
        """What was measured."""
        yield from process_families(self.found)


async def process_text() -> str:
    """The numbers of this process alone, in Prometheus' text form."""
    registry = CollectorRegistry()
    registry.register(_Process(await asyncio.to_thread(measured)))
    return generate_latest(registry).decode()


class Durations:
    """How long things took, by their labels: plain numbers until Prometheus asks."""

    def __init__(self, name: str, help_text: str, labels: tuple[str, ...]) -> None:
        self._name = PREFIX + name
        self._help = help_text
        self._labels = labels
        #: For each set of labels how many fell between two bounds, and the sum of seconds.
        self._counts: dict[tuple[str | int, ...], list[int]] = {}
        self._sums: dict[tuple[str | int, ...], float] = {}

    def observe(self, values: tuple[str | int, ...], seconds: float) -> None:
        """One more, of these labels."""
        counts = self._counts.get(values)
        if counts is None:
            counts = self._counts[values] = [0] * (len(_SECONDS) + 1)
            self._sums[values] = 0.0
        counts[bisect_left(_SECONDS, seconds)] += 1
        self._sums[values] += seconds

    def family(self) -> HistogramMetricFamily:
        """What Prometheus is told."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        bounds = [*map(floatToGoString, _SECONDS), "+Inf"]
        for values, counts in self._counts.items():
            buckets = list(zip(bounds, map(float, accumulate(counts)), strict=True))
            family.add_metric([str(one) for one in values], buckets, self._sums[values])
        return family


class Metrics(Collector):
    """The registry of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process: Measured = []
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._requests = Durations("request_seconds", "HTTP requests", ("route", "verb", "status"))
        self._store = Durations("store_seconds", "Requests to CouchDB", ("operation",))

    def observe_request(self, route: str, verb: str, status: int, seconds: float) -> None:
        """A request is done. Verbs come from outside: unknown ones are counted together."""
        self._requests.observe((route, verb if verb in _VERBS else "other", status), seconds)

    def observe_store(self, operation: str, seconds: float, failed: bool) -> None:
        """A request to the store is done."""
        self._store.observe((operation,), seconds)

    async def text(self) -> bytes:
        """Everything in Prometheus' text form."""
        self._process = await asyncio.to_thread(measured)
        return generate_latest(self._registry)

    def collect(self) -> Iterator[PrometheusMetric]:
        """The table, read now."""
        yield from process_families(self._process)
        for metric in METRICS:
            family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            yield family(PREFIX + metric.name, metric.help, value=float(metric.read(self._service)))
        yield self._requests.family()
        yield self._store.family()
