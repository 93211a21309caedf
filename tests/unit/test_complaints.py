"""Lines about what happens again and again: how many are written, and what they say."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from crossbar_conferences.complaints import Complaints, place_of


def test_complaints_are_bounded() -> None:
    """One line of a kind and event in a while, and the next says how many were left out."""
    now = 0.0
    complaints = Complaints(clock=lambda: now, interval=60)
    with capture_logs() as lines:
        assert complaints.complain("dropped", "a")
        assert not complaints.complain("dropped", "a")
        assert complaints.complain("dropped", "b")
        assert complaints.complain("failed", "a")
        now = 61.0
        assert complaints.complain("dropped", "a", more=1)
    assert [line["kept_back"] for line in lines] == [0, 0, 0, 1]
    assert (lines[-1]["reason"], lines[-1]["more"], lines[-1]["log_level"]) == ("a", 1, "warning")


def test_place_of_an_error() -> None:
    """A log line says where an error was raised, without a traceback."""
    with pytest.raises(ValueError, match="no") as caught:
        raise ValueError("no")
    assert place_of(caught.value).startswith("test_complaints.py:")
    assert place_of(ValueError()) == ""
