"""Which event and which state confirm a command."""

from __future__ import annotations

import pytest

from crossbar_conferences.conference.confirmation import PROOFS, Confirmation, confirmation
from crossbar_conferences.conference.live import NEEDED_EVENTS
from crossbar_conferences.conference.rooms import Participant, Room


def room(**flags: bool) -> Room:
    headers = {name.title(): value for name, value in flags.items()}
    return Room("c", participants=(Participant(2, conference_channel_vars=headers),))


@pytest.mark.parametrize(
    ("action", "event", "before", "after"),
    [
        ("lock", "lock", Room("c", locked=False), Room("c", locked=True)),
        ("unlock", "unlock", Room("c", locked=True), Room("c", locked=False)),
        ("mute", "mute-member", room(speak=True), room(speak=False)),
        ("unmute", "unmute-member", room(speak=False), room(speak=True)),
        ("deaf", "deaf-member", room(hear=True), room(hear=False)),
        ("undeaf", "undeaf-member", room(hear=False), room(hear=True)),
        ("kick", "del-member", room(), Room("c")),
        ("record_start", "start-recording", Room("c", recording=False), Room("c", recording=True)),
        ("record_stop", "stop-recording", Room("c", recording=True), Room("c", recording=False)),
    ],
)
def test_event_and_state(action: str, event: str, before: Room, after: Room) -> None:
    """Each command has its event, and a state that shows it."""
    wanted = Confirmation(action, "c", 2)
    assert wanted.is_proved_by(event, "c", 2)
    assert not wanted.is_proved_by(event, "other", 2)
    assert not wanted.is_proved_by("start-talking", "c", 2)
    assert wanted.holds(before) is False
    assert wanted.holds(after) is True


def test_another_participant_s_event_proves_nothing() -> None:
    """A mute of somebody else is no receipt."""
    assert not Confirmation("mute", "c", 2).is_proved_by("mute-member", "c", 3)
    assert not Confirmation("kick", "c", 2).is_proved_by("del-member", "c", 3)


def test_the_end_of_the_conference_proves_a_kick() -> None:
    """Who was the last to be kicked takes the conference along."""
    assert Confirmation("kick", "c", 2).is_proved_by("conference-destroy", "c", None)
    assert Confirmation("kick", "c", 2).holds(None) is True


def test_what_state_cannot_tell() -> None:
    """A missing flag, person or conference neither confirms nor denies."""
    assert Confirmation("mute", "c", 2).holds(room()) is None
    assert Confirmation("mute", "c", 9).holds(room(speak=False)) is None
    assert Confirmation("lock", "c").holds(None) is None
    assert Confirmation("energy", "c", 2).holds(room()) is None


def test_actions_without_an_event() -> None:
    """Nothing is awaited where nothing would come."""
    assert confirmation("play", "c") == ()
    assert confirmation("lock", "c") == (Confirmation("lock", "c"),)


def test_default_events_are_published_by_default() -> None:
    """The table says truly which events come without configuration (amqp.md 7.3)."""
    for proof in PROOFS.values():
        assert proof.is_default == bool(set(proof.events) & NEEDED_EVENTS)
