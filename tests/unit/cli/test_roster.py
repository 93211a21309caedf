"""What `watch` shows (``cli/roster.py``)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from crossbar_conferences.cli.roster import Roster, after_event, from_snapshots, table


def event(
    seq: int, kind: str, number: int | None = None, room: str = "room", **flags: bool
) -> dict[str, Any]:
    data: dict[str, Any] = {"event": kind, "conference_id": room, "conference_channel_vars": flags}
    if number is not None:
        data |= {"participant_id": number, "caller_id_name": f"Name {number}", "caller_id_number": "100"}
    return {"action": "event", "seq": seq, "data": data}


def shown(roster: Roster, now: float = 100.0, status: str = "") -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(table(roster, now, status))
    return capture.get()


def snapshot(**more: Any) -> dict[str, Any]:
    member = {
        "participant_id": 1,
        "caller_id_name": "Ann",
        "caller_id_number": "1001",
        "duration": 30,
        "conference_channel_vars": {"is_moderator": True, "speak": False, "hear": True, "talking": False},
    }
    base = {"conference_id": "room", "seq": 7, "duration": 60, "is_locked": True, "participants": [member]}
    return {**base, **more}


def test_a_snapshot_is_shown() -> None:
    """Everybody with flags and times, and the lock."""
    text = shown(from_snapshots({"room": snapshot()}, now=100.0))
    assert "room  1:00  locked" in text
    assert "Ann" in text and "1001" in text and "moderator muted" in text and "0:30" in text


def test_events_change_it() -> None:
    """Joining, talking, muting, leaving, locking, recording, the end."""
    roster: Roster = from_snapshots({"room": snapshot(is_locked=False)}, now=100.0)
    for frame in (
        event(8, "add-member", 2, speak=True, hear=True),
        event(9, "start-talking", 2),
        event(10, "deaf-member", 2, hear=False),
        event(11, "lock"),
        event(12, "start-recording"),
    ):
        roster = after_event(roster, frame, 110.0)
    text = shown(roster, now=115.0)
    assert "Name 2" in text and "talking deaf" in text and "0:05" in text
    assert "locked  recording" in text
    roster = after_event(roster, event(13, "del-member", 1), 116.0)
    assert "Ann" not in shown(roster)
    roster = after_event(roster, event(14, "conference-destroy"), 117.0)
    assert "No conference is running." in shown(roster)
    assert roster["room"].sequence == 14


def test_what_was_known_changes_nothing() -> None:
    """An event that the snapshot covers, or that comes twice, is passed over."""
    roster: Roster = from_snapshots({"room": snapshot()}, now=100.0)
    assert after_event(roster, event(7, "del-member", 1), 101.0) is roster
    once = after_event(roster, event(8, "add-member", 2), 101.0)
    assert after_event(once, event(8, "add-member", 2), 102.0) is once


def test_conferences_come_of_events_and_snapshots_of_nothing_show_nothing() -> None:
    """One that is first heard of by an event is shown; one that does not run is not."""
    roster: Roster = from_snapshots({"room": {"seq": 3, "participants": []}}, now=1.0)
    assert "No conference is running." in shown(roster, status="not connected")
    roster = after_event(roster, event(5, "conference-create", room="second"), 50.0)
    assert "second  0:50" in shown(roster)


def test_names_cannot_steer_the_terminal() -> None:
    """Escape sequences, line breaks, markup and endless names are harmless."""
    nasty = {"participant_id": 1, "caller_id_name": "\x1b[2J\n[red]x[/red]" + "y" * 500}
    text = shown(from_snapshots({"room": snapshot(participants=[nasty])}, now=1.0), status="\x1b]0;t\x07")
    assert "\x1b" not in text and "\x07" not in text
    assert "[red]x[/red]" in text and "y" * 41 not in text


@given(
    st.dictionaries(
        st.sampled_from(
            ["conference_id", "event", "participant_id", "conference_channel_vars", "caller_id_name"]
        ),
        st.none()
        | st.text(max_size=4)
        | st.integers()
        | st.lists(st.integers(), max_size=2)
        | st.sampled_from(["room", "add-member", "del-member", "lock"]),
    ),
    st.none() | st.integers() | st.text(max_size=2),
)
def test_no_frame_breaks_it(data: dict[str, Any], seq: Any) -> None:
    """Whatever a server sends."""
    roster = after_event({}, {"data": data, "seq": seq}, 1.0)
    shown(from_snapshots({"a": data, "b": {**data, "participants": [data]}}, 1.0))
    shown(roster)
