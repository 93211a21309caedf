"""What is written for wrk, and what is read from it."""

from __future__ import annotations

import pytest

from bench import wrk

OUTPUT = """Running 2s test @ http://127.0.0.1:1
  1 threads and 16 connections

bench-result {"requests": 3000, "duration": 2000000, "p50": 1500, "p99": 9000, "status": 2, "connect": 1, \
"read": 3, "write": 0, "timeout": 4}
"""


def test_a_result_is_read() -> None:
    """Times come in microseconds, and every kind of error counts."""
    load = wrk.parse(OUTPUT)
    assert load == wrk.Load(requests=3000, seconds=2.0, p50=0.0015, p99=0.009, refused=2, broken=8)
    assert (load.rate, load.errors) == (1500.0, 10)


def test_no_result_is_an_error() -> None:
    """Output without a result is never taken for zero requests: what wrk complained of is told."""
    with pytest.raises(wrk.WrkFailed, match="unable to connect"):
        wrk.parse("", "unable to connect to 127.0.0.1:1")


def test_nothing_answered_has_no_rate() -> None:
    """A run of no length gives no division by zero."""
    assert wrk.Load(0, 0.0, 0.0, 0.0, 0, 0).rate == 0.0


def test_any_text_survives_lua() -> None:
    """Quotes, backslashes, line breaks and letters beyond ASCII arrive at wrk as they are."""
    text = 'a"b\\c\n{n}é'
    script = wrk.script([wrk.Request("/x", "PUT", text)], {"X-Auth-Token": text})
    assert script.count(r'"a\034b\092c\010{n}\195\169"') == 2
    assert '{"PUT", "/x", ' in script
