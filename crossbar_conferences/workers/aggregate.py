"""The metrics of several workers in one text. Pure.

Each sample keeps its own value and gets a label ``worker``: sums are for whoever reads them, and
a counter that fell back to zero is then seen to be that of a restarted worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from ..metrics import PREFIX

#: A number of the supervisor's: name, kind, help, value.
Own = tuple[str, str, str, float]


def merge(texts: Mapping[str, str], own: Iterable[Own]) -> bytes:
    """One text of the texts of processes, by what the label is to say, and the supervisor's own numbers."""
    registry = CollectorRegistry()
    registry.register(_Merged([*_own(own), *_families(texts)]))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _own(numbers: Iterable[Own]) -> Iterator[Metric]:
    for name, kind, text, value in numbers:
        family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
        yield family(PREFIX + name, text, value=value)


def _families(texts: Mapping[str, str]) -> list[Metric]:
    merged: dict[str, Metric] = {}
    for worker, text in sorted(texts.items()):
        for family in text_string_to_metric_families(text):
            target = merged.setdefault(
                family.name, Metric(family.name, family.documentation, family.type, family.unit)
            )
            for sample in family.samples:
                labels = {"worker": worker, **sample.labels}
                target.samples.append(sample._replace(labels=labels))
    return list(merged.values())
