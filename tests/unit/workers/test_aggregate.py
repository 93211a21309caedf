"""Metrics of several workers in one text."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from crossbar_conferences.workers.aggregate import merge


def _text(value: int) -> str:
    registry = CollectorRegistry()
    Counter("crossbar_conferences_things", "Things", ("kind",), registry=registry).labels("a").inc(value)
    Histogram("crossbar_conferences_seconds", "Time", registry=registry, buckets=(1.0,)).observe(value)
    return generate_latest(registry).decode()


def test_each_sample_keeps_its_value_under_its_worker() -> None:
    """One family of each name, its samples once a worker, and the supervisor's own beside them."""
    merged = merge({"1": _text(5), "0": _text(2)}, [("workers_ready", "gauge", "Ready", 2.0)]).decode()
    assert merged.count("# TYPE crossbar_conferences_things_total counter") == 1
    assert 'crossbar_conferences_things_total{kind="a",worker="0"} 2.0' in merged
    assert 'crossbar_conferences_things_total{kind="a",worker="1"} 5.0' in merged
    assert 'crossbar_conferences_seconds_sum{worker="1"} 5.0' in merged
    assert "crossbar_conferences_workers_ready 2.0" in merged
    assert len(list(text_string_to_metric_families(merged))) > 3


def test_without_workers_the_supervisor_still_answers() -> None:
    """When every worker is down, its own numbers say so."""
    assert (
        "crossbar_conferences_workers_ready 0.0" in merge({}, [("workers_ready", "gauge", "R", 0)]).decode()
    )
