"""How durations are counted for Prometheus (``metrics.py``)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from crossbar_conferences.metrics import _SECONDS, PREFIX, Durations

SEEN = (0.0001, 0.001, 0.0011, 0.25, 9.0, 10.0, 11.0, 0.05)


class _One(Collector):
    def __init__(self, durations: Durations) -> None:
        self._durations = durations

    def collect(self) -> list[HistogramMetricFamily]:
        return [self._durations.family()]


def _samples(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, str(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_durations_are_a_histogram_of_prometheus() -> None:
    """The same observations give the same samples as the library's own histogram, bounds included."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = Durations("seconds", "Help", ("route", "status"))
    ours.register(_One(durations))
    library = Histogram(PREFIX + "seconds", "Help", ("route", "status"), registry=theirs, buckets=_SECONDS)
    for seconds in SEEN:
        for route, status in (("a", 200), ("b", 404)):
            durations.observe((route, status), seconds)
            library.labels(route, str(status)).observe(seconds)
    assert _samples(generate_latest(ours)) == _samples(generate_latest(theirs))
