"""What a process takes (``procfs.py``), under the standard names."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from crossbar_conferences import procfs
from crossbar_conferences.metrics import process_text
from crossbar_conferences.version import version

VERSION = version()


def _values(text: str) -> dict[str, float]:
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


async def test_the_numbers_are_those_of_the_library() -> None:
    """The same names as prometheus_client's own collector, and about the same values."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    theirs = _values(generate_latest(registry).decode())
    ours = _values(await process_text())
    assert set(theirs) <= set(ours)
    # The boot time that the library adds is in whole seconds.
    assert ours["process_start_time_seconds"] == pytest.approx(theirs["process_start_time_seconds"], abs=2.5)
    # Ours are of a moment later, in which a thread may have come.
    for name in ("process_resident_memory_bytes", "process_virtual_memory_bytes"):
        assert 0.5 * theirs[name] < ours[name] < 3 * theirs[name]
    assert ours["process_cpu_seconds_total"] == pytest.approx(theirs["process_cpu_seconds_total"], abs=0.5)
    assert ours["process_max_fds"] == theirs["process_max_fds"]
    assert abs(ours["process_open_fds"] - theirs["process_open_fds"]) <= 3
    assert ours["process_start_time_seconds"] < time.time()


async def test_which_program_runs() -> None:
    """One gauge whose labels say the version of package and interpreter."""
    text = await process_text()
    assert re.search(rf'crossbar_conferences_build_info{{python="3[^"]+",version="{VERSION}"}} 1.0', text)


def test_what_cannot_be_read_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no /proc, or one that hides more, the other numbers are told all the same."""
    monkeypatch.setattr(procfs, "_SELF", tmp_path)
    procfs._started_at.cache_clear()
    told = {metric.name for metric, _ in procfs.measured()}
    assert told == {"process_cpu_seconds", "process_max_fds"}
    (tmp_path / "stat").write_text("1 (a) b) c")
    (tmp_path / "statm").write_text("none")
    assert {metric.name for metric, _ in procfs.measured()} == told
    (tmp_path / "stat").write_text(f"{os.getpid()} (a) odd) name) " + " ".join("5" * 40))
    assert "process_start_time_seconds" in {metric.name for metric, _ in procfs.measured()}
    procfs._started_at.cache_clear()
