"""The tables of results, and the verdict over them."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from bench import fanout, metrics, processes, run, scenarios, site, table
from bench.wrk import Load

GOOD = Load(requests=1000, seconds=2.0, p50=0.0012, p99=0.0101, refused=0, broken=0)


def row(load: Load = GOOD, **more: object) -> table.Row:
    """A measurement."""
    plain = table.Row("warm GET", 1, 16, load, cpu=0.0004, store_trips=0.5, bus_trips=0.0, resident=70 << 20)
    return replace(plain, **more)  # type: ignore[arg-type]


def cells(one: table.Row) -> dict[str, str]:
    """A row's cells by their columns."""
    return dict(zip(table.COLUMNS, one.cells(), strict=True))


def test_a_row_beside_its_floor() -> None:
    """Rates are ratios of the floor's and of the peer's; CPU is in milliseconds, memory in MiB."""
    shown = cells(row(floor=2000.0, floor_cpu=0.0001, peer=250.0))
    assert (shown["req/s"], shown["of floor"], shown["of peer"]) == ("500", "0.25", "2.00")
    assert (shown["CPU ms/req"], shown["CPU of floor"], shown["RSS MiB"]) == ("0.400", "4.00", "70")
    assert (shown["p50 ms"], shown["p99 ms"], shown["store/req"]) == ("1.20", "10.10", "0.50")


def test_columns_without_numbers_are_left_out() -> None:
    """Without a peer the table has no columns for one."""
    assert "peer" not in table.results([row(floor=2000.0)])
    assert "of peer" in table.results([row(peer=2000.0)])


def test_every_line_is_as_wide() -> None:
    """The table can be read as text as well as rendered."""
    lines = table.results([row(), row(floor=123456.0)]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].startswith("| -") and lines[1].endswith(": |")


def test_a_share_of_nothing() -> None:
    """No answers give no division by zero, and no rate is no ratio."""
    assert table.per_request(3.0, 0) == 0.0
    assert table.ratio(1.0, 0.0) == table.NOTHING


@pytest.mark.parametrize(
    "bad", [row(Load(1, 1.0, 0, 0, 1, 0)), row(Load(1, 1.0, 0, 0, 0, 1)), row(unconfirmed=1)]
)
def test_any_error_fails_the_run(bad: table.Row) -> None:
    """One refused, broken or unconfirmed request, one missing frame, one scenario not measured: status 1."""
    assert run.verdict([row()], [], []) == 0
    assert run.verdict([row(), bad], [], []) == 1
    assert run.verdict([row()], [], ["not there"]) == 1
    assert run.verdict([], [fanout.Fan(1, 2, 1, 1.0, [0.1], 0.0, 0)], []) == 1


def test_a_percentile() -> None:
    """Of a hundred delays the 99th percentile is the largest, of none it is nothing."""
    delays = [number / 1000 for number in range(100)]
    assert (fanout.percentile(delays, 50), fanout.percentile(delays, 99)) == (0.05, 0.099)
    assert fanout.percentile([], 99) == 0.0


def test_metrics_are_summed_over_labels() -> None:
    """A histogram's counts add up, a counter loses its ending, foreign lines and comments are passed over."""
    text = (
        "# HELP crossbar_conferences_bus_casts x\n"
        "crossbar_conferences_bus_casts_total 3.0\n"
        'crossbar_conferences_request_seconds_count{route="a",verb="GET"} 2.0\n'
        'crossbar_conferences_request_seconds_count{route="b",verb="GET"} 5.0\n'
        "python_info 1.0\n"
    )
    read = metrics.parse(text)
    assert read == {"bus_casts": 3.0, "request_seconds_count": 7.0}
    assert metrics.bus_trips({}, read) == 3.0


def test_a_process_name_with_spaces() -> None:
    """The fields of /proc/PID/stat are found behind a name that looks like fields."""
    assert processes.stat_fields("12 (a) S 1) S 1 12")[0] == "S"


def test_the_own_process_is_seen() -> None:
    """This process has used time and memory."""
    used = processes.usage(os.getpid())
    assert used.cpu > 0 and used.resident > 1 << 20


def test_a_token_names_its_account() -> None:
    """A peer's account comes from the claims of the token that it takes."""
    assert site.account_of("x.eyJhY2NvdW50X2lkIjoiYTEifQ.y") == "a1"
    with pytest.raises(site.SiteFailed):
        site.account_of("no token")


def test_every_scenario_has_a_name_of_its_own() -> None:
    """Scenarios are asked for by name, and none is lost."""
    names = [scenario.name for scenario in scenarios.named(())]
    assert len(set(names)) == len(names) == 8
    assert [one.name for one in scenarios.named(["lock"])] == ["lock"]
